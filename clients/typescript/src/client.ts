import { LONE_SURROGATE } from "./json.js";
import { Transport, type Call, type CallOptions, type Options, type Reply, type StartOptions } from "./transport.js";
import type * as t from "./types.js";

/**
 * A client of the service. Each operation of the API is a method; docs/clients.md lists them.
 *
 * Every call is repeated after a 503, a 429, a timeout or a broken connection until it is answered or its deadline
 * passes. A repeat never writes twice: starts and transitions carry an `Idempotency-Key`, and the rest is safe to
 * repeat as it is.
 *
 * @throws Problem if the service refuses the call; Unreachable if no answer arrives in time.
 */
export class ContextServices {
  private readonly transport: Transport;

  constructor(url: string, options: Options = {}) {
    this.transport = new Transport(url, options);
  }

  // Lifecycle

  async startService(event: t.StartService, options?: StartOptions): Promise<t.Integer> {
    return this.start("/services/start", "service_id", event, options);
  }

  async associateService(customerId: string, service: t.Id, event: t.AssociateService = {}, options?: CallOptions): Promise<void> {
    return this.done({ method: "POST", path: path`/customers/${customerId}/services/${service}`, body: event, options });
  }

  async completeService(service: t.Id, event: t.CompleteService = {}, options?: CallOptions): Promise<void> {
    return this.done({ method: "POST", path: path`/services/${service}/end`, body: event, options });
  }

  async startState(service: t.Id, event: t.StartState = {}, options?: StartOptions): Promise<number> {
    return this.start(path`/services/${service}/states/start`, "state_id", event, options);
  }

  async completeState(service: t.Id, state: t.Id, event: t.CompleteState = {}, options?: CallOptions): Promise<void> {
    return this.done({ method: "POST", path: path`/services/${service}/states/${state}/end`, body: event, options });
  }

  /** Ends the state `from` with a disposition, starts the next with its type and extensions, and returns its identifier. */
  async transitionState(service: t.Id, from: t.Id, event: t.TransitionState = {}, options?: StartOptions): Promise<number> {
    const { disposition, disposition_desc, state_type, est_duration, ...common } = event;
    const body = {
      ...common,
      from: { state_id: identifier(from), disposition, disposition_desc },
      to: { state_type, est_duration },
    };
    return this.start(path`/services/${service}/states/transition`, "state_id", body, options);
  }

  async startTask(service: t.Id, event: t.StartTask = {}, options?: StartOptions): Promise<number> {
    return this.start(path`/services/${service}/tasks/start`, "task_id", event, options);
  }

  async completeTask(service: t.Id, task: t.Id, event: t.CompleteTask = {}, options?: CallOptions): Promise<void> {
    return this.done({ method: "POST", path: path`/services/${service}/tasks/${task}/end`, body: event, options });
  }

  async deleteService(service: t.Id, options?: CallOptions): Promise<void> {
    return this.done({ method: "DELETE", path: path`/services/${service}`, gone: "unknown_service", options });
  }

  async updateExpiration(service: t.Id, expiration: t.Expiration, options?: CallOptions): Promise<void> {
    return this.done({ method: "PUT", path: path`/services/${service}`, body: expiration, options });
  }

  // Queries

  async getService(service: t.Id, query?: t.ServiceQuery, options?: CallOptions): Promise<t.Service> {
    return this.get(path`/services/${service}`, withExtensions(query), options);
  }

  async listServices(customerId: string, query?: t.ServicesQuery, options?: CallOptions): Promise<t.Page<t.Service>> {
    return this.list(path`/customers/${customerId}/services`, query, options);
  }

  async listActiveServices(customerId: string, query?: t.ServicesQuery, options?: CallOptions): Promise<t.Page<t.Service>> {
    return this.list(path`/customers/${customerId}/services/active`, query, options);
  }

  async listCompletedServices(customerId: string, query?: t.ServicesQuery, options?: CallOptions): Promise<t.Page<t.Service>> {
    return this.list(path`/customers/${customerId}/services/completed`, query, options);
  }

  async listAnonymousServices(contactKey: string, query?: t.ServicesQuery, options?: CallOptions): Promise<t.Page<t.Service>> {
    return this.list(path`/services/anonymous/${contactKey}`, query, options);
  }

  async listActiveAnonymousServices(
    contactKey: string,
    query?: t.ServicesQuery,
    options?: CallOptions,
  ): Promise<t.Page<t.Service>> {
    return this.list(path`/services/anonymous/${contactKey}/active`, query, options);
  }

  async listCompletedAnonymousServices(
    contactKey: string,
    query?: t.ServicesQuery,
    options?: CallOptions,
  ): Promise<t.Page<t.Service>> {
    return this.list(path`/services/anonymous/${contactKey}/completed`, query, options);
  }

  async getState(service: t.Id, state: t.Id, query?: t.StateQuery, options?: CallOptions): Promise<t.State> {
    return this.get(path`/services/${service}/states/${state}`, withExtensions(query), options);
  }

  async listStates(service: t.Id, query?: t.StatesQuery, options?: CallOptions): Promise<t.Page<t.State>> {
    return this.list(path`/services/${service}/states`, query, options);
  }

  async listActiveStates(service: t.Id, query?: t.StatesQuery, options?: CallOptions): Promise<t.Page<t.State>> {
    return this.list(path`/services/${service}/states/active`, query, options);
  }

  async listCompletedStates(service: t.Id, query?: t.StatesQuery, options?: CallOptions): Promise<t.Page<t.State>> {
    return this.list(path`/services/${service}/states/completed`, query, options);
  }

  async getTask(service: t.Id, task: t.Id, query?: t.TaskQuery, options?: CallOptions): Promise<t.Task> {
    return this.get(path`/services/${service}/tasks/${task}`, withExtensions(query), options);
  }

  async listTasks(service: t.Id, query?: t.TasksQuery, options?: CallOptions): Promise<t.Page<t.Task>> {
    return this.list(path`/services/${service}/tasks`, query, options);
  }

  async listActiveTasks(service: t.Id, query?: t.TasksQuery, options?: CallOptions): Promise<t.Page<t.Task>> {
    return this.list(path`/services/${service}/tasks/active`, query, options);
  }

  async listCompletedTasks(service: t.Id, query?: t.TasksQuery, options?: CallOptions): Promise<t.Page<t.Task>> {
    return this.list(path`/services/${service}/tasks/completed`, query, options);
  }

  // Extensions: update replaces all records, merge adds to the one record of a single-valued extension

  async updateServiceExtension(service: t.Id, name: string, records: unknown, options?: CallOptions): Promise<void> {
    return this.put(path`/services/${service}/extensions/${name}`, records, options);
  }

  async mergeServiceExtension(service: t.Id, name: string, record: object, options?: CallOptions): Promise<void> {
    return this.put(path`/services/${service}/extensions/${name}/merge`, record, options);
  }

  async deleteServiceExtension(service: t.Id, name: string, options?: CallOptions): Promise<void> {
    return this.deleteRecords(path`/services/${service}/extensions/${name}`, options);
  }

  async updateStateExtension(service: t.Id, state: t.Id, name: string, records: unknown, options?: CallOptions): Promise<void> {
    return this.put(path`/services/${service}/states/${state}/extensions/${name}`, records, options);
  }

  async mergeStateExtension(service: t.Id, state: t.Id, name: string, record: object, options?: CallOptions): Promise<void> {
    return this.put(path`/services/${service}/states/${state}/extensions/${name}/merge`, record, options);
  }

  async deleteStateExtension(service: t.Id, state: t.Id, name: string, options?: CallOptions): Promise<void> {
    return this.deleteRecords(path`/services/${service}/states/${state}/extensions/${name}`, options);
  }

  async updateTaskExtension(service: t.Id, task: t.Id, name: string, records: unknown, options?: CallOptions): Promise<void> {
    return this.put(path`/services/${service}/tasks/${task}/extensions/${name}`, records, options);
  }

  async mergeTaskExtension(service: t.Id, task: t.Id, name: string, record: object, options?: CallOptions): Promise<void> {
    return this.put(path`/services/${service}/tasks/${task}/extensions/${name}/merge`, record, options);
  }

  async deleteTaskExtension(service: t.Id, task: t.Id, name: string, options?: CallOptions): Promise<void> {
    return this.deleteRecords(path`/services/${service}/tasks/${task}/extensions/${name}`, options);
  }

  // Metadata

  /** A schema that exists is a problem `schema_exists`, also if an attempt of this call created it and its answer was lost. */
  async createExtensionSchema(elements: t.Elements, schema: t.ExtensionSchema, options?: CallOptions): Promise<void> {
    return this.done({ method: "POST", path: path`/metadata/${elements}/extensions`, body: schema, options });
  }

  async listExtensionSchemas(elements: t.Elements, options?: CallOptions): Promise<t.ExtensionSchema[]> {
    return this.get(path`/metadata/${elements}/extensions`, undefined, options);
  }

  async getExtensionSchema(elements: t.Elements, name: string, options?: CallOptions): Promise<t.ExtensionSchema> {
    return this.get(path`/metadata/${elements}/extensions/${name}`, undefined, options);
  }

  /** Deletes the schema and all of its records. */
  async deleteExtensionSchema(elements: t.Elements, name: string, options?: CallOptions): Promise<void> {
    return this.deleteRecords(path`/metadata/${elements}/extensions/${name}`, options);
  }

  async getMetadata(options?: CallOptions): Promise<t.Metadata> {
    return this.get("/metadata", undefined, options);
  }

  /** All business attributes, or the one that is mapped to a field such as `Task.disposition`. */
  async listBusinessAttributes(cvAttribute?: string, options?: CallOptions): Promise<t.BusinessAttribute[]> {
    return this.get("/metadata/business-attributes", { "cv-attribute": cvAttribute }, options);
  }

  async getBusinessAttribute(name: string, options?: CallOptions): Promise<t.BusinessAttribute> {
    return this.get(path`/metadata/business-attributes/${name}`, undefined, options);
  }

  async defineBusinessAttribute(
    name: string,
    definition: t.DefineBusinessAttribute,
    options?: CallOptions,
  ): Promise<t.BusinessAttribute> {
    const call: Call = { method: "PUT", path: path`/metadata/business-attributes/${name}`, body: definition, options };
    return (await this.transport.send(call)).body as t.BusinessAttribute;
  }

  async removeBusinessAttribute(name: string, options?: CallOptions): Promise<void> {
    const gone = "unknown_business_attribute";
    return this.done({ method: "DELETE", path: path`/metadata/business-attributes/${name}`, gone, options });
  }

  // Server

  async getServerStatus(options?: CallOptions): Promise<t.ServerStatus> {
    return this.get("/server/status", undefined, options);
  }

  async changeServerMode(mode: t.ServerMode, options?: CallOptions): Promise<void> {
    return this.done({ method: "POST", path: "/server/mode", body: { mode }, options });
  }

  /** Resolves if the process answers. A probe: it is not repeated. */
  async live(options?: CallOptions): Promise<void> {
    return this.done({ method: "GET", path: "/health/live", retry: false, options });
  }

  /** Resolves if the service can take events. A probe: it is not repeated. */
  async ready(options?: CallOptions): Promise<void> {
    return this.done({ method: "GET", path: "/health/ready", retry: false, options });
  }

  /** Measurements in the text format of Prometheus. */
  async metrics(options?: CallOptions): Promise<string> {
    return this.get("/metrics", undefined, options);
  }

  /** The description of the API as OpenAPI 3.1. */
  async getDocument(options?: CallOptions): Promise<Record<string, unknown>> {
    return this.get("/openapi.json", undefined, options);
  }

  private async start<I extends t.Integer>(path: string, id: string, event: object, options: StartOptions = {}): Promise<I> {
    const idempotencyKey = options.idempotencyKey ?? newKey();
    // On the way to the service, blanks at the ends are lost.
    if (typeof idempotencyKey !== "string" || !/^[!-~]([ -~]{0,253}[!-~])?$/.test(idempotencyKey)) {
      throw new TypeError("an idempotency key has 1 to 255 printable ASCII characters, no blanks at its ends");
    }
    const reply = await this.transport.send({ method: "POST", path, body: event, options, idempotencyKey });
    return (reply.body as Record<string, I>)[id] as I;
  }

  private async done(call: Call): Promise<void> {
    await this.transport.send(call);
  }

  private async put(path: string, body: unknown, options?: CallOptions): Promise<void> {
    return this.done({ method: "PUT", path, body, options });
  }

  private async deleteRecords(path: string, options?: CallOptions): Promise<void> {
    return this.done({ method: "DELETE", path, gone: "unknown_extension", options });
  }

  private async get<T>(path: string, query?: object, options?: CallOptions): Promise<T> {
    return (await this.transport.send({ method: "GET", path, query, options })).body as T;
  }

  private async list<T>(path: string, query?: object, options?: CallOptions): Promise<t.Page<T>> {
    const reply = await this.transport.send({ method: "GET", path, query: withExtensions(query), options });
    const before = cursor(reply);
    return Object.assign(reply.body as T[], before === undefined ? {} : { before });
  }
}

function withExtensions(query: object = {}): object {
  return { extensions: "*", ...query };
}

/** The cursor in `Link: <…&before=CURSOR>; rel="prev"`. */
function cursor(reply: Reply): string | undefined {
  const link = /<([^>]*)>;\s*rel="prev"/.exec(reply.headers.get("link") ?? "");
  return new URL(link?.[1] ?? "", "http://localhost").searchParams.get("before") ?? undefined;
}

/** A path whose parts are encoded. A part that would lead to another route is refused. */
function path(literals: TemplateStringsArray, ...parts: t.Id[]): string {
  return literals.reduce((text, literal, i) => text + segment(parts[i - 1] as t.Id) + literal);
}

function segment(part: t.Id): string {
  const text = String(identifier(part));
  if (text === "" || text === "." || text === "..") throw new RangeError(`"${text}" cannot stand in a path`);
  if (LONE_SURROGATE.test(text)) throw new RangeError(`"${text}" has half of a surrogate pair`);
  return encodeURIComponent(text);
}

/** Refuses what is not an identifier, for callers without a type checker. */
function identifier(id: t.Id): t.Id {
  if (typeof id === "number" && !Number.isSafeInteger(id)) {
    throw new RangeError(`${id} is not an exact identifier; use a BigInt beyond 2^53`);
  }
  if (!["number", "bigint", "string"].includes(typeof id)) throw new TypeError(`${String(id)} is not an identifier`);
  return id;
}

/** Not `randomUUID`, which browsers offer only over https. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
