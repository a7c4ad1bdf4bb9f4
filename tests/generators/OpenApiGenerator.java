import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.JSON;
import org.openapitools.client.api.QueriesApi;
import org.openapitools.client.api.ServicesApi;
import org.openapitools.client.api.TasksApi;
import org.openapitools.client.model.CompleteTaskBody;
import org.openapitools.client.model.LongOrString;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.StartServiceBody;
import org.openapitools.client.model.StartTaskBody;
import org.openapitools.client.model.TaskBody;

/** The journey, through the Java client of openapi-generator. */
public class OpenApiGenerator {
    private final ApiClient client = new ApiClient();
    private final TasksApi tasks;
    private final long service;
    private final int task;

    private OpenApiGenerator() throws ApiException {
        client.updateBaseUri(System.getenv("SERVICE_URL"));
        tasks = new TasksApi(client);
        StartServiceBody start = new StartServiceBody().customerId("00K7").serviceType(new LongOrString("book a hotel"));
        service = new ServicesApi(client).startService(start, null).getServiceId();
        task = tasks.startTask(service, new StartTaskBody().taskType(new LongOrString("survey")), null).getTaskId();
    }

    private void complete(long disposition, Map<String, Object> survey) throws ApiException {
        CompleteTaskBody body = new CompleteTaskBody().disposition(new LongOrString(disposition));
        tasks.completeTask(service, task, null, body.putAdditionalProperty("Survey", survey));
    }

    private Problem refused(long disposition, Map<String, Object> survey, int status) throws Exception {
        try {
            complete(disposition, survey);
        } catch (ApiException error) {
            check(error.getCode() == status, error.getMessage());
            return JSON.getDefault().getMapper().readValue(error.getResponseBody(), Problem.class);
        }
        throw new AssertionError("accepted");
    }

    private void run() throws Exception {
        Problem invalid = refused(10, Map.of("question1", "seven"), 400);
        check(invalid.getCode().equals("invalid_event"), invalid);
        check(invalid.getErrors().get(0).getPointer().equals("/Survey/question1"), invalid);
        complete(10, Map.of("question1", 7));
        TaskBody found = new QueriesApi(client).getTask(service, task, "*");
        check(found.getAdditionalProperty("Survey").equals(Map.of("question1", 7)), found);
        check(found.getDisposition().getLong() == 10, found);
        check(refused(11, Map.of("question1", 7), 409).getCode().equals("already_completed"), "code");
    }

    private static void check(boolean holds, Object found) {
        if (!holds) {
            throw new AssertionError(String.valueOf(found));
        }
    }

    public static void main(String[] arguments) throws Exception {
        new OpenApiGenerator().run();
    }
}
