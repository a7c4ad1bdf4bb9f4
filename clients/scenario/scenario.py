"""Runs stories until the time is over and prints the customer of each one that was acknowledged in full."""

import sys
import threading
import time
from datetime import datetime, timezone

from context_services import ContextServices

url, workers, seconds = sys.argv[1:]
cs = ContextServices(url)
end = time.monotonic() + float(seconds)
failed = threading.Event()


def story(customer: str) -> None:
    service = cs.start_service(customer_id=customer, service_type="book a hotel", Profile={"level": "gold"})
    first = cs.start_state(service, state_type="payment")
    state = cs.transition_state(service, first, state_type="survey")
    task = cs.start_task(service, task_type="survey", state_id=state)
    cs.complete_task(
        service, task, state_id=state, disposition=10, disposition_desc="SUCCESS", timestamp=datetime.now(timezone.utc),
        Survey={"url": "http://ourServer/storage/userAnswers", "question1": 7, "question2": True},
        Proposal=[{"car type": "cabriolet", "price": 25000, "seats": 2}, {"car type": "S.U.V.", "price": 70000, "seats": 8}],
    )
    cs.complete_state(service, state, disposition=10)
    cs.complete_service(service, disposition=10)
    extensions = cs.get_task(service, task).extensions
    [found] = cs.list_services(customer)
    assert extensions["Survey"]["question1"] == 7 and len(extensions["Proposal"]) == 2, customer
    assert found.extensions == {"Profile": {"level": "gold"}}, customer


def worker(number: int) -> None:
    i = 0
    try:
        while time.monotonic() < end:
            customer = f"python-{number}-{i}"
            story(customer)
            # One write: threads would otherwise put their lines into each other.
            print(f"{customer}\n", end="", flush=True)
            i += 1
    except BaseException:
        failed.set()
        raise


threads = [threading.Thread(target=worker, args=[number]) for number in range(int(workers))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(failed.is_set())
