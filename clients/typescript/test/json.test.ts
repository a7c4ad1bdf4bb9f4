import assert from "node:assert/strict";
import { test } from "node:test";
import { body, parse, stringify } from "../src/json.js";

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

test("what JSON would silently change or drop is refused, with its place", () => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = { cyclic };
  for (const value of [
    new Date(NaN), NaN, Infinity, new Number(NaN), new Map([["a", 1]]), new Set([1]), new WeakMap(), () => 1, Symbol("a"), /a/,
    new Error("a"), Promise.resolve(1), new ArrayBuffer(1), new Uint8Array(1), Buffer.from("a"), [undefined], [, 1], cyclic,
    2 ** 53, -(2 ** 53), 123456789012345680000, 1e21, "\ud800", { "\udc00": 1 },
  ]) {
    assert.throws(() => body({ Survey: [{ "a/b": value }] }), /TypeError: \/Survey\/0\/a~1b\S* cannot be sent as JSON/);
  }
  assert.throws(() => body(undefined), /TypeError: the body cannot be sent as JSON: it is undefined/);
});

test("what JSON can express is written as JSON.stringify writes it", () => {
  class Answer {
    question1 = 7;
    left = undefined;
  }
  const same = { again: 1 };
  const value = {
    text: 'a"\\\u0000\u2028😀', list: [1, -0, 1.5, 1e21, 5e-324, null, true, []], Survey: new Answer(), left: undefined,
    at: new Date(0), url: new URL("http://a/b"), bare: Object.assign(Object.create(null), { a: 1 }), twice: [same, same],
  };
  assert.equal(stringify(value), JSON.stringify(value));
});

test("no text can pass for a BigInt", () => {
  const text = stringify({ a: '"\\u0000bigint:5"', b: "bigint:5", c: 5n, d: "\u0000bigint:5" });
  assert.deepEqual(JSON.parse(text), { a: '"\\u0000bigint:5"', b: "bigint:5", c: 5, d: "\u0000bigint:5" });
  const answer = '{"a":"\\u0000bigint:5","b":9223372036854775807}';
  assert.deepEqual(parse(answer), { a: "\u0000bigint:5", b: 9223372036854775807n });
});

test("an answer with a BigInt can be logged", () => {
  assert.equal(stringify(parse('{"price":9007199254740993.0}')), '{"price":9007199254740992}');
  const answer = parse('{"id":9223372036854775807,"price":10000000000000000}');
  assert.equal(stringify(answer), '{"id":9223372036854775807,"price":10000000000000000}');
});
