// Calls every operation of a real service, whose address is in CONTEXT_SERVICES_URL.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ContextServices, Problem } from "../src/index.js";

const url = process.env.CONTEXT_SERVICES_URL;

test("every operation", { skip: url === undefined && "CONTEXT_SERVICES_URL is not set" }, async () => {
  const cs = new ContextServices(url!);
  const run = `ts${process.pid}${Date.now() % 100000}`;
  const customer = `cus/tömer ${run}`;

  for (const elements of ["services", "states", "tasks"] as const) {
    await cs.createExtensionSchema(elements, {
      name: `E${run}`,
      type: "single-valued",
      attributes: [{ name: "n", type: "integer" }, { name: "at", type: "datetime" }],
    });
    assert.equal((await cs.getExtensionSchema(elements, `E${run}`)).type, "single-valued");
    assert.ok((await cs.listExtensionSchemas(elements)).some((schema) => schema.name === `E${run}`));
  }
  const big = { n: 9223372036854775807n, at: new Date("2026-02-05T10:00:00+01:00") };
  const read = { n: 9223372036854775807n, at: "2026-02-05T09:00:00.000Z" };

  const attribute = { cv_attributes: [], values: [{ name: "GOOD" }, { dbid: 7, name: "BAD" }] };
  assert.equal((await cs.defineBusinessAttribute(`A${run}`, attribute)).values.length, 2);
  assert.equal((await cs.getBusinessAttribute(`A${run}`)).name, `A${run}`);
  assert.ok((await cs.listBusinessAttributes()).length >= 1);
  await cs.listBusinessAttributes("Task.disposition");
  await cs.removeBusinessAttribute(`A${run}`);
  assert.ok((await cs.getMetadata()).links);

  const service = await cs.startService({ contact_key: run, service_type: 12, [`E${run}`]: big });
  assert.equal((await cs.listAnonymousServices(run)).length, 1);
  assert.equal((await cs.listActiveAnonymousServices(run)).length, 1);
  assert.equal((await cs.listCompletedAnonymousServices(run)).length, 0);
  await cs.associateService(customer, service, { est_duration: 600 });
  await cs.updateExpiration(service, { ttl: 86400 });
  const first = await cs.startState(service, { state_type: "payment", [`E${run}`]: big });
  const second = await cs.transitionState(service, first, { disposition: "ok", state_type: "done" });
  const task = await cs.startTask(service, { task_type: "survey", state_id: second });
  await cs.completeTask(service, task, { state_id: second, disposition: 10, [`E${run}`]: big, timestamp: new Date() });
  await assert.rejects(
    cs.completeTask(service, task, { disposition: 11 }),
    (error) => error instanceof Problem && error.code === "already_completed",
  );
  await cs.completeState(service, second, { disposition_desc: "SUCCESS" });
  await assert.rejects(cs.completeService(service, { Nothing: { a: 1 }, disposition_desc: "x".repeat(65) }), (error) => {
    assert.ok(error instanceof Problem && error.code === "invalid_event");
    assert.deepEqual(error.errors.map((violation) => violation.pointer).sort(), ["/Nothing", "/disposition_desc"]);
    return true;
  });

  assert.deepEqual((await cs.getTask(service, task))[`E${run}`], read);
  assert.equal((await cs.getTask(service, task, { extensions: [] }))[`E${run}`], undefined);
  assert.equal((await cs.getState(service, second, { completed_tasks: true })).completed_tasks?.length, 1);
  assert.equal((await cs.getService(service, { completed_states: true })).completed_states?.length, 2);
  assert.equal((await cs.listTasks(service, { state_id: [second], task_types: ["survey"] })).length, 1);
  assert.equal((await cs.listActiveTasks(service)).length, 0);
  assert.equal((await cs.listCompletedTasks(service)).length, 1);
  const page = await cs.listStates(service, { limit: 1 });
  assert.equal(page[0]?.state_id, second);
  assert.equal((await cs.listStates(service, { limit: 1, before: page.before! }))[0]?.state_id, first);
  assert.equal((await cs.listActiveStates(service)).length, 0);
  assert.equal((await cs.listCompletedStates(service)).length, 2);

  for (const kind of ["Service", "State", "Task"] as const) {
    const ids = { Service: [service], State: [service, second], Task: [service, task] }[kind] as [number, number];
    const call = (name: string, ...args: unknown[]) =>
      (cs[`${name}${kind}Extension` as keyof ContextServices] as (...args: unknown[]) => Promise<void>)(...ids, `E${run}`, ...args);
    await call("update", { n: 1 });
    await call("merge", { at: new Date() });
    await call("delete");
    await assert.rejects(call("delete"), (error) => error instanceof Problem && error.code === "unknown_extension");
  }

  await cs.completeService(service, { disposition: "SUCCESS" });
  const window = { started_from: new Date(Date.now() - 60_000), started_to: new Date(Date.now() + 60_000) };
  assert.equal((await cs.listServices(customer, window)).length, 1);
  assert.equal((await cs.listActiveServices(customer)).length, 0);
  assert.equal((await cs.listCompletedServices(customer, { service_types: 12 })).length, 1);
  const awkward = ' flight, "car" ';
  await cs.startService({ customer_id: customer, service_type: awkward });
  assert.equal((await cs.listServices(customer, { service_types: [awkward] }))[0]?.service_type, awkward);
  assert.equal((await cs.listServices(customer, { service_types: awkward })).length, 1);
  await cs.deleteService(service);
  await assert.rejects(cs.getService(service), (error) => error instanceof Problem && error.code === "unknown_service");

  await cs.changeServerMode("maintenance");
  const closed = new ContextServices(url!, { deadline: 50 });
  await assert.rejects(closed.getService(service), (error) => error instanceof Problem && error.code === "maintenance");
  await cs.changeServerMode("production");
  assert.equal((await cs.getServerStatus()).mode, "production");
  await cs.live();
  await cs.ready();
  assert.match(await cs.metrics(), /# TYPE/);
  assert.match((await cs.getDocument()).openapi as string, /^3\.1/);
  for (const elements of ["services", "states", "tasks"] as const) await cs.deleteExtensionSchema(elements, `E${run}`);
});
