"""The journey, through the Python client of openapi-generator."""

import os

import openapi_generator_client as client
from openapi_generator_client import models

configuration = client.Configuration(host=os.environ["SERVICE_URL"])
with client.ApiClient(configuration) as connection:
    services, tasks = client.ServicesApi(connection), client.TasksApi(connection)
    start = models.StartServiceBody(customer_id="00K7", service_type=models.LongOrString("book a hotel"))
    service = services.start_service(start).service_id
    task = tasks.start_task(service, models.StartTaskBody(task_type=models.LongOrString("survey"))).task_id

    def complete(disposition, survey):
        body = models.CompleteTaskBody(
            disposition=models.LongOrString(disposition), additional_properties={"Survey": survey}
        )
        tasks.complete_task(service, task, complete_task_body=body)

    def refused(disposition, survey, status):
        try:
            complete(disposition, survey)
        except client.ApiException as error:
            assert error.status == status, error
            return error.data
        raise AssertionError("accepted")

    problem = refused(10, {"question1": "seven"}, 400)
    assert (problem.code, problem.errors[0].pointer) == ("invalid_event", "/Survey/question1"), problem
    complete(10, {"question1": 7})
    found = client.QueriesApi(connection).get_task(service, task, extensions="*")
    assert found.additional_properties == {"Survey": {"question1": 7}}, found
    assert found.disposition.actual_instance == 10, found
    assert refused(11, {"question1": 7}, 409).code == "already_completed"
