/** The codes of problems. They are stable; the texts are not. `unknown` is an answer that is not a problem of the service. */
export type ProblemCode =
  | "invalid_json"
  | "invalid_id"
  | "invalid_event"
  | "invalid_query"
  | "invalid_schema"
  | "unauthenticated"
  | "forbidden"
  | "unknown_service"
  | "unknown_state"
  | "unknown_task"
  | "unknown_extension"
  | "unknown_business_attribute"
  | "not_found"
  | "method_not_allowed"
  | "request_timeout"
  | "already_completed"
  | "state_mismatch"
  | "schema_exists"
  | "payload_too_large"
  | "unsupported_media_type"
  | "idempotency_mismatch"
  | "rate_limited"
  | "internal"
  | "overloaded"
  | "maintenance"
  | "database_unavailable"
  | "unknown";

/** One violation: its JSON pointer in the body, or its query parameter, and what is wrong. */
export interface Violation {
  pointer?: string;
  parameter?: string;
  detail: string;
}

/** An error answer of the service. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly status: number,
    readonly code: ProblemCode,
    readonly detail: string,
    readonly errors: readonly Violation[],
    /** The `X-Request-Id`, by which the operator finds the request in the log. */
    readonly requestId: string | undefined,
  ) {
    super([`${status} ${code}: ${detail}`, ...errors.map((e) => `${e.pointer ?? e.parameter}: ${e.detail}`)].join("\n  "));
  }
}

/** No answer arrived before the deadline. The event may or may not have been written; `cause` is the last failure. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";

  constructor(message: string, options: ErrorOptions) {
    super(message, options);
  }
}
