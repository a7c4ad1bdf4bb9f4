import { Problem, Unreachable, type ProblemCode, type Violation } from "./errors.js";
import { body, parse } from "./json.js";
import { queryString } from "./query.js";

/** The settings of a client. Times are in milliseconds. */
export interface Options {
  /** Credentials for HTTP Basic. */
  user?: string;
  password?: string;
  /** A bearer token. */
  token?: string;
  /** How long a call may take with all its retries; 60 seconds by default. */
  deadline?: number;
  /** How long one attempt may take; 10 seconds by default. */
  attemptTimeout?: number;
  /** Called before each retry, for a log. */
  onRetry?: (retry: Retry) => void;
  /** Replaces the global `fetch`. */
  fetch?: typeof globalThis.fetch;
}

/** What failed, and how long the client waits before it tries again. */
export interface Retry {
  method: string;
  path: string;
  attempt: number;
  wait: number;
  failure: Problem | Unreachable;
}

/** The settings of one call. */
export interface CallOptions {
  /**
   * Ends the call early. The call throws the signal's reason: a `DOMException` named `AbortError` or `TimeoutError`, unless
   * `abort` was given another. The event may have been written.
   */
  signal?: AbortSignal;
  /** Replaces the client's deadline, in milliseconds. */
  deadline?: number;
}

/** The settings of a start or a transition. */
export interface StartOptions extends CallOptions {
  /** A key of your own, which lets a restarted program repeat the call. By default, each call draws one. */
  idempotencyKey?: string;
}

/** One request as an operation describes it. */
export interface Call {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  query?: object | undefined;
  body?: unknown;
  options?: CallOptions | undefined;
  idempotencyKey?: string;
  /** The code that answers a deletion which an earlier attempt has already done. */
  gone?: ProblemCode;
  /** False for the probes: their failure is the answer. */
  retry?: boolean;
}

export interface Reply {
  body: unknown;
  headers: Headers;
}

const RETRIED = new Set([408, 429, 502, 503, 504]);
/** Answers after which the request may have been carried out. */
const UNCERTAIN = new Set<string>(["database_unavailable", "unknown"]);
const BASE_WAIT = 100;
const MAX_WAIT = 5_000;

/** Sends requests and repeats them until they are answered, or until the deadline. */
export class Transport {
  private readonly base: string;
  private readonly headers: Record<string, string> = { accept: "application/json" };

  constructor(url: string, private readonly options: Options) {
    const base = new URL(url);
    if (!/^https?:$/.test(base.protocol)) throw new TypeError(`${url} does not begin with http:// or https://`);
    const user = options.user ?? decodeURIComponent(base.username);
    const password = options.password ?? decodeURIComponent(base.password);
    if (options.token !== undefined) this.headers.authorization = `Bearer ${options.token}`;
    else if (user) this.headers.authorization = `Basic ${base64(`${user}:${password}`)}`;
    this.base = base.origin + base.pathname.replace(/\/+$/, "");
  }

  async send(call: Call): Promise<Reply> {
    const now = () => performance.now();
    const end = now() + (call.options?.deadline ?? this.options.deadline ?? 60_000);
    const url = this.base + call.path + queryString(call.query);
    const init = this.init(call);
    let uncertain = false;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.attempt(url, init, end - now(), call.options?.signal);
      if (!("failure" in outcome)) return outcome;
      const { failure, retryAfter } = outcome;
      if (failure instanceof Problem) {
        if (uncertain && failure.code === call.gone) return { body: undefined, headers: new Headers() };
        if (!RETRIED.has(failure.status)) throw failure;
      }
      uncertain ||= failure instanceof Problem ? UNCERTAIN.has(failure.code) : !isRefused(failure);
      const wait = pause(attempt, retryAfter);
      if (call.retry === false || now() + wait >= end) throw failure;
      this.options.onRetry?.({ method: call.method, path: call.path, attempt, wait, failure });
      await sleep(wait, call.options?.signal);
    }
  }

  private init(call: Call): RequestInit {
    const headers = { ...this.headers };
    if (call.idempotencyKey !== undefined) headers["idempotency-key"] = call.idempotencyKey;
    if (call.body === undefined) return { method: call.method, headers };
    headers["content-type"] = "application/json";
    return { method: call.method, headers, body: body(call.body) };
  }

  private async attempt(url: string, init: RequestInit, remaining: number, signal?: AbortSignal): Promise<Outcome> {
    const timeout = AbortSignal.timeout(Math.ceil(Math.max(0, Math.min(remaining, this.options.attemptTimeout ?? 10_000))));
    // A mistake in the request is thrown here, so that `fetch` fails for the network alone.
    const request = new Request(url, { ...init, signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
    try {
      const response = await (this.options.fetch ?? globalThis.fetch)(request);
      const text = await response.text();
      if (response.ok) return { body: read(response, text), headers: response.headers };
      return { failure: problem(response, text), retryAfter: retryAfter(response.headers) };
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      return { failure: new Unreachable(`no answer from ${new URL(url).origin}: ${reason(cause)}`, { cause }), retryAfter: 0 };
    }
  }
}

type Outcome = Reply | { failure: Problem | Unreachable; retryAfter: number };

function read(response: Response, text: string): unknown {
  if (text === "") return undefined;
  return response.headers.get("content-type")?.includes("json") ? parse(text) : text;
}

function problem(response: Response, text: string): Problem {
  const id = response.headers.get("x-request-id") ?? undefined;
  let body: { code?: ProblemCode; detail?: string; errors?: Violation[] } = {};
  if (response.headers.get("content-type")?.includes("json")) {
    try {
      body = (parse(text) as typeof body | null) ?? {};
    } catch {
      // Something between the client and the service answered.
    }
  }
  const detail = body.detail ?? (response.statusText || "an answer without a problem");
  return new Problem(response.status, body.code ?? "unknown", detail, body.errors ?? [], id);
}

/** Whether the connection was refused, so that nothing can have been written. */
function isRefused(failure: Error): boolean {
  const cause = failure.cause as { code?: unknown; cause?: { code?: unknown } } | undefined;
  return [cause?.code, cause?.cause?.code].includes("ECONNREFUSED");
}

/** The innermost cause: `fetch` itself says no more than "fetch failed". */
function reason(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return inner instanceof Error ? inner.message || ((inner as { code?: string }).code ?? inner.name) : String(inner);
}

/** `Retry-After` in milliseconds, from seconds or a date; 0 if there is none. */
export function retryAfter(headers: Headers): number {
  const value = headers.get("retry-after");
  if (value === null) return 0;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}

/** The wait before the next attempt: exponential with jitter, and after `Retry-After` rather than before it. */
export function pause(attempt: number, retryAfter: number): number {
  const backoff = Math.min(MAX_WAIT, BASE_WAIT * 2 ** (attempt - 1));
  return retryAfter > 0 ? retryAfter + Math.random() * Math.min(backoff, 1000) : backoff * (0.5 + Math.random() / 2);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
