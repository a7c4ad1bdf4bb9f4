import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import contextservices.ContextServices;
import contextservices.ContextServices.Code;
import contextservices.ContextServices.Event;
import contextservices.ContextServices.Problem;
import contextservices.ContextServices.Query;
import contextservices.ContextServices.Unreachable;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import org.junit.After;
import org.junit.Assume;
import org.junit.Before;
import org.junit.Test;

/** The core against a server that answers by a script, and every operation against a real one. */
public class ContextServicesTest {
    private record Seen(String uri, String key, String authorization, String body) {}

    private interface Step {
        void answer(HttpExchange exchange) throws IOException;
    }

    private final List<Seen> seen = Collections.synchronizedList(new ArrayList<>());
    private HttpServer server;
    private String url;

    @Before
    public void open() throws IOException {
        server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setExecutor(Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        }));
        server.start();
        url = "http://127.0.0.1:" + server.getAddress().getPort();
    }

    @After
    public void close() {
        server.stop(0);
    }

    /** A client of a server that takes each step in turn, and the last one from then on. */
    private ContextServices serve(Step... steps) {
        server.createContext("/", exchange -> {
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            var headers = exchange.getRequestHeaders();
            int index = Math.min(seen.size(), steps.length - 1);
            seen.add(new Seen(exchange.getRequestURI().toString(), headers.getFirst("Idempotency-Key"),
                headers.getFirst("Authorization"), body));
            steps[index].answer(exchange);
        });
        return new ContextServices(url);
    }

    private static Step answer(int status, String body, String... headers) {
        return exchange -> {
            for (int i = 0; i < headers.length; i += 2) exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        };
    }

    private static Step problem(int status, String code, String... headers) {
        return answer(status, "{\"status\":" + status + ",\"code\":\"" + code + "\",\"detail\":\"" + code + "\"}", headers);
    }

    private static final Step RESET = HttpExchange::close;
    /** The head of an answer whose body never comes. */
    private static final Step STALLED = exchange -> exchange.sendResponseHeaders(200, 1000);

    private static Problem refused(Code code, org.junit.function.ThrowingRunnable call) {
        Problem problem = assertThrows(Problem.class, call);
        assertEquals(code, problem.code());
        return problem;
    }

    @Test
    public void aStartKeepsItsKeyOverAllRetriesAndTheNextTakesAnother() {
        var cs = serve(RESET, problem(503, "database_unavailable"), answer(201, "{\"service_id\":9223372036854775807}"));
        assertEquals(Long.MAX_VALUE, cs.startService(new Event().customerId("00K7")));
        cs.startService(new Event().customerId("00K7"));
        assertEquals(4, seen.size());
        assertEquals(Set.of(seen.get(0).key()), seen.stream().limit(3).map(Seen::key).collect(Collectors.toSet()));
        assertNotEquals(seen.get(0).key(), seen.get(3).key());
    }

    @Test
    public void anEndIsRepeatedAsItIs() {
        var cs = serve(RESET, problem(503, "overloaded"), answer(204, ""));
        cs.completeTask(95, 3, new Event().disposition(10).with("Survey", Map.of("price", new BigDecimal("1.50"))));
        Set<String> bodies = seen.stream().map(Seen::body).collect(Collectors.toSet());
        assertEquals(Set.of("{\"disposition\":10,\"Survey\":{\"price\":1.50}}"), bodies);
        assertEquals(3, seen.size());
    }

    @Test
    public void retryAfterIsWaitedFor() {
        var cs = serve(problem(429, "rate_limited", "Retry-After", "1"), answer(200, "[]"));
        long start = System.nanoTime();
        cs.listServices("00K7");
        assertTrue(System.nanoTime() - start >= 1_000_000_000L);
    }

    @Test
    public void aRetryAfterBeyondTheDeadlineIsNotWaitedFor() {
        var cs = serve(problem(503, "maintenance", "Retry-After", "100"));
        refused(Code.MAINTENANCE, () -> cs.listServices("00K7"));
        assertEquals(1, seen.size());
    }

    @Test
    public void anAttemptThatStallsInItsBodyIsEnded() {
        var cs = serve(STALLED, answer(200, "{\"links\":{}}")).withAttemptTimeout(Duration.ofMillis(200));
        assertEquals(Map.of("links", Map.of()), cs.getMetadata());
        assertEquals(2, seen.size());
    }

    @Test
    public void withoutAnAnswerTheDeadlineEndsTheCall() throws IOException {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        var cs = new ContextServices("http://127.0.0.1:" + port).withDeadline(Duration.ofMillis(500));
        Unreachable failure = assertThrows(Unreachable.class, () -> cs.getService(95));
        assertTrue(failure.getCause() instanceof IOException);
    }

    @Test
    public void aRefusalIsNotRepeatedAndNamesEveryViolation() {
        String violation = "{\"pointer\":\"/Survey/question1\",\"detail\":\"expected an \\u0069nteger\"}";
        var cs = serve(answer(400, "{\"code\":\"invalid_event\",\"detail\":\"1 field\",\"errors\":[" + violation + "]}", "X-Request-Id", "r-1"));
        Problem problem = refused(Code.INVALID_EVENT, () -> cs.completeService(95, new Event()));
        assertEquals(List.of(new ContextServices.Violation("/Survey/question1", null, "expected an integer")), problem.errors());
        assertEquals("r-1", problem.requestId());
        assertEquals(1, seen.size());
    }

    @Test
    public void anAnswerOfAProxyIsAProblemWithoutACode() {
        var cs = serve(answer(403, "<html>"));
        refused(Code.UNKNOWN, () -> cs.getMetadata());
    }

    @Test
    public void aDeletionWhoseFirstAnswerWasLostHasBeenDone() {
        serve(RESET, problem(404, "unknown_service")).deleteService(95);
    }

    @Test
    public void aDeletionOfNothingIsAProblem() {
        var cs = serve(problem(503, "overloaded"), problem(404, "unknown_service"));
        refused(Code.UNKNOWN_SERVICE, () -> cs.deleteService(95));
    }

    @Test
    public void timesAreSentWithTheirOffsetAndLocalOnesAreRefused() {
        var cs = serve(answer(204, ""));
        cs.completeService(95, new Event().timestamp(OffsetDateTime.parse("2026-02-05T10:00:00+01:00")));
        assertEquals("{\"timestamp\":\"2026-02-05T09:00:00Z\"}", seen.get(0).body());
        LocalDateTime local = LocalDateTime.of(2026, 2, 5, 10, 0);
        Exception refusal = assertThrows(IllegalArgumentException.class, () -> new Event().with("Survey", Map.of("at", local)));
        assertTrue(refusal.getMessage(), refusal.getMessage().contains("it has no time zone"));
    }

    @Test
    public void textSurvivesTheWayThereAndBack() {
        String text = "\"\\\u0001\n\u00fc\u2028\ud83d\ude00/";
        var cs = serve(answer(204, ""), exchange -> answer(200, seen.get(0).body()).answer(exchange));
        cs.updateServiceExtension(95, "Survey", Map.of("t", text, "n", List.of(1.5, -2, true)));
        assertEquals(Map.of("t", text, "n", List.of(new BigDecimal("1.5"), -2L, true)), cs.getMetadata());
    }

    @Test
    public void pathsAndQueriesAreEncodedAndCannotLeadElsewhere() {
        var cs = serve(answer(200, "[]", "Link", "</x?limit=2&before=a%3D>; rel=\"prev\"")).withToken("abc");
        Instant from = Instant.parse("2026-02-05T09:00:00Z");
        var page = cs.listServices("a/b \u00fc", new Query().startedFrom(from).serviceTypes(12, "hotel").extensions());
        assertEquals("a=", page.before().orElseThrow());
        String query = "started_from=2026-02-05T09%3A00%3A00Z&service_types=12&service_types=hotel";
        assertEquals("/customers/a%2Fb%20%C3%BC/services?" + query, seen.get(0).uri());
        assertEquals("Bearer abc", seen.get(0).authorization());
        for (String name : List.of("", ".", "..")) {
            assertThrows(IllegalArgumentException.class, () -> cs.deleteServiceExtension(95, name));
        }
    }

    @Test
    public void whatJsonWouldChangeIsRefusedWithItsPlace() {
        List<Object> values = new ArrayList<>(List.of(Double.NaN, Float.POSITIVE_INFINITY, "\ud800", Map.of(1, 2), Set.class, Set.of(1, 2),
            Map.of("\udc00", 2), new int[] {1}, LocalDateTime.of(2026, 2, 5, 10, 0)));
        values.add(Collections.singletonMap(null, 2));
        for (Object value : values) {
            Exception refusal = assertThrows(String.valueOf(value), IllegalArgumentException.class,
                () -> new Event().with("Survey", List.of(Map.of("a/b", value))));
            assertTrue(refusal.getMessage(), refusal.getMessage().startsWith("/Survey/0/a~1b"));
        }
        assertThrows(IllegalArgumentException.class, () -> new Event().with("\ud800", 1));
    }

    @Test
    public void anItemOfAListArrivesAsItIs() {
        var cs = serve(answer(200, "[]"));
        cs.listServices("00K7", new Query().serviceTypes("hotel, flight", " \"car\" ", 12).extensions());
        String query = "service_types=%22hotel%2C%20flight%22&service_types=%22%20%22%22car%22%22%20%22&service_types=12";
        assertEquals("/customers/00K7/services?" + query, seen.get(0).uri());
    }

    @Test
    public void whatIsNotAnIdentifierOrParameterIsRefused() {
        var cs = serve(answer(200, "[]"));
        for (String id : new String[] {null, "\ud800"}) {
            assertThrows(IllegalArgumentException.class, () -> cs.listServices(id));
            assertThrows(IllegalArgumentException.class, () -> cs.deleteServiceExtension(95, id));
        }
        for (Object value : new Object[] {null, 1.5, LocalDateTime.of(2026, 2, 5, 10, 0), "\ud800"}) {
            assertThrows(IllegalArgumentException.class, () -> cs.listServices("00K7", new Query().with("started_from", value)));
        }
        assertEquals(0, seen.size());
    }

    @Test
    public void anAddressThatIsNotOfHttpIsRefusedAtOnce() {
        for (String address : List.of("localhost:8080", "127.0.0.1:8080", "ftp://localhost", "http://", "")) {
            assertThrows(address, IllegalArgumentException.class, () -> new ContextServices(address));
        }
    }

    @Test
    public void anInterruptEndsTheCallAndStays() {
        var cs = serve(STALLED);
        Thread.currentThread().interrupt();
        assertThrows(Unreachable.class, () -> cs.getService(95));
        assertTrue(Thread.interrupted());
    }

    @Test
    public void everyOperation() {
        String real = System.getenv("CONTEXT_SERVICES_URL");
        Assume.assumeTrue(real != null);
        var cs = new ContextServices(real);
        String run = "jv" + System.nanoTime() % 1_000_000_000;
        String extension = "E" + run;
        String customer = "cus/t\u00f6mer " + run;
        Instant now = Instant.now();

        for (String elements : List.of("services", "states", "tasks")) {
            cs.createExtensionSchema(elements, Map.of("name", extension, "type", "single-valued", "attributes",
                List.of(Map.of("name", "n", "type", "integer"), Map.of("name", "at", "type", "datetime"))));
            assertEquals("single-valued", cs.getExtensionSchema(elements, extension).get("type"));
            assertTrue(cs.listExtensionSchemas(elements).stream().anyMatch(schema -> extension.equals(schema.get("name"))));
        }
        Map<String, Object> record = Map.of("n", Long.MAX_VALUE, "at", Instant.parse("2026-02-05T09:00:00Z"));
        Map<String, Object> read = Map.of(extension, Map.of("n", Long.MAX_VALUE, "at", "2026-02-05T09:00:00.000Z"));

        var values = List.of(Map.of("name", "GOOD"), Map.of("dbid", 7, "name", "BAD"));
        assertEquals("A" + run, cs.defineBusinessAttribute("A" + run, Map.of("values", values)).get("name"));
        assertEquals("A" + run, cs.getBusinessAttribute("A" + run).get("name"));
        assertFalse(cs.listBusinessAttributes().isEmpty());
        cs.listBusinessAttributes("Task.disposition");
        cs.removeBusinessAttribute("A" + run);
        assertTrue(cs.getMetadata().containsKey("links"));

        long service = cs.startService(new Event().contactKey(run).serviceType(12).with(extension, record));
        assertEquals(1, cs.listAnonymousServices(run).items().size());
        assertEquals(1, cs.listActiveAnonymousServices(run).items().size());
        assertEquals(0, cs.listCompletedAnonymousServices(run).items().size());
        cs.associateService(customer, service, new Event().estDuration(Duration.ofMinutes(10)));
        cs.updateExpiration(service, new Event().ttl(Duration.ofDays(1)));
        int first = cs.startState(service, new Event().stateType("payment").with(extension, record));
        int second = cs.transitionState(service, first, new Event().disposition("ok").stateType("done"));
        int task = cs.startTask(service, new Event().taskType("survey").stateId(second));
        cs.completeTask(service, task, new Event().stateId(second).disposition(10).timestamp(now).with(extension, record));
        refused(Code.ALREADY_COMPLETED, () -> cs.completeTask(service, task, new Event().disposition(11)));
        cs.completeState(service, second, new Event().dispositionDesc("SUCCESS"));
        Event invalid = new Event().with("Nothing", Map.of("a", 1)).dispositionDesc("x".repeat(65));
        Problem problem = refused(Code.INVALID_EVENT, () -> cs.completeService(service, invalid));
        assertEquals(Set.of("/Nothing", "/disposition_desc"),
            problem.errors().stream().map(ContextServices.Violation::pointer).collect(Collectors.toSet()));

        var answer = cs.getTask(service, task);
        assertEquals(read, answer.extensions());
        assertEquals(10L, answer.lifecycle().disposition());
        assertEquals(now.toEpochMilli(), answer.lifecycle().completed().timestamp().toEpochMilli());
        assertEquals(Map.of(), cs.getTask(service, task, new Query().extensions()).extensions());
        assertEquals(1, cs.getState(service, second, new Query().completedTasks()).completedTasks().size());
        assertEquals(2, cs.getService(service, new Query().completedStates()).completedStates().size());
        assertEquals(1, cs.listTasks(service).items().size());
        assertEquals(1, cs.listTasks(service, new Query().stateId(second).taskTypes("survey")).items().size());
        assertEquals(0, cs.listActiveTasks(service).items().size());
        assertEquals(1, cs.listCompletedTasks(service).items().size());
        var page = cs.listStates(service, new Query().limit(1));
        assertEquals(second, page.items().get(0).stateId());
        var older = cs.listStates(service, new Query().limit(1).before(page.before().orElseThrow()));
        assertEquals(first, older.items().get(0).stateId());
        assertEquals(0, cs.listActiveStates(service).items().size());
        assertEquals(2, cs.listCompletedStates(service).items().size());

        cs.updateServiceExtension(service, extension, Map.of("n", 1));
        cs.mergeServiceExtension(service, extension, Map.of("at", now));
        cs.deleteServiceExtension(service, extension);
        cs.updateStateExtension(service, second, extension, Map.of("n", 1));
        cs.mergeStateExtension(service, second, extension, Map.of("at", now));
        cs.deleteStateExtension(service, second, extension);
        cs.updateTaskExtension(service, task, extension, Map.of("n", 1));
        cs.mergeTaskExtension(service, task, extension, Map.of("at", now));
        cs.deleteTaskExtension(service, task, extension);
        refused(Code.UNKNOWN_EXTENSION, () -> cs.deleteTaskExtension(service, task, extension));

        cs.completeService(service, new Event().disposition("SUCCESS"));
        var window = new Query().startedFrom(now.minusSeconds(60)).startedTo(now.plusSeconds(60));
        assertEquals(1, cs.listServices(customer, window).items().size());
        assertEquals(0, cs.listActiveServices(customer).items().size());
        assertEquals(1, cs.listCompletedServices(customer, new Query().serviceTypes(12)).items().size());
        String awkward = " flight, \"car\" ";
        cs.startService(new Event().customerId(customer).serviceType(awkward));
        assertEquals(awkward, cs.listServices(customer, new Query().serviceTypes(awkward)).items().get(0).serviceType());
        cs.deleteService(service);
        refused(Code.UNKNOWN_SERVICE, () -> cs.getService(service));

        cs.changeServerMode("maintenance");
        refused(Code.MAINTENANCE, () -> cs.withDeadline(Duration.ofMillis(50)).getService(service));
        cs.changeServerMode("production");
        assertEquals("production", cs.getServerStatus().get("mode"));
        cs.live();
        cs.ready();
        assertTrue(cs.metrics().contains("# TYPE"));
        assertTrue(cs.getDocument().get("openapi").toString().startsWith("3.1"));
        for (String elements : List.of("services", "states", "tasks")) cs.deleteExtensionSchema(elements, extension);
    }
}
