// The bodies of the API, with its own field names. Extensions stand beside the fields, as in JSON.

/** An integer of the service. It is a BigInt only beyond 2^53, where a number would be rounded. */
export type Integer = number | bigint;
/** An identifier to send; text of digits is accepted too. */
export type Id = Integer | string;
/** Business values are 64-bit integers or strings. */
export type LongOrString = Integer | string;
/** A moment to send: a `Date`, or RFC 3339 with an offset. */
export type Time = Date | string;

/** The fields of all events. */
export interface EventFields {
  timestamp?: Time;
  session_id?: string;
  interaction_id?: string;
  application_type?: LongOrString;
  application_id?: Integer;
  resource_type?: LongOrString;
  resource_id?: Integer;
  media_type?: LongOrString;
}

/** When a service expires. `ttl` is in seconds from now and wins over `expiration_time`. */
export interface Expiration {
  ttl?: Integer;
  expiration_time?: Time;
}

/** Extensions by name: a record, or an array of records. */
export interface Extensions {
  [extension: string]: unknown;
}

interface Outcome {
  disposition?: LongOrString;
  /** At most 64 characters. */
  disposition_desc?: string;
}

export interface AssociateService extends EventFields, Expiration, Extensions {
  service_type?: LongOrString;
  /** In seconds. */
  est_duration?: Integer;
  /** In seconds without an event. */
  auto_complete_after?: Integer;
}

/** `customer_id`, `contact_key` or both are required. */
export interface StartService extends AssociateService {
  customer_id?: string;
  contact_key?: string;
}

export interface StartState extends EventFields, Extensions {
  state_type?: LongOrString;
  est_duration?: Integer;
  previous_state_id?: Integer;
}

export interface StartTask extends EventFields, Extensions {
  task_type?: LongOrString;
  est_duration?: Integer;
  state_id?: Integer;
}

export interface CompleteService extends EventFields, Outcome, Expiration, Extensions {}
export interface CompleteState extends EventFields, Outcome, Extensions {}
export interface CompleteTask extends EventFields, Outcome, Extensions {
  state_id?: Integer;
}

/** The disposition is that of the state that ends; type, estimate and extensions are those of the new one. */
export interface TransitionState extends EventFields, Outcome, Extensions {
  state_type?: LongOrString;
  est_duration?: Integer;
}

/** The fields that start and end have in common, as answered. Times are RFC 3339 in UTC with milliseconds. */
export interface Moment {
  timestamp: string;
  session_id?: string;
  interaction_id?: string;
  application_type?: LongOrString;
  application_id?: Integer;
  resource_type?: LongOrString;
  resource_id?: Integer;
  media_type?: LongOrString;
}

interface Element extends Extensions {
  est_duration?: Integer;
  started: Moment;
  completed?: Moment;
  /** In milliseconds. */
  duration?: Integer;
  disposition?: LongOrString;
  disposition_desc?: string;
  auto_completed?: boolean;
}

/** Nested lists are absent unless the query asks for them. */
export interface Service extends Element {
  service_id: Integer;
  customer_id?: string;
  contact_key?: string;
  service_type?: LongOrString;
  active_states?: State[];
  completed_states?: State[];
  active_tasks?: Task[];
  completed_tasks?: Task[];
}

/** Nested lists are absent unless the query asks for them. */
export interface State extends Element {
  /** Absent where the state is nested in its service. */
  service_id?: Integer;
  state_id: number;
  state_type?: LongOrString;
  previous_state_id?: number;
  active_tasks?: Task[];
  completed_tasks?: Task[];
}

export interface Task extends Element {
  /** Absent where the task is nested in its service or state. */
  service_id?: Integer;
  task_id: number;
  state_id?: number;
  task_type?: LongOrString;
}

/** A list, in ascending order. `before` is the cursor to the older elements, if any remain. */
export type Page<T> = T[] & { before?: string };

export interface TaskQuery {
  /** Names of extensions, `*` (the default) for all, or `[]` for none. */
  extensions?: string | string[];
}

export interface StateQuery extends TaskQuery {
  active_tasks?: boolean;
  completed_tasks?: boolean;
}

export interface ServiceQuery extends StateQuery {
  active_states?: boolean;
  completed_states?: boolean;
}

interface ListQuery {
  /** 1 to 10,000; 1,000 by default. */
  limit?: number;
  /** The cursor of a page, for the one before it. */
  before?: string;
}

export interface ServicesQuery extends ServiceQuery, ListQuery {
  service_types?: LongOrString | LongOrString[];
  started_from?: Time;
  started_to?: Time;
  completed_from?: Time;
  completed_to?: Time;
}

export interface StatesQuery extends StateQuery, ListQuery {
  state_types?: LongOrString | LongOrString[];
}

export interface TasksQuery extends TaskQuery, ListQuery {
  task_types?: LongOrString | LongOrString[];
  state_id?: Integer | Integer[];
}

/** The element that a schema belongs to. */
export type Elements = "services" | "states" | "tasks";

export interface ExtensionAttribute {
  name: string;
  type: "string" | "boolean" | "integer" | "float" | "date" | "datetime" | "json";
  /** Only for strings: 1 to 65,535 characters, 255 by default. */
  length?: number;
  mandatory?: boolean;
  default?: unknown;
}

export interface ExtensionSchema {
  name: string;
  type: "single-valued" | "multi-valued";
  attributes: ExtensionAttribute[];
  /** Attributes, or groups of them, whose values may not repeat among the records of one element. */
  unique?: (string | string[])[];
  /** In answers: the extension has records and no schema. */
  open?: boolean;
}

/** What a value means to people. */
export type Tone = "good" | "neutral" | "bad";

export interface DefineBusinessAttribute {
  display_name?: string;
  description?: string;
  default?: LongOrString;
  /** The fields that the attribute is mapped to, such as `Task.disposition`. */
  cv_attributes?: string[];
  values: { dbid?: Integer; name: string; display_name?: string; description?: string; tone?: Tone }[];
}

export interface BusinessAttribute {
  name: string;
  dbid: Integer;
  map_name: boolean;
  display_name?: string;
  description?: string;
  default?: Integer;
  cv_attributes: string[];
  values: { dbid: Integer; name: string; display_name?: string; description?: string; tone?: Tone }[];
}

export interface Metadata {
  links: Record<string, string>;
}

export type ServerMode = "production" | "maintenance";

/** Memory is in KB. */
export interface ServerStatus {
  version: string;
  mode: ServerMode;
  system_time: string;
  started: string;
  last_request?: string;
  request_today: Integer;
  client_errors_today: Integer;
  server_errors_today: Integer;
  used_memory: Integer;
  free_memory: Integer;
  max_memory: Integer;
  allocated_memory: Integer;
}
