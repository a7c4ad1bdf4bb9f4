import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, stringify } from "../src/json.js";

test("integers beyond 2^53 are read exactly", () => {
  const text = '{"id":9223372036854775807,"low":-9223372036854775808,"safe":9007199254740991,"next":9007199254740993}';
  assert.deepEqual(parse(text), {
    id: 9223372036854775807n,
    low: -9223372036854775808n,
    safe: 9007199254740991,
    next: 9007199254740993n,
  });
  assert.equal(stringify(parse(text)), text);
});

test("digits in strings and fractions are left alone", () => {
  const text = '{"a":"9223372036854775807","b":0.12345678901234567890,"c":"\\"12345678901234567890","d":1e30,"e":[12345678901234567890]}';
  assert.deepEqual(parse(text), JSON.parse(text, (name, value) => (name === "0" ? 12345678901234567890n : value)));
});

test("a long text without an end is refused in linear time", () => {
  assert.throws(() => parse('"' + "a1234567890123456".repeat(100_000)), SyntaxError);
});

test("dates are sent in UTC", () => {
  assert.equal(stringify({ timestamp: new Date("2026-02-05T10:11:00+01:00") }), '{"timestamp":"2026-02-05T09:11:00.000Z"}');
});

test("what JSON would silently drop is refused", () => {
  for (const value of [new Date(NaN), NaN, Infinity, new Map([["a", 1]]), new Set([1]), () => 1]) {
    assert.throws(() => stringify({ Survey: { value } }), /TypeError: value cannot be sent as JSON/);
  }
});

test("a string that looks like the mark of a BigInt stays a string", () => {
  const text = stringify({ a: '"\\u0000bigint:5"', b: "bigint:5", c: 5n });
  assert.deepEqual(JSON.parse(text), { a: '"\\u0000bigint:5"', b: "bigint:5", c: 5 });
});
