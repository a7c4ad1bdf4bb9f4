// JSON without loss. A JavaScript number is a double, so `JSON.parse` rounds integers beyond 2^53; these become a BigInt
// here. What `JSON.stringify` would silently turn into `null` or `{}` is refused.

const LONG_DIGITS = /\d{16}/;
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const INTEGER = /^-?\d+$/;

// Marks a BigInt while it travels through `JSON`. No other string can begin with it: the service refuses NUL.
const MARK = "\u0000bigint:";
const MARKED = /"\\u0000bigint:(-?\d+)"/g;

/** Parses JSON. An integer that a number cannot hold exactly becomes a BigInt. */
export function parse(text: string): unknown {
  if (!LONG_DIGITS.test(text)) return JSON.parse(text);
  const marked = text.replace(STRING_OR_NUMBER, (token) =>
    INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"\\u0000bigint:${token}"` : token,
  );
  if (marked === text) return JSON.parse(text);
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value,
  );
}

/**
 * Writes JSON. A BigInt becomes an integer, a `Date` RFC 3339 in UTC.
 *
 * @throws TypeError for what JSON cannot hold: NaN, infinities, invalid dates, maps, sets and functions.
 */
export function stringify(value: unknown): string {
  const text = JSON.stringify(value, function (this: Record<string, unknown>, name, converted: unknown) {
    const original = this[name];
    if (original instanceof Date && Number.isNaN(original.getTime())) throw unsendable(name, "an invalid date");
    if (typeof converted === "bigint") return MARK + converted;
    if (typeof converted === "number" && !Number.isFinite(converted)) throw unsendable(name, String(converted));
    if (converted instanceof Map || converted instanceof Set) {
      throw unsendable(name, `a ${converted.constructor.name}; use a plain object or an array`);
    }
    if (typeof converted === "function" || typeof converted === "symbol") throw unsendable(name, `a ${typeof converted}`);
    return converted;
  });
  return text.replace(MARKED, "$1");
}

function unsendable(name: string, found: string): TypeError {
  return new TypeError(`${name || "the body"} cannot be sent as JSON: it is ${found}`);
}
