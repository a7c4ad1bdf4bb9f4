// The journey, through the types of openapi-typescript and its client openapi-fetch.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/openapi-typescript";

async function main(): Promise<void> {
  const client = createClient<paths>({ baseUrl: process.env.SERVICE_URL });
  const start = { customer_id: "00K7", service_type: "book a hotel" };
  const service = await client.POST("/services/start", { body: start });
  assert(service.data);
  const { service_id } = service.data;
  const body = { task_type: "survey" };
  const task = await client.POST("/services/{service_id}/tasks/start", { params: { path: { service_id } }, body });
  assert(task.data);
  const path = { service_id, task_id: task.data.task_id };

  const complete = (body: components["schemas"]["CompleteTaskBody"]) =>
    client.POST("/services/{service_id}/tasks/{task_id}/end", { params: { path }, body });
  const invalid = await complete({ disposition: 10, Survey: { question1: "seven" } });
  assert.equal(invalid.response.status, 400);
  assert.equal(invalid.error?.code, "invalid_event");
  assert.equal(invalid.error?.errors?.[0]?.pointer, "/Survey/question1");
  assert.equal((await complete({ disposition: 10, Survey: { question1: 7 } })).response.status, 204);
  const query = { extensions: "*" };
  const found = await client.GET("/services/{service_id}/tasks/{task_id}", { params: { path, query } });
  assert.deepEqual(found.data?.Survey, { question1: 7 });
  assert.equal(found.data?.disposition, 10);
  const conflict = await complete({ disposition: 11, Survey: { question1: 7 } });
  assert.equal(conflict.response.status, 409);
  assert.equal(conflict.error?.code, "already_completed");
}

void main();
