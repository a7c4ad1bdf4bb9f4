#!/usr/bin/env python3
"""A complete client of context-services, with the standard library alone.

Runs the story of the README: a customer books a hotel and answers a survey. Needs Python 3.9 or newer.

    python3 examples/python/story.py [URL]

URL defaults to http://127.0.0.1:8080. Set CONTEXT_SERVICES_TOKEN where the service requires authentication.
"""

import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
import uuid

# The statuses after which the same request may succeed; 502 and 504 come from a proxy in front of the service.
RETRIED = {408, 429, 502, 503, 504}


class Problem(Exception):
    """The service refused a request; `code` is stable, the texts are not."""

    def __init__(self, status, body, retry_after):
        super().__init__(f"{status} {body.get('code')}: {body.get('detail')}")
        self.status = status
        self.code = body.get("code")
        self.errors = body.get("errors", [])
        self.retry_after = retry_after


class ContextServices:
    """Calls the service, and repeats a call for up to `patience` seconds while the service is away or overloaded."""

    def __init__(self, url, token=None, timeout=10, patience=60):
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.patience = patience
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def create_task_schema(self, schema):
        """Creates the schema of an extension of tasks, unless a schema of that name exists."""
        try:
            self.call("POST", "/metadata/tasks/extensions", schema)
        except Problem as problem:
            # Also the answer to a repeated call whose first answer was lost.
            if problem.code != "schema_exists":
                raise

    def start_service(self, event):
        return self.start("/services/start", event)["service_id"]

    def start_state(self, service_id, event):
        return self.start(f"/services/{service_id}/states/start", event)["state_id"]

    def start_task(self, service_id, event):
        return self.start(f"/services/{service_id}/tasks/start", event)["task_id"]

    def complete_task(self, service_id, task_id, event):
        """Completes a task. An end event needs no key: the service recognises the same event again."""
        self.call("POST", f"/services/{service_id}/tasks/{task_id}/end", event)

    def get_task(self, service_id, task_id):
        return self.call("GET", f"/services/{service_id}/tasks/{task_id}?extensions=*")

    def start(self, path, event):
        """Sends a start event. One key for all attempts: however many arrive, one element is started."""
        return self.call("POST", path, event, {"Idempotency-Key": str(uuid.uuid4())})

    def call(self, method, path, body=None, headers=None):
        """Sends a request until it is answered, and returns the body of the answer."""
        give_up = time.monotonic() + self.patience
        attempt = 0
        while True:
            try:
                return self.send(method, path, body, headers or {})
            except Problem as problem:
                if problem.status not in RETRIED:
                    raise
                failure, retry_after = problem, problem.retry_after
            except (OSError, http.client.HTTPException) as error:
                # No connection, a timeout, or an answer that broke off: the request may have been carried out.
                failure, retry_after = error, 0
            # At least Retry-After. The random part keeps clients that failed together from returning together.
            delay = retry_after + random.uniform(0, min(5, 0.1 * 2**attempt))
            if time.monotonic() + delay > give_up:
                raise failure
            print(f"trying again in {delay:.1f} s: {failure}", file=sys.stderr)
            time.sleep(delay)
            attempt += 1

    def send(self, method, path, body, headers):
        """Sends a request once."""
        request = urllib.request.Request(self.url + path, method=method, headers=self.headers | headers)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            raise self.problem(error) from None
        return json.loads(content) if content else None

    @staticmethod
    def problem(error):
        seconds = error.headers.get("Retry-After", "")
        retry_after = int(seconds) if seconds.isdecimal() else 0
        try:
            return Problem(error.code, json.load(error), retry_after)
        except ValueError:
            # Not the service's own answer, but that of a proxy in front of it.
            return Problem(error.code, {"detail": error.reason}, retry_after)


SURVEY = {
    "name": "Survey",
    "type": "single-valued",
    "attributes": [
        {"name": "url", "type": "string", "length": 256, "mandatory": True},
        {"name": "question1", "type": "integer"},
        {"name": "question2", "type": "boolean"},
        {"name": "question3", "type": "string", "length": 256},
    ],
}

PROPOSAL = {
    "name": "Proposal",
    "type": "multi-valued",
    "unique": ["car type"],
    "attributes": [
        {"name": "car type", "type": "string", "length": 40, "mandatory": True},
        {"name": "price", "type": "integer"},
        {"name": "seats", "type": "integer", "default": 4},
        {"name": "comments", "type": "string", "length": 256},
    ],
}


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    services = ContextServices(url, os.environ.get("CONTEXT_SERVICES_TOKEN"))

    services.create_task_schema(SURVEY)
    services.create_task_schema(PROPOSAL)

    service_id = services.start_service({"customer_id": "00K7", "service_type": "book a hotel"})
    state_id = services.start_state(service_id, {"state_type": "payment"})
    task_id = services.start_task(service_id, {"task_type": "survey", "state_id": state_id})
    print(f"started service {service_id}, state {state_id}, task {task_id}")

    end = {
        "interaction_id": "0000CSS0FXZUP6UR",
        "state_id": state_id,
        "disposition": 10,
        "disposition_desc": "SUCCESS",
        "Survey": {
            "url": "http://ourServer/storage/userAnswers",
            "question1": 7,
            "question2": True,
            "question3": "will be better with cable tv and on-demand video",
        },
        "Proposal": [
            {"car type": "cabriolet", "price": 25000, "seats": 2, "comments": "200 cv, hardtop"},
            {"car type": "S.U.V.", "price": 70000, "seats": 8, "comments": "4wd, leather seats"},
        ],
    }
    services.complete_task(service_id, task_id, end)
    print(f"completed task {task_id}")

    print(json.dumps(services.get_task(service_id, task_id)))


if __name__ == "__main__":
    main()
