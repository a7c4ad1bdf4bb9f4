// The journey, through the client of openapi-generator (typescript-fetch).
import assert from "node:assert/strict";
import { Configuration, QueriesApi, ResponseError, ServicesApi, TasksApi } from "./generated/openapi-generator";
import type { CompleteTaskBody, Problem } from "./generated/openapi-generator";

async function main(): Promise<void> {
  const configuration = new Configuration({ basePath: process.env.SERVICE_URL });
  const tasks = new TasksApi(configuration);
  const start = { customer_id: "00K7", service_type: "book a hotel" };
  const { service_id: serviceId } = await new ServicesApi(configuration).startService({ startServiceBody: start });
  const { task_id: taskId } = await tasks.startTask({ serviceId, startTaskBody: { task_type: "survey" } });

  const complete = (completeTaskBody: CompleteTaskBody) => tasks.completeTask({ serviceId, taskId, completeTaskBody });
  const refused = async (body: CompleteTaskBody, status: number): Promise<Problem> => {
    const error = await complete(body).then(() => assert.fail("accepted"), (error: unknown) => error);
    assert(error instanceof ResponseError);
    assert.equal(error.response.status, status);
    return (await error.response.json()) as Problem;
  };

  const invalid = await refused({ disposition: 10, Survey: { question1: "seven" } }, 400);
  assert.equal(invalid.code, "invalid_event");
  assert.equal(invalid.errors?.[0]?.pointer, "/Survey/question1");
  await complete({ disposition: 10, Survey: { question1: 7 } });
  const found = await new QueriesApi(configuration).getTask({ serviceId, taskId, extensions: "*" });
  assert.deepEqual(found.Survey, { question1: 7 });
  assert.equal(found.disposition, 10);
  assert.equal((await refused({ disposition: 11, Survey: { question1: 7 } }, 409)).code, "already_completed");
}

void main();
