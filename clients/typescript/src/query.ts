// Query strings, as docs/api.md §6 describes their lists.

const LISTS = new Set(["extensions", "service_types", "state_types", "task_types", "state_id"]);

/** The query string with its question mark, or nothing. What is undefined is left out. */
export function queryString(query: object = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      parameters.append(name, LISTS.has(name) ? item(name, one) : parameter(name, one));
    }
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

function parameter(name: string, value: unknown): string {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new TypeError(`${name} cannot be sent: it is an invalid date`);
    return value.toISOString();
  }
  const sendable = typeof value === "string" || typeof value === "boolean" || typeof value === "bigint";
  if (sendable || Number.isSafeInteger(value)) return String(value);
  throw new TypeError(`${name} cannot be sent: it is ${typeof value === "object" ? "an object" : String(value)}`);
}

/** In a list, a text that contains a comma or a quote, or begins or ends with a blank, stands in quotes. */
function item(name: string, value: unknown): string {
  const text = parameter(name, value);
  return /[,"]|^\s|\s$|^$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
