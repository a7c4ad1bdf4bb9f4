// The journey, through the client of hey-api.
import assert from "node:assert/strict";
import { completeTask, getTask, startService, startTask } from "./generated/hey-api";
import type { CompleteTaskBody } from "./generated/hey-api";
import { client } from "./generated/hey-api/client.gen";

async function main(): Promise<void> {
  client.setConfig({ baseUrl: process.env.SERVICE_URL });
  const start = { customer_id: "00K7", service_type: "book a hotel" };
  const { service_id } = (await startService({ body: start, throwOnError: true })).data;
  const started = await startTask({ path: { service_id }, body: { task_type: "survey" }, throwOnError: true });
  const path = { service_id, task_id: started.data.task_id };

  const complete = (body: CompleteTaskBody) => completeTask({ path, body });
  const invalid = await complete({ disposition: 10, Survey: { question1: "seven" } });
  assert.equal(invalid.response?.status, 400);
  assert.equal(invalid.error?.code, "invalid_event");
  assert.equal(invalid.error?.errors?.[0]?.pointer, "/Survey/question1");
  assert.equal((await complete({ disposition: 10, Survey: { question1: 7 } })).response?.status, 204);
  const found = (await getTask({ path, query: { extensions: "*" }, throwOnError: true })).data;
  assert.deepEqual(found.Survey, { question1: 7 });
  assert.equal(found.disposition, 10);
  const conflict = await complete({ disposition: 11, Survey: { question1: 7 } });
  assert.equal(conflict.response?.status, 409);
  assert.equal(conflict.error?.code, "already_completed");
}

void main();
