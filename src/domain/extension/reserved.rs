//! Reserved names of extensions.

/// Returns whether this is the name of a field, which an extension may not have.
pub fn is_field_name(name: &str) -> bool {
    RESERVED_NAMES.contains(&name)
}

/// The names that an extension may not have. They are, or will be, fields of events or of responses.
pub(super) const RESERVED_NAMES: [&str; 42] = [
    "session_id",
    "interaction_id",
    "application_type",
    "application_id",
    "resource_type",
    "resource_id",
    "media_type",
    "timestamp",
    "est_duration",
    "customer_id",
    "contact_key",
    "type",
    "service_type",
    "state_type",
    "task_type",
    "service_id",
    "state_id",
    "task_id",
    "previous_state_id",
    "disposition",
    "disposition_desc",
    "ttl",
    "expiration_time",
    "auto_complete_after",
    "auto_completed",
    "from",
    "to",
    "started",
    "completed",
    "duration",
    "states",
    "tasks",
    "active",
    "active_states",
    "completed_states",
    "active_tasks",
    "completed_tasks",
    "omitted_states",
    "omitted_tasks",
    "extensions",
    "limit",
    "before",
];
