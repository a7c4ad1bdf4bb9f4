// JSON without loss. A JavaScript number is a double, so `JSON.parse` rounds integers beyond 2^53; these become a BigInt
// here. What `JSON.stringify` would silently turn into `null` or `{}`, or leave out, is refused.

const LONG_DIGITS = /\d{16}/;
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const INTEGER = /^-?\d+$/;
/** Half of a surrogate pair, which UTF-8 cannot express. */
export const LONE_SURROGATE = /\p{Surrogate}/u;

/** Parses JSON. An integer that a number cannot hold exactly becomes a BigInt. */
export function parse(text: string): unknown {
  if (!LONG_DIGITS.test(text)) return JSON.parse(text);
  // Marks these integers while they pass through `JSON.parse`. Data cannot contain what is drawn after it was written.
  const mark = `bigint ${Math.random()} `;
  const marked = text.replace(STRING_OR_NUMBER, (token) =>
    INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${mark}${token}"` : token,
  );
  if (marked === text) return JSON.parse(text);
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

/**
 * Writes JSON. A BigInt becomes an integer, a `Date` RFC 3339 in UTC, an object with `toJSON` what that returns. Members
 * that are `undefined` are left out.
 *
 * @throws TypeError for what JSON cannot express, with its JSON pointer.
 */
export function stringify(value: unknown): string {
  return write(value, "", "", { number, around: [] });
}

/** The same for a body. A whole number beyond 2^53 is refused too, because it may have been rounded. */
export function body(value: unknown): string {
  return write(value, "", "", { number: exactNumber, around: [] });
}

/** How numbers are written, and the objects that contain the value. */
interface Writing {
  number: (value: number, pointer: string) => string;
  around: readonly object[];
}

function write(value: unknown, pointer: string, name: string, writing: Writing): string {
  switch (typeof value) {
    case "string":
      return text(value, pointer);
    case "number":
      return writing.number(value, pointer);
    case "boolean":
    case "bigint":
      return String(value);
    case "object":
      return value === null ? "null" : object(value, pointer, name, writing);
    default:
      throw unsendable(pointer, value === undefined ? "undefined" : `a ${typeof value}`);
  }
}

function text(value: string, pointer: string): string {
  if (LONE_SURROGATE.test(value)) throw unsendable(pointer, "a text with half of a surrogate pair");
  return JSON.stringify(value);
}

function number(value: number, pointer: string): string {
  if (!Number.isFinite(value)) throw unsendable(pointer, String(value));
  return JSON.stringify(value);
}

function exactNumber(value: number, pointer: string): string {
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw unsendable(pointer, `${value}, which may have been rounded; use a BigInt beyond 2^53`);
  }
  return number(value, pointer);
}

function object(value: object, pointer: string, name: string, writing: Writing): string {
  if (writing.around.includes(value)) throw unsendable(pointer, "an object that contains itself");
  const within = { ...writing, around: [...writing.around, value] };
  if (Array.isArray(value)) {
    // `from` makes holes visible.
    return `[${Array.from(value, (item, i) => write(item, `${pointer}/${i}`, String(i), within)).join()}]`;
  }
  if (value instanceof Date && Number.isNaN(value.getTime())) throw unsendable(pointer, "an invalid date");
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function" && !ArrayBuffer.isView(value)) {
    return write(toJSON.call(value, name), pointer, name, within);
  }
  const kind = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (kind !== "Object") throw unsendable(pointer, `a ${kind}; use a plain object or an array`);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([key, member]) => {
      const at = `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      return `${text(key, at)}:${write(member, at, key, within)}`;
    });
  return `{${members.join()}}`;
}

function unsendable(pointer: string, found: string): TypeError {
  return new TypeError(`${pointer || "the body"} cannot be sent as JSON: it is ${found}`);
}
