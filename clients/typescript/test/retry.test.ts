import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { ContextServices, Problem, Unreachable, type Options, type Retry } from "../src/index.js";

interface Seen {
  method: string;
  url: string;
  key: string | undefined;
  authorization: string | undefined;
  body: string;
}

/** A server that answers with each step in turn, and with the last one from then on. */
async function serve(t: TestContext, steps: RequestListener[], options: Options = {}) {
  const seen: Seen[] = [];
  const retries: Retry[] = [];
  const server = createServer(async (request, response) => {
    const step = steps[Math.min(seen.length, steps.length - 1)]!;
    const { "idempotency-key": key, authorization } = request.headers;
    seen.push({ method: request.method!, url: request.url!, key: key as string | undefined, authorization, body: "" });
    seen.at(-1)!.body = await text(request);
    step(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, seen, retries, cs: new ContextServices(url, { onRetry: (retry) => retries.push(retry), ...options }) };
}

async function text(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

const answer = (status: number, body?: object, headers: Record<string, string> = {}): RequestListener => (_, response) => {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(body && JSON.stringify(body));
};
const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  answer(status, { status, code, detail: code }, { "content-type": "application/problem+json", ...headers });
const reset: RequestListener = (request) => void request.socket.destroy();
const silent: RequestListener = () => {};

test("a start keeps its key over all retries, and the next start takes another", async (t) => {
  const { cs, seen } = await serve(t, [reset, problem(503, "database_unavailable"), answer(201, { service_id: 95 })]);
  assert.equal(await cs.startService({ customer_id: "00K7" }), 95);
  await cs.startService({ customer_id: "00K7" });
  const keys = seen.map((request) => request.key);
  assert.match(keys[0]!, /^[0-9a-f]{32}$/);
  assert.deepEqual(keys.slice(0, 3), [keys[0], keys[0], keys[0]]);
  assert.notEqual(keys[3], keys[0]);
});

test("an end is repeated as it is", async (t) => {
  const { cs, seen } = await serve(t, [reset, problem(503, "overloaded"), answer(204)]);
  await cs.completeTask(95, 3, { disposition: 10, Survey: { question1: 7 } });
  assert.deepEqual(new Set(seen.map((request) => request.body)), new Set(['{"disposition":10,"Survey":{"question1":7}}']));
  assert.equal(seen.length, 3);
});

test("Retry-After is waited for", async (t) => {
  const { cs, retries } = await serve(t, [problem(429, "rate_limited", { "retry-after": "1" }), answer(200, [])]);
  await cs.listServices("00K7");
  assert.equal(retries.length, 1);
  assert.ok(retries[0]!.wait >= 1000 && retries[0]!.wait <= 1100, String(retries[0]!.wait));
});

test("a Retry-After beyond the deadline is not waited for", async (t) => {
  const { cs, seen } = await serve(t, [problem(503, "maintenance", { "retry-after": "100" })]);
  await assert.rejects(cs.listServices("00K7"), (error) => error instanceof Problem && error.code === "maintenance");
  assert.equal(seen.length, 1);
});

test("waits grow exponentially with jitter", async (t) => {
  const { cs, retries } = await serve(t, [reset, reset, reset, reset, answer(204)]);
  await cs.completeService(95);
  retries.forEach(({ wait }, i) => assert.ok(wait >= 50 * 2 ** i && wait <= 100 * 2 ** i, `${i}: ${wait}`));
  assert.equal(retries.length, 4);
});

test("without an answer the deadline ends the call, with the last failure as its cause", async (t) => {
  const { cs, seen } = await serve(t, [silent], { deadline: 300, attemptTimeout: 100 });
  await assert.rejects(cs.startService({ customer_id: "00K7" }), (error) => error instanceof Unreachable && error.cause !== undefined);
  assert.ok(seen.length >= 2);
});

test("nothing listens: the call fails at its deadline, with the reason", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const cs = new ContextServices(`http://127.0.0.1:${port}`, { deadline: 200 });
  await assert.rejects(cs.getService(95), /Unreachable: no answer from http:.*ECONNREFUSED/);
});

test("a refusal is not repeated and names every violation", async (t) => {
  const errors = [{ pointer: "/Survey/question1", detail: "expected an integer, found a string" }];
  const refusal = answer(400, { status: 400, code: "invalid_event", detail: "1 field", errors }, {
    "content-type": "application/problem+json",
    "x-request-id": "r-1",
  });
  const { cs, seen } = await serve(t, [refusal]);
  await assert.rejects(cs.completeTask(95, 3, { Survey: { question1: "7" } }), (error) => {
    assert.ok(error instanceof Problem);
    assert.deepEqual([error.status, error.code, error.errors, error.requestId], [400, "invalid_event", errors, "r-1"]);
    return true;
  });
  assert.equal(seen.length, 1);
});

test("a deletion whose first answer was lost has been done", async (t) => {
  const { cs } = await serve(t, [reset, problem(404, "unknown_service")]);
  await cs.deleteService(95);
});

test("a deletion of nothing is a problem", async (t) => {
  const { cs } = await serve(t, [problem(503, "overloaded"), problem(404, "unknown_service")]);
  await assert.rejects(cs.deleteService(95), (error) => error instanceof Problem && error.code === "unknown_service");
});

test("identifiers beyond 2^53 survive the way there and back", async (t) => {
  const exact: RequestListener = (_, response) => {
    response.writeHead(201, { "content-type": "application/json" });
    response.end('{"service_id":9223372036854775807}');
  };
  const { cs, seen } = await serve(t, [exact, answer(204)]);
  const service = await cs.startService({ customer_id: "00K7", resource_id: 9007199254740993n });
  await cs.completeService(service);
  assert.equal(seen[0]!.body, '{"customer_id":"00K7","resource_id":9007199254740993}');
  assert.equal(seen[1]!.url, "/services/9223372036854775807/end");
  await assert.rejects(cs.getService(2 ** 60), RangeError);
});

test("paths are encoded, and cannot lead elsewhere", async (t) => {
  const { cs, seen } = await serve(t, [answer(200, [])]);
  await cs.listServices("a/b ü");
  assert.equal(seen[0]!.url, "/customers/a%2Fb%20%C3%BC/services?extensions=*");
  for (const name of ["", ".", ".."]) await assert.rejects(cs.deleteServiceExtension(95, name), RangeError);
});

test("queries send times in UTC, and lists hand on the cursor", async (t) => {
  const link = '</customers/00K7/services?limit=2&before=abc%3D>; rel="prev"';
  const { cs, seen } = await serve(t, [answer(200, [{ service_id: 1 }], { link }), answer(200, [])]);
  const started_from = new Date("2026-02-05T10:00:00+01:00");
  const page = await cs.listServices("00K7", { limit: 2, started_from, service_types: [12, "hotel"], extensions: [] });
  assert.equal(page.before, "abc=");
  assert.equal((await cs.listServices("00K7")).before, undefined);
  const expected = "limit=2&started_from=2026-02-05T09%3A00%3A00.000Z&service_types=12&service_types=hotel";
  assert.equal(seen[0]!.url, `/customers/00K7/services?${expected}`);
});

test("credentials of the URL or the options are sent", async (t) => {
  const { url, seen } = await serve(t, [answer(200, { links: {} })]);
  await new ContextServices(url.replace("//", "//ann:p%40ss@")).getMetadata();
  await new ContextServices(`${url}/`, { token: "abc" }).getMetadata();
  assert.deepEqual(
    seen.map((request) => request.authorization),
    [`Basic ${Buffer.from("ann:p@ss").toString("base64")}`, "Bearer abc"],
  );
});

test("a signal ends the call while it waits", async (t) => {
  const { cs } = await serve(t, [problem(503, "overloaded", { "retry-after": "30" })]);
  const signal = AbortSignal.timeout(100);
  await assert.rejects(cs.completeService(95, {}, { signal }), { name: "TimeoutError" });
});

test("an abort is thrown as it was given, before and during the call", async (t) => {
  const { cs } = await serve(t, [silent]);
  const controller = new AbortController();
  const call = cs.completeService(95, {}, { signal: controller.signal });
  controller.abort();
  await assert.rejects(call, { name: "AbortError" });
  await assert.rejects(cs.completeService(95, {}, { signal: controller.signal }), { name: "AbortError" });
  const reason = new Error("the caller hung up");
  await assert.rejects(cs.completeService(95, {}, { signal: AbortSignal.abort(reason) }), reason);
});

test("what is not an identifier is refused before anything is sent", async (t) => {
  const { cs, seen } = await serve(t, [answer(204)]);
  for (const id of [null, undefined, NaN, 1.5, true, {}, [95], "\ud800"] as never[]) {
    await assert.rejects(cs.completeTask(95, id), /TypeError|RangeError/, String(id));
    await assert.rejects(cs.listServices(id), /TypeError|RangeError/, String(id));
  }
  await assert.rejects(cs.transitionState(95, null as never), TypeError);
  assert.equal(seen.length, 0);
});

test("an item of a list arrives as it is", async (t) => {
  const { cs, seen } = await serve(t, [answer(200, [])]);
  await cs.listServices("00K7", { service_types: ["hotel, flight", ' "car" ', 12], extensions: [] });
  const items = new URL(seen[0]!.url, "http://localhost").searchParams.getAll("service_types");
  assert.deepEqual(items, ['"hotel, flight"', '" ""car"" "', "12"]);
});

test("a parameter that cannot be sent is refused", async (t) => {
  const { cs, seen } = await serve(t, [answer(200, [])]);
  for (const query of [{ started_from: new Date(NaN) }, { limit: 1.5 }, { service_types: [{}] }, { before: null }, { service_types: [undefined] }]) {
    await assert.rejects(cs.listServices("00K7", query as never), TypeError);
  }
  assert.equal(seen.length, 0);
});

test("a key that is not a text is refused", async (t) => {
  const { cs, seen } = await serve(t, [answer(201, { service_id: 95 })]);
  for (const idempotencyKey of [Promise.resolve("a"), {}, ["q"], true, 0] as never[]) {
    await assert.rejects(cs.startService({ customer_id: "00K7" }, { idempotencyKey }), TypeError);
  }
  assert.equal(seen.length, 0);
});

test("an address that is not of HTTP is refused at once", () => {
  for (const url of ["localhost:8080", "127.0.0.1:8080", "ftp://localhost", ""]) {
    assert.throws(() => new ContextServices(url), TypeError, url);
  }
});
