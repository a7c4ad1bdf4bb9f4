/**
 * A complete client of context-services, with fetch alone.
 *
 * Runs the story of the README: a customer books a hotel and answers a survey. Needs Node 18 or newer.
 *
 *     npm --prefix examples/typescript install
 *     npm --prefix examples/typescript run story -- [URL]
 *
 * URL defaults to http://127.0.0.1:8080. Set CONTEXT_SERVICES_TOKEN where the service requires authentication.
 */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Event = { [name: string]: Json };

/** The answer to a request that was refused. Match on `code`: codes are stable, texts are not. */
type ProblemBody = { code?: string; detail?: string; errors?: { pointer: string; detail: string }[] };

/** The statuses after which the same request may succeed; 502 and 504 come from a proxy in front of the service. */
const RETRIED = new Set([408, 429, 502, 503, 504]);

class Problem extends Error {
  readonly status: number;
  readonly body: ProblemBody;
  readonly retryAfterMs: number;

  constructor(status: number, body: ProblemBody, retryAfterMs: number) {
    super(`${status} ${body.code}: ${body.detail}`);
    this.status = status;
    this.body = body;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Calls the service, and repeats a call for up to `patienceMs` while the service is away or overloaded. */
class ContextServices {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs = 10_000;
  readonly #patienceMs = 60_000;

  constructor(url: string, token?: string) {
    this.#url = url.replace(/\/+$/, "");
    this.#headers = token ? { Authorization: `Bearer ${token}` } : {};
  }

  /** Creates the schema of an extension of tasks, unless a schema of that name exists. */
  async createTaskSchema(schema: Event): Promise<void> {
    try {
      await this.#call("POST", "/metadata/tasks/extensions", schema);
    } catch (error) {
      // Also the answer to a repeated call whose first answer was lost.
      if (!(error instanceof Problem && error.body.code === "schema_exists")) throw error;
    }
  }

  async startService(event: Event): Promise<number> {
    return (await this.#start<{ service_id: number }>("/services/start", event)).service_id;
  }

  async startState(serviceId: number, event: Event): Promise<number> {
    return (await this.#start<{ state_id: number }>(`/services/${serviceId}/states/start`, event)).state_id;
  }

  async startTask(serviceId: number, event: Event): Promise<number> {
    return (await this.#start<{ task_id: number }>(`/services/${serviceId}/tasks/start`, event)).task_id;
  }

  /** Completes a task. An end event needs no key: the service recognises the same event again. */
  async completeTask(serviceId: number, taskId: number, event: Event): Promise<void> {
    await this.#call("POST", `/services/${serviceId}/tasks/${taskId}/end`, event);
  }

  async getTask(serviceId: number, taskId: number): Promise<Json> {
    return this.#call("GET", `/services/${serviceId}/tasks/${taskId}?extensions=*`);
  }

  /** Sends a start event. One key for all attempts: however many arrive, one element is started. */
  async #start<Answer>(path: string, event: Event): Promise<Answer> {
    return this.#call<Answer>("POST", path, event, { "Idempotency-Key": randomUUID() });
  }

  /** Sends a request until it is answered, and returns the body of the answer. */
  async #call<Answer>(
    method: string,
    path: string,
    body?: Event,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const giveUp = Date.now() + this.#patienceMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#send<Answer>(method, path, body, headers);
      } catch (error) {
        // Any other error means no connection, a timeout, or an answer that broke off: the request may have been
        // carried out.
        if (error instanceof Problem && !RETRIED.has(error.status)) throw error;
        const retryAfterMs = error instanceof Problem ? error.retryAfterMs : 0;
        // At least Retry-After. The random part keeps clients that failed together from returning together.
        const delay = retryAfterMs + Math.random() * Math.min(5_000, 100 * 2 ** attempt);
        if (Date.now() + delay > giveUp) throw error;
        console.error(`trying again in ${(delay / 1000).toFixed(1)} s: ${error}`);
        await sleep(delay);
      }
    }
  }

  /** Sends a request once. */
  async #send<Answer>(
    method: string,
    path: string,
    body: Event | undefined,
    headers: Record<string, string>,
  ): Promise<Answer> {
    // AbortSignal.timeout() would not do: its timer does not keep Node running, and neither does a fetch whose
    // connection broke at the wrong moment. Node would end without a word.
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(new Error("the request timed out")), this.#timeoutMs);
    try {
      const response = await fetch(this.#url + path, {
        method,
        headers: { ...this.#headers, ...headers, "Content-Type": "application/json" },
        body: body && JSON.stringify(body),
        signal: timeout.signal,
      });
      const content = await response.text();
      if (!response.ok) throw problem(response, content);
      return (content ? JSON.parse(content) : undefined) as Answer;
    } finally {
      clearTimeout(timer);
    }
  }
}

function problem(response: Response, content: string): Problem {
  const retryAfterMs = 1000 * (Number(response.headers.get("Retry-After")) || 0);
  try {
    return new Problem(response.status, JSON.parse(content) as ProblemBody, retryAfterMs);
  } catch {
    // Not the service's own answer, but that of a proxy in front of it.
    return new Problem(response.status, { detail: response.statusText }, retryAfterMs);
  }
}

const SURVEY: Event = {
  name: "Survey",
  type: "single-valued",
  attributes: [
    { name: "url", type: "string", length: 256, mandatory: true },
    { name: "question1", type: "integer" },
    { name: "question2", type: "boolean" },
    { name: "question3", type: "string", length: 256 },
  ],
};

const PROPOSAL: Event = {
  name: "Proposal",
  type: "multi-valued",
  unique: ["car type"],
  attributes: [
    { name: "car type", type: "string", length: 40, mandatory: true },
    { name: "price", type: "integer" },
    { name: "seats", type: "integer", default: 4 },
    { name: "comments", type: "string", length: 256 },
  ],
};

const services = new ContextServices(process.argv[2] ?? "http://127.0.0.1:8080", process.env.CONTEXT_SERVICES_TOKEN);

await services.createTaskSchema(SURVEY);
await services.createTaskSchema(PROPOSAL);

const serviceId = await services.startService({ customer_id: "00K7", service_type: "book a hotel" });
const stateId = await services.startState(serviceId, { state_type: "payment" });
const taskId = await services.startTask(serviceId, { task_type: "survey", state_id: stateId });
console.log(`started service ${serviceId}, state ${stateId}, task ${taskId}`);

await services.completeTask(serviceId, taskId, {
  interaction_id: "0000CSS0FXZUP6UR",
  state_id: stateId,
  disposition: 10,
  disposition_desc: "SUCCESS",
  Survey: {
    url: "http://ourServer/storage/userAnswers",
    question1: 7,
    question2: true,
    question3: "will be better with cable tv and on-demand video",
  },
  Proposal: [
    { "car type": "cabriolet", price: 25000, seats: 2, comments: "200 cv, hardtop" },
    { "car type": "S.U.V.", price: 70000, seats: 8, comments: "4wd, leather seats" },
  ],
});
console.log(`completed task ${taskId}`);

console.log(JSON.stringify(await services.getTask(serviceId, taskId)));
