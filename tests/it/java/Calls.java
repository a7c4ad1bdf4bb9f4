import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

/** Starts tasks one after another with the client of the JDK as it is, which offers HTTP/2 with each request. */
class Calls {
    public static void main(String[] arguments) throws Exception {
        String service = arguments[0];
        int calls = Integer.parseInt(arguments[1]);
        HttpClient client = HttpClient.newHttpClient();
        int answered = 0;
        for (int call = 0; call < calls; call++) {
            answered += send(client, "POST", service + "/tasks/start", "{\"est_duration\": " + call + "}", 201);
            if (call % 5 == 0) {
                answered += send(client, "PUT", service, "{\"ttl\": 86400}", 200);
            }
        }
        System.out.println(answered);
    }

    private static int send(HttpClient client, String method, String url, String body, int expected) {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url))
            .header("Content-Type", "application/json").method(method, BodyPublishers.ofString(body)).build();
        try {
            int status = client.send(request, BodyHandlers.ofString()).statusCode();
            if (status == expected) {
                return 1;
            }
            System.err.println(method + ": " + status);
        } catch (Exception failure) {
            System.err.println(method + ": " + failure);
        }
        return 0;
    }
}
