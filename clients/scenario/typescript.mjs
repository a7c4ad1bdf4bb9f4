// Runs stories until the time is over and prints the customer of each one that was acknowledged in full.
import { ContextServices } from "context-services";

const [url, workers, seconds] = process.argv.slice(2);
const cs = new ContextServices(url);
const end = Date.now() + Number(seconds) * 1000;

async function story(customer) {
  const service = await cs.startService({ customer_id: customer, service_type: "book a hotel", Profile: { level: "gold" } });
  const first = await cs.startState(service, { state_type: "payment" });
  const state = await cs.transitionState(service, first, { state_type: "survey" });
  const task = await cs.startTask(service, { task_type: "survey", state_id: state });
  await cs.completeTask(service, task, {
    state_id: state, disposition: 10, disposition_desc: "SUCCESS", timestamp: new Date(),
    Survey: { url: "http://ourServer/storage/userAnswers", question1: 7, question2: true },
    Proposal: [{ "car type": "cabriolet", price: 25000, seats: 2 }, { "car type": "S.U.V.", price: 70000, seats: 8 }],
  });
  await cs.completeState(service, state, { disposition: 10 });
  await cs.completeService(service, { disposition: 10 });
  const { Survey, Proposal } = await cs.getTask(service, task);
  const services = await cs.listServices(customer);
  if (Survey.question1 !== 7 || Proposal.length !== 2) throw new Error(`extensions are missing: ${customer}`);
  if (services.length !== 1 || services[0].Profile.level !== "gold") throw new Error(`not one service: ${customer}`);
}

async function worker(number) {
  for (let i = 0; Date.now() < end; i++) {
    const customer = `typescript-${number}-${i}`;
    await story(customer);
    console.log(customer);
  }
}

await Promise.all(Array.from({ length: Number(workers) }, (_, number) => worker(number)));
