"""The journey, through the client of openapi-python-client."""

import os

from openapi_python_client_client import Client, models
from openapi_python_client_client.api.queries import get_task
from openapi_python_client_client.api.services import start_service
from openapi_python_client_client.api.tasks import complete_task, start_task

with Client(base_url=os.environ["SERVICE_URL"]) as client:
    start = models.StartServiceBody(customer_id="00K7", service_type="book a hotel")
    service = start_service.sync(client=client, body=start).service_id
    task = start_task.sync(service, client=client, body=models.StartTaskBody(task_type="survey")).task_id

    def complete(disposition, survey):
        body = models.CompleteTaskBody(disposition=disposition)
        body["Survey"] = survey
        return complete_task.sync_detailed(service, task, client=client, body=body)

    refused = complete(10, {"question1": "seven"})
    assert (refused.status_code, refused.parsed.code) == (400, "invalid_event"), refused
    assert refused.parsed.errors[0].pointer == "/Survey/question1", refused
    assert complete(10, {"question1": 7}).status_code == 204
    found = get_task.sync(service, task, client=client, extensions="*")
    assert found["Survey"] == {"question1": 7} and found.disposition == 10, found
    refused = complete(11, {"question1": 7})
    assert (refused.status_code, refused.parsed.code) == (409, "already_completed"), refused
