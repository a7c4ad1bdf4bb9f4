"""The same as scenario.py with the asynchronous client."""

import asyncio
import sys
import time
from datetime import datetime, timezone

from context_services import AsyncContextServices

url, workers, seconds = sys.argv[1:]
end = time.monotonic() + float(seconds)


async def story(cs: AsyncContextServices, customer: str) -> None:
    service = await cs.start_service(customer_id=customer, service_type="book a hotel", Profile={"level": "gold"})
    first = await cs.start_state(service, state_type="payment")
    state = await cs.transition_state(service, first, state_type="survey")
    task = await cs.start_task(service, task_type="survey", state_id=state)
    await cs.complete_task(
        service, task, state_id=state, disposition=10, disposition_desc="SUCCESS", timestamp=datetime.now(timezone.utc),
        Survey={"url": "http://ourServer/storage/userAnswers", "question1": 7, "question2": True},
        Proposal=[{"car type": "cabriolet", "price": 25000, "seats": 2}, {"car type": "S.U.V.", "price": 70000, "seats": 8}],
    )
    await cs.complete_state(service, state, disposition=10)
    await cs.complete_service(service, disposition=10)
    extensions = (await cs.get_task(service, task)).extensions
    [found] = await cs.list_services(customer)
    assert extensions["Survey"]["question1"] == 7 and len(extensions["Proposal"]) == 2, customer
    assert found.extensions == {"Profile": {"level": "gold"}}, customer


async def worker(cs: AsyncContextServices, number: int) -> None:
    i = 0
    while time.monotonic() < end:
        customer = f"async-python-{number}-{i}"
        await story(cs, customer)
        print(customer, flush=True)
        i += 1


async def main() -> None:
    async with AsyncContextServices(url) as cs:
        await asyncio.gather(*(worker(cs, number) for number in range(int(workers))))


asyncio.run(main())
