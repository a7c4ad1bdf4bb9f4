export { ContextServices } from "./client.js";
export { Problem, Unreachable, type ProblemCode, type Violation } from "./errors.js";
export { parse, stringify } from "./json.js";
export type { CallOptions, Options, Retry, StartOptions } from "./transport.js";
export type * from "./types.js";
