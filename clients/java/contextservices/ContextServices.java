package contextservices;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A client of Context Services in one file, on the JDK alone (17 or later). Each operation of the API is a method;
 * docs/clients.md lists them. Threads may share a client.
 *
 * <p>Every call is repeated after a 503, a 429, a timeout or a broken connection until it is answered or the deadline
 * passes. A repeat never writes twice: starts and transitions carry an {@code Idempotency-Key}, and the rest is safe to
 * repeat as it is. A refusal is a {@link Problem}; no answer in time is {@link Unreachable}.
 */
public final class ContextServices {
    private static final System.Logger LOG = System.getLogger(ContextServices.class.getName());
    private static final Set<Integer> RETRIED = Set.of(408, 429, 502, 503, 504);
    /** Answers after which the request may have been carried out. */
    private static final Set<Code> UNCERTAIN = Set.of(Code.DATABASE_UNAVAILABLE, Code.UNKNOWN);
    private static final long BASE_WAIT_MS = 100;
    private static final long MAX_WAIT_MS = 5_000;
    private static final SecureRandom RANDOM = new SecureRandom();

    private final String url;
    private final String authorization;
    private final Duration deadline;
    private final Duration attemptTimeout;
    private final HttpClient http;

    /** A client with a deadline of 60 seconds for a call and 10 seconds for one attempt. */
    public ContextServices(String url) {
        // HTTP/2 would send an Upgrade with each first request over plain text.
        this(checked(url).replaceAll("/+$", ""), null, Duration.ofSeconds(60), Duration.ofSeconds(10),
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build());
    }

    private ContextServices(String url, String authorization, Duration deadline, Duration attemptTimeout, HttpClient http) {
        this.url = url;
        this.authorization = authorization;
        this.deadline = deadline;
        this.attemptTimeout = attemptTimeout;
        this.http = http;
    }

    private static String checked(String url) {
        URI address = URI.create(url);
        if (!Set.of("http", "https").contains(String.valueOf(address.getScheme())) || address.getHost() == null) {
            throw new IllegalArgumentException("\"" + url + "\" does not begin with http:// or https:// and a host");
        }
        return url;
    }

    public ContextServices withUser(String user, String password) {
        byte[] credentials = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
        String basic = "Basic " + Base64.getEncoder().encodeToString(credentials);
        return new ContextServices(url, basic, deadline, attemptTimeout, http);
    }

    public ContextServices withToken(String token) {
        return new ContextServices(url, "Bearer " + token, deadline, attemptTimeout, http);
    }

    /** The same client with another limit for a call and all its retries. */
    public ContextServices withDeadline(Duration limit) {
        return new ContextServices(url, authorization, limit, attemptTimeout, http);
    }

    /** The same client with another limit for one attempt. */
    public ContextServices withAttemptTimeout(Duration limit) {
        return new ContextServices(url, authorization, deadline, limit, http);
    }

    /** The same client over an HTTP client of your own, for certificates or proxies. */
    public ContextServices withHttpClient(HttpClient client) {
        return new ContextServices(url, authorization, deadline, attemptTimeout, client);
    }

    // Lifecycle

    /** Starts a service; {@code customerId}, {@code contactKey} or both are required. */
    public long startService(Event event) {
        return start("/services/start", "service_id", event);
    }

    public void associateService(String customerId, long service, Event event) {
        send(new Call("POST", path("customers", customerId, "services", service)).body(event.fields));
    }

    public void completeService(long service, Event event) {
        send(new Call("POST", path("services", service, "end")).body(event.fields));
    }

    public int startState(long service, Event event) {
        return (int) start(path("services", service, "states", "start"), "state_id", event);
    }

    public void completeState(long service, int state, Event event) {
        send(new Call("POST", path("services", service, "states", state, "end")).body(event.fields));
    }

    /**
     * Ends a state and starts the next one in one transaction. The disposition of {@code event} is that of the state
     * that ends; its state type, estimated duration and extensions are those of the new one.
     */
    public int transitionState(long service, int from, Event event) {
        Event body = event.copy();
        Map<String, Object> ends = new LinkedHashMap<>(Map.of("state_id", from));
        Map<String, Object> starts = new LinkedHashMap<>();
        move(body.fields, ends, "disposition", "disposition_desc");
        move(body.fields, starts, "state_type", "est_duration");
        body.fields.put("from", ends);
        body.fields.put("to", starts);
        return (int) start(path("services", service, "states", "transition"), "state_id", body);
    }

    public int startTask(long service, Event event) {
        return (int) start(path("services", service, "tasks", "start"), "task_id", event);
    }

    public void completeTask(long service, int task, Event event) {
        send(new Call("POST", path("services", service, "tasks", task, "end")).body(event.fields));
    }

    /** Removes the service with everything in it. */
    public void deleteService(long service) {
        send(new Call("DELETE", path("services", service)).gone(Code.UNKNOWN_SERVICE));
    }

    /** Takes {@code ttl} or {@code expirationTime} of the event. */
    public void updateExpiration(long service, Event expiration) {
        send(new Call("PUT", path("services", service)).body(expiration.fields));
    }

    // Queries: each with all extensions, or as a Query says

    public Service getService(long service) {
        return getService(service, new Query());
    }

    public Service getService(long service, Query query) {
        return Service.read(object(get(path("services", service), query)));
    }

    public Page<Service> listServices(String customerId) {
        return listServices(customerId, new Query());
    }

    public Page<Service> listServices(String customerId, Query query) {
        return list(path("customers", customerId, "services"), query, Service::read);
    }

    public Page<Service> listActiveServices(String customerId) {
        return listActiveServices(customerId, new Query());
    }

    public Page<Service> listActiveServices(String customerId, Query query) {
        return list(path("customers", customerId, "services", "active"), query, Service::read);
    }

    public Page<Service> listCompletedServices(String customerId) {
        return listCompletedServices(customerId, new Query());
    }

    public Page<Service> listCompletedServices(String customerId, Query query) {
        return list(path("customers", customerId, "services", "completed"), query, Service::read);
    }

    public Page<Service> listAnonymousServices(String contactKey) {
        return listAnonymousServices(contactKey, new Query());
    }

    public Page<Service> listAnonymousServices(String contactKey, Query query) {
        return list(path("services", "anonymous", contactKey), query, Service::read);
    }

    public Page<Service> listActiveAnonymousServices(String contactKey) {
        return listActiveAnonymousServices(contactKey, new Query());
    }

    public Page<Service> listActiveAnonymousServices(String contactKey, Query query) {
        return list(path("services", "anonymous", contactKey, "active"), query, Service::read);
    }

    public Page<Service> listCompletedAnonymousServices(String contactKey) {
        return listCompletedAnonymousServices(contactKey, new Query());
    }

    public Page<Service> listCompletedAnonymousServices(String contactKey, Query query) {
        return list(path("services", "anonymous", contactKey, "completed"), query, Service::read);
    }

    public State getState(long service, int state) {
        return getState(service, state, new Query());
    }

    public State getState(long service, int state, Query query) {
        return State.read(object(get(path("services", service, "states", state), query)));
    }

    public Page<State> listStates(long service) {
        return listStates(service, new Query());
    }

    public Page<State> listStates(long service, Query query) {
        return list(path("services", service, "states"), query, State::read);
    }

    public Page<State> listActiveStates(long service) {
        return listActiveStates(service, new Query());
    }

    public Page<State> listActiveStates(long service, Query query) {
        return list(path("services", service, "states", "active"), query, State::read);
    }

    public Page<State> listCompletedStates(long service) {
        return listCompletedStates(service, new Query());
    }

    public Page<State> listCompletedStates(long service, Query query) {
        return list(path("services", service, "states", "completed"), query, State::read);
    }

    public Task getTask(long service, int task) {
        return getTask(service, task, new Query());
    }

    public Task getTask(long service, int task, Query query) {
        return Task.read(object(get(path("services", service, "tasks", task), query)));
    }

    public Page<Task> listTasks(long service) {
        return listTasks(service, new Query());
    }

    public Page<Task> listTasks(long service, Query query) {
        return list(path("services", service, "tasks"), query, Task::read);
    }

    public Page<Task> listActiveTasks(long service) {
        return listActiveTasks(service, new Query());
    }

    public Page<Task> listActiveTasks(long service, Query query) {
        return list(path("services", service, "tasks", "active"), query, Task::read);
    }

    public Page<Task> listCompletedTasks(long service) {
        return listCompletedTasks(service, new Query());
    }

    public Page<Task> listCompletedTasks(long service, Query query) {
        return list(path("services", service, "tasks", "completed"), query, Task::read);
    }

    // Extensions: update replaces all records (a Map, or a List of Maps), merge adds to the one of a single-valued extension

    public void updateServiceExtension(long service, String name, Object records) {
        send(new Call("PUT", path("services", service, "extensions", name)).body(records));
    }

    public void mergeServiceExtension(long service, String name, Map<String, ?> record) {
        send(new Call("PUT", path("services", service, "extensions", name, "merge")).body(record));
    }

    public void deleteServiceExtension(long service, String name) {
        send(new Call("DELETE", path("services", service, "extensions", name)).gone(Code.UNKNOWN_EXTENSION));
    }

    public void updateStateExtension(long service, int state, String name, Object records) {
        send(new Call("PUT", path("services", service, "states", state, "extensions", name)).body(records));
    }

    public void mergeStateExtension(long service, int state, String name, Map<String, ?> record) {
        send(new Call("PUT", path("services", service, "states", state, "extensions", name, "merge")).body(record));
    }

    public void deleteStateExtension(long service, int state, String name) {
        send(new Call("DELETE", path("services", service, "states", state, "extensions", name)).gone(Code.UNKNOWN_EXTENSION));
    }

    public void updateTaskExtension(long service, int task, String name, Object records) {
        send(new Call("PUT", path("services", service, "tasks", task, "extensions", name)).body(records));
    }

    public void mergeTaskExtension(long service, int task, String name, Map<String, ?> record) {
        send(new Call("PUT", path("services", service, "tasks", task, "extensions", name, "merge")).body(record));
    }

    public void deleteTaskExtension(long service, int task, String name) {
        send(new Call("DELETE", path("services", service, "tasks", task, "extensions", name)).gone(Code.UNKNOWN_EXTENSION));
    }

    // Metadata, as plain maps; `elements` is "services", "states" or "tasks"

    /** {@link Code#SCHEMA_EXISTS} is answered also if an attempt of this call created it and its answer was lost. */
    public void createExtensionSchema(String elements, Map<String, ?> schema) {
        send(new Call("POST", path("metadata", elements, "extensions")).body(schema));
    }

    public List<Map<String, Object>> listExtensionSchemas(String elements) {
        return objects(get(path("metadata", elements, "extensions"), Query.NONE));
    }

    public Map<String, Object> getExtensionSchema(String elements, String name) {
        return object(get(path("metadata", elements, "extensions", name), Query.NONE));
    }

    /** Deletes the schema and all of its records. */
    public void deleteExtensionSchema(String elements, String name) {
        send(new Call("DELETE", path("metadata", elements, "extensions", name)).gone(Code.UNKNOWN_EXTENSION));
    }

    public Map<String, Object> getMetadata() {
        return object(get("/metadata", Query.NONE));
    }

    public List<Map<String, Object>> listBusinessAttributes() {
        return objects(get("/metadata/business-attributes", Query.NONE));
    }

    /** The attribute that is mapped to a field such as {@code Task.disposition}; empty if there is none. */
    public List<Map<String, Object>> listBusinessAttributes(String cvAttribute) {
        return objects(get("/metadata/business-attributes", new Query().extensions().with("cv-attribute", cvAttribute)));
    }

    public Map<String, Object> getBusinessAttribute(String name) {
        return object(get(path("metadata", "business-attributes", name), Query.NONE));
    }

    public Map<String, Object> defineBusinessAttribute(String name, Map<String, ?> definition) {
        return object(Json.parse(send(new Call("PUT", path("metadata", "business-attributes", name)).body(definition)).body()));
    }

    public void removeBusinessAttribute(String name) {
        send(new Call("DELETE", path("metadata", "business-attributes", name)).gone(Code.UNKNOWN_BUSINESS_ATTRIBUTE));
    }

    // Server

    public Map<String, Object> getServerStatus() {
        return object(get("/server/status", Query.NONE));
    }

    /** {@code mode} is "production" or "maintenance". */
    public void changeServerMode(String mode) {
        send(new Call("POST", "/server/mode").body(Map.of("mode", mode)));
    }

    /** Returns if the process answers. A probe: it is not repeated. */
    public void live() {
        send(new Call("GET", "/health/live").once());
    }

    /** Returns if the service can take events. A probe: it is not repeated. */
    public void ready() {
        send(new Call("GET", "/health/ready").once());
    }

    /** Measurements in the text format of Prometheus. */
    public String metrics() {
        return send(new Call("GET", "/metrics")).body();
    }

    /** The description of the API as OpenAPI 3.1. */
    public Map<String, Object> getDocument() {
        return object(get("/openapi.json", Query.NONE));
    }

    // The core

    /** One request as an operation describes it. */
    private static final class Call {
        final String method;
        final String path;
        String body;
        String idempotencyKey;
        /** The code that answers a deletion which an earlier attempt has already done. */
        Code gone;
        boolean retry = true;

        Call(String method, String path) {
            this.method = method;
            this.path = path;
        }

        Call body(Object value) {
            body = Json.write(value);
            return this;
        }

        Call key(String value) {
            idempotencyKey = value;
            return this;
        }

        Call gone(Code code) {
            gone = code;
            return this;
        }

        Call once() {
            retry = false;
            return this;
        }
    }

    private record Reply(int status, String body, java.net.http.HttpHeaders headers) {}

    private long start(String path, String id, Event event) {
        String key = event.idempotencyKey != null ? event.idempotencyKey : newKey();
        Reply reply = send(new Call("POST", path).body(event.fields).key(key));
        return (Long) object(Json.parse(reply.body())).get(id);
    }

    private Object get(String path, Query query) {
        return Json.parse(send(new Call("GET", path + query.text())).body());
    }

    private <T> Page<T> list(String path, Query query, Function<Map<String, Object>, T> read) {
        Reply reply = send(new Call("GET", path + query.text()));
        List<T> items = objects(Json.parse(reply.body())).stream().map(read).toList();
        return new Page<>(items, cursor(reply.headers().firstValue("link").orElse("")));
    }

    private Reply send(Call call) {
        long end = System.nanoTime() + deadline.toNanos();
        boolean uncertain = false;
        for (int attempt = 1; ; attempt++) {
            RuntimeException failure;
            Duration retryAfter = Duration.ZERO;
            try {
                Reply reply = attempt(call, end - System.nanoTime());
                if (reply.status() / 100 == 2) return reply;
                Problem problem = Problem.read(reply.status(), reply.body(), reply.headers().firstValue("x-request-id"));
                if (uncertain && problem.code() == call.gone) return reply;
                if (!RETRIED.contains(problem.status())) throw problem;
                uncertain |= UNCERTAIN.contains(problem.code());
                retryAfter = retryAfter(reply.headers().firstValue("retry-after").orElse(""));
                failure = problem;
            } catch (IOException | TimeoutException cause) {
                // Without a connection, nothing can have been written.
                uncertain |= !(cause instanceof java.net.ConnectException);
                failure = new Unreachable("no answer from " + url + ": " + reason(cause), cause);
            }
            long wait = pause(attempt, retryAfter.toMillis());
            if (!call.retry || System.nanoTime() + wait * 1_000_000 >= end) throw failure;
            LOG.log(System.Logger.Level.WARNING, "{0} {1}: {2}; trying again in {3} ms",
                call.method, call.path, failure.getMessage(), wait);
            try {
                Thread.sleep(wait);
            } catch (InterruptedException interrupt) {
                throw interrupted(interrupt);
            }
        }
    }

    private Reply attempt(Call call, long remainingNanos) throws IOException, TimeoutException {
        HttpRequest.BodyPublisher body =
            call.body == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(call.body);
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + call.path)).method(call.method, body);
        request.header("Accept", "application/json");
        if (call.body != null) request.header("Content-Type", "application/json");
        if (call.idempotencyKey != null) request.header("Idempotency-Key", call.idempotencyKey);
        if (authorization != null) request.header("Authorization", authorization);
        // The timeout of a request ends with the head of its answer; this one includes the body.
        CompletableFuture<HttpResponse<String>> answer =
            http.sendAsync(request.build(), HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
        try {
            long timeout = Math.max(1_000_000, Math.min(remainingNanos, attemptTimeout.toNanos()));
            HttpResponse<String> response = answer.get(timeout, TimeUnit.NANOSECONDS);
            return new Reply(response.statusCode(), response.body(), response.headers());
        } catch (TimeoutException timeout) {
            answer.cancel(true);
            throw timeout;
        } catch (InterruptedException interrupt) {
            answer.cancel(true);
            throw interrupted(interrupt);
        } catch (ExecutionException failure) {
            if (failure.getCause() instanceof IOException broken) throw broken;
            throw new IllegalStateException(failure.getCause());
        }
    }

    private static Unreachable interrupted(InterruptedException interrupt) {
        Thread.currentThread().interrupt();
        return new Unreachable("interrupted while waiting for an answer", interrupt);
    }

    private static String reason(Exception cause) {
        return cause.getMessage() != null ? cause.getMessage() : cause.getClass().getSimpleName();
    }

    /** The wait before the next attempt, in ms: exponential with jitter, and after Retry-After rather than before it. */
    static long pause(int attempt, long retryAfter) {
        long backoff = Math.min(MAX_WAIT_MS, BASE_WAIT_MS << Math.min(attempt - 1, 16));
        ThreadLocalRandom random = ThreadLocalRandom.current();
        return retryAfter > 0 ? retryAfter + random.nextLong(Math.min(backoff, 1000)) : random.nextLong(backoff / 2, backoff + 1);
    }

    /** From seconds or a date; zero if there is neither. */
    static Duration retryAfter(String value) {
        if (value.matches("\\d{1,9}")) return Duration.ofSeconds(Long.parseLong(value));
        try {
            Duration wait = Duration.between(Instant.now(), ZonedDateTime.parse(value, DateTimeFormatter.RFC_1123_DATE_TIME));
            return wait.isNegative() ? Duration.ZERO : wait;
        } catch (DateTimeParseException none) {
            return Duration.ZERO;
        }
    }

    private static String newKey() {
        byte[] bytes = new byte[16];
        RANDOM.nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    /** The cursor in {@code <…&before=CURSOR>; rel="prev"}. */
    private static Optional<String> cursor(String link) {
        Matcher matcher = Pattern.compile("<[^>]*[?&]before=([^&>]*)[^>]*>;\\s*rel=\"prev\"").matcher(link);
        return matcher.find()
            ? Optional.of(java.net.URLDecoder.decode(matcher.group(1), StandardCharsets.UTF_8))
            : Optional.empty();
    }

    /** A path whose parts are encoded. A part that would lead to another route is refused. */
    private static String path(Object... parts) {
        StringBuilder path = new StringBuilder();
        for (Object part : parts) {
            if (part == null) throw new IllegalArgumentException("null is not an identifier");
            String text = part.toString();
            if (Set.of("", ".", "..").contains(text)) throw new IllegalArgumentException("\"" + text + "\" cannot stand in a path");
            path.append('/').append(encode(text));
        }
        return path.toString();
    }

    private static String encode(String text) {
        if (hasLoneSurrogate(text)) throw new IllegalArgumentException("\"" + text + "\" has half of a surrogate pair");
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    /** Half of a surrogate pair, which UTF-8 cannot express: Java would send a question mark. */
    private static boolean hasLoneSurrogate(String text) {
        return text.codePoints().anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
    }

    private static void move(Map<String, Object> from, Map<String, Object> to, String... names) {
        for (String name : names) if (from.containsKey(name)) to.put(name, from.remove(name));
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> object(Object json) {
        return (Map<String, Object>) json;
    }

    @SuppressWarnings("unchecked")
    private static List<Map<String, Object>> objects(Object json) {
        return (List<Map<String, Object>>) json;
    }

    // What is sent

    /**
     * The fields and extensions of an event. The service ignores fields that an event does not take. Values are strings,
     * numbers, booleans, maps, lists, {@link Instant}, {@link OffsetDateTime}, {@link ZonedDateTime} and
     * {@link LocalDate}; a time without an offset is refused.
     */
    public static final class Event {
        private final Map<String, Object> fields = new LinkedHashMap<>();
        private String idempotencyKey;

        /** Any field by its name in the API, or an extension: a Map, or a List of Maps. */
        public Event with(String name, Object value) {
            Json.write(Collections.singletonMap(name, value));
            fields.put(name, value);
            return this;
        }

        /** A key of your own for a start or a transition, which lets a restarted program repeat the call. */
        public Event idempotencyKey(String key) {
            // On the way to the service, other characters become question marks, and blanks at the ends are lost.
            if (key != null && !key.matches("[!-~]([ -~]{0,253}[!-~])?")) {
                throw new IllegalArgumentException("an idempotency key has 1 to 255 printable ASCII characters, no blanks at its ends");
            }
            idempotencyKey = key;
            return this;
        }

        public Event timestamp(OffsetDateTime value) { return with("timestamp", value); }
        public Event timestamp(Instant value) { return with("timestamp", value); }
        public Event sessionId(String value) { return with("session_id", value); }
        public Event interactionId(String value) { return with("interaction_id", value); }
        public Event applicationType(long value) { return with("application_type", value); }
        public Event applicationType(String value) { return with("application_type", value); }
        public Event applicationId(long value) { return with("application_id", value); }
        public Event resourceType(long value) { return with("resource_type", value); }
        public Event resourceType(String value) { return with("resource_type", value); }
        public Event resourceId(long value) { return with("resource_id", value); }
        public Event mediaType(long value) { return with("media_type", value); }
        public Event mediaType(String value) { return with("media_type", value); }
        public Event estDuration(Duration value) { return with("est_duration", value.toSeconds()); }
        public Event customerId(String value) { return with("customer_id", value); }
        public Event contactKey(String value) { return with("contact_key", value); }
        public Event serviceType(long value) { return with("service_type", value); }
        public Event serviceType(String value) { return with("service_type", value); }
        public Event stateType(long value) { return with("state_type", value); }
        public Event stateType(String value) { return with("state_type", value); }
        public Event taskType(long value) { return with("task_type", value); }
        public Event taskType(String value) { return with("task_type", value); }
        public Event previousStateId(int value) { return with("previous_state_id", value); }
        public Event stateId(int value) { return with("state_id", value); }
        public Event disposition(long value) { return with("disposition", value); }
        public Event disposition(String value) { return with("disposition", value); }
        public Event dispositionDesc(String value) { return with("disposition_desc", value); }
        public Event ttl(Duration value) { return with("ttl", value.toSeconds()); }
        public Event expirationTime(OffsetDateTime value) { return with("expiration_time", value); }
        public Event expirationTime(Instant value) { return with("expiration_time", value); }
        public Event autoCompleteAfter(Duration value) { return with("auto_complete_after", value.toSeconds()); }

        private Event copy() {
            Event copy = new Event();
            copy.fields.putAll(fields);
            copy.idempotencyKey = idempotencyKey;
            return copy;
        }
    }

    /** The parameters of a query. Without a choice, all extensions are read. */
    public static final class Query {
        private static final Query NONE = new Query().extensions();
        private static final Set<String> LISTS = Set.of("extensions", "service_types", "state_types", "task_types", "state_id");
        private final Map<String, List<String>> parameters = new LinkedHashMap<>(Map.of("extensions", List.of("*")));

        /** Any parameter by its name in the API; several values make a list. */
        public Query with(String name, Object... values) {
            parameters.put(name, Arrays.stream(values).map(value -> parameter(name, value)).toList());
            return this;
        }

        private static String parameter(String name, Object value) {
            if (value instanceof OffsetDateTime time) return time.toInstant().toString();
            if (value instanceof ZonedDateTime time) return time.toInstant().toString();
            boolean integer = value instanceof Long || value instanceof Integer || value instanceof Short || value instanceof BigInteger;
            if (integer || value instanceof Boolean || value instanceof Instant) return value.toString();
            if (!(value instanceof String text)) {
                String hint = value instanceof java.time.temporal.Temporal ? ": it has no time zone; use Instant or OffsetDateTime" : "";
                throw new IllegalArgumentException(name + " cannot be " + value + hint);
            }
            return LISTS.contains(name) ? item(text) : text;
        }

        /** In a list, a text that contains a comma or a quote, or begins or ends with a blank, stands in quotes. */
        private static String item(String text) {
            boolean plain = !text.isEmpty() && text.equals(text.strip()) && !text.contains(",") && !text.contains("\"");
            return plain ? text : '"' + text.replace("\"", "\"\"") + '"';
        }

        /** Names of extensions; none at all reads no extensions. */
        public Query extensions(String... names) { return with("extensions", (Object[]) names); }
        public Query activeStates() { return with("active_states", true); }
        public Query completedStates() { return with("completed_states", true); }
        public Query activeTasks() { return with("active_tasks", true); }
        public Query completedTasks() { return with("completed_tasks", true); }
        public Query serviceTypes(Object... types) { return with("service_types", types); }
        public Query stateTypes(Object... types) { return with("state_types", types); }
        public Query taskTypes(Object... types) { return with("task_types", types); }
        public Query stateId(Object... states) { return with("state_id", states); }
        public Query startedFrom(Instant time) { return with("started_from", time); }
        public Query startedTo(Instant time) { return with("started_to", time); }
        public Query completedFrom(Instant time) { return with("completed_from", time); }
        public Query completedTo(Instant time) { return with("completed_to", time); }
        public Query limit(int elements) { return with("limit", elements); }
        /** The cursor of a page, for the one before it. */
        public Query before(String cursor) { return with("before", cursor); }

        private String text() {
            List<String> pairs = new ArrayList<>();
            parameters.forEach((name, values) -> values.forEach(value -> pairs.add(encode(name) + "=" + encode(value))));
            return pairs.isEmpty() ? "" : "?" + String.join("&", pairs);
        }
    }

    // What is answered. An absent field is null, and so is a nested list that was not asked for. Business values are Long
    // or String.

    /** A list in ascending order. {@code before} is the cursor to the older elements, if any remain. */
    public record Page<T>(List<T> items, Optional<String> before) implements Iterable<T> {
        @Override
        public Iterator<T> iterator() {
            return items.iterator();
        }
    }

    /** The fields that start and end have in common. */
    public record Moment(
        Instant timestamp, String sessionId, String interactionId, Object applicationType, Long applicationId,
        Object resourceType, Long resourceId, Object mediaType) {

        private static Moment read(Map<String, Object> json) {
            if (json == null) return null;
            return new Moment(Instant.parse((String) json.get("timestamp")), (String) json.get("session_id"),
                (String) json.get("interaction_id"), json.get("application_type"), (Long) json.get("application_id"),
                json.get("resource_type"), (Long) json.get("resource_id"), json.get("media_type"));
        }
    }

    /** What services, states and tasks have in common. {@code duration} is null while the element is active. */
    public record Lifecycle(
        Moment started, Moment completed, Duration duration, Duration estDuration, Object disposition,
        String dispositionDesc, boolean autoCompleted) {

        private static Lifecycle take(Map<String, Object> json) {
            Long duration = (Long) json.remove("duration");
            Long estimate = (Long) json.remove("est_duration");
            return new Lifecycle(Moment.read(object(json.remove("started"))), Moment.read(object(json.remove("completed"))),
                duration == null ? null : Duration.ofMillis(duration), estimate == null ? null : Duration.ofSeconds(estimate),
                json.remove("disposition"), (String) json.remove("disposition_desc"),
                Boolean.TRUE.equals(json.remove("auto_completed")));
        }
    }

    /** {@code serviceId} is null where the task is nested in its service or state. */
    public record Task(
        Long serviceId, int taskId, Integer stateId, Object taskType, Lifecycle lifecycle, Map<String, Object> extensions) {

        private static Task read(Map<String, Object> json) {
            return new Task((Long) json.remove("service_id"), integer(json.remove("task_id")), integer(json.remove("state_id")),
                json.remove("task_type"), Lifecycle.take(json), Collections.unmodifiableMap(json));
        }
    }

    /** {@code serviceId} is null where the state is nested in its service; nested lists are null unless asked for. */
    public record State(
        Long serviceId, int stateId, Integer previousStateId, Object stateType, Lifecycle lifecycle,
        List<Task> activeTasks, List<Task> completedTasks, Map<String, Object> extensions) {

        private static State read(Map<String, Object> json) {
            return new State((Long) json.remove("service_id"), integer(json.remove("state_id")),
                integer(json.remove("previous_state_id")), json.remove("state_type"), Lifecycle.take(json),
                nested(json.remove("active_tasks"), Task::read), nested(json.remove("completed_tasks"), Task::read),
                Collections.unmodifiableMap(json));
        }
    }

    /** Nested lists are null unless asked for. */
    public record Service(
        long serviceId, String customerId, String contactKey, Object serviceType, Lifecycle lifecycle,
        List<State> activeStates, List<State> completedStates, List<Task> activeTasks, List<Task> completedTasks,
        Map<String, Object> extensions) {

        private static Service read(Map<String, Object> json) {
            return new Service((Long) json.remove("service_id"), (String) json.remove("customer_id"),
                (String) json.remove("contact_key"), json.remove("service_type"), Lifecycle.take(json),
                nested(json.remove("active_states"), State::read), nested(json.remove("completed_states"), State::read),
                nested(json.remove("active_tasks"), Task::read), nested(json.remove("completed_tasks"), Task::read),
                Collections.unmodifiableMap(json));
        }
    }

    private static Integer integer(Object value) {
        return value == null ? null : Math.toIntExact((Long) value);
    }

    private static <T> List<T> nested(Object json, Function<Map<String, Object>, T> read) {
        return json == null ? null : objects(json).stream().map(read).toList();
    }

    // What is thrown

    /** The codes of problems. {@code UNKNOWN} is an answer that is not a problem of the service, or a newer code. */
    public enum Code {
        INVALID_JSON, INVALID_ID, INVALID_EVENT, INVALID_QUERY, INVALID_SCHEMA, UNAUTHENTICATED, FORBIDDEN, UNKNOWN_SERVICE,
        UNKNOWN_STATE, UNKNOWN_TASK, UNKNOWN_EXTENSION, UNKNOWN_BUSINESS_ATTRIBUTE, NOT_FOUND, METHOD_NOT_ALLOWED,
        REQUEST_TIMEOUT, ALREADY_COMPLETED, STATE_MISMATCH, SCHEMA_EXISTS, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE,
        IDEMPOTENCY_MISMATCH, RATE_LIMITED, INTERNAL, OVERLOADED, MAINTENANCE, DATABASE_UNAVAILABLE, UNKNOWN;

        private static Code read(Object code) {
            for (Code one : values()) if (one.name().toLowerCase(java.util.Locale.ROOT).equals(code)) return one;
            return UNKNOWN;
        }
    }

    /** What is wrong at one place: a JSON pointer in the body, or a query parameter. The other of the two is null. */
    public record Violation(String pointer, String parameter, String detail) {}

    /** An error answer of the service. */
    public static final class Problem extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final int status;
        private final Code code;
        private final String detail;
        private final transient List<Violation> errors;
        private final String requestId;

        private Problem(int status, Code code, String detail, List<Violation> errors, String requestId) {
            super(status + " " + code + ": " + detail + (errors.isEmpty() ? "" : " " + errors));
            this.status = status;
            this.code = code;
            this.detail = detail;
            this.errors = errors;
            this.requestId = requestId;
        }

        private static Problem read(int status, String body, Optional<String> requestId) {
            Map<String, Object> json = Map.of();
            try {
                if (Json.parse(body) instanceof Map<?, ?> map) json = object(map);
            } catch (IllegalArgumentException notJson) {
                // Something between the client and the service answered.
            }
            List<Violation> errors = objects(json.getOrDefault("errors", List.of())).stream()
                .map(e -> new Violation((String) e.get("pointer"), (String) e.get("parameter"), (String) e.get("detail")))
                .toList();
            String detail = json.get("detail") instanceof String text ? text : "an answer without a problem";
            return new Problem(status, Code.read(json.get("code")), detail, errors, requestId.orElse(null));
        }

        public int status() { return status; }
        public Code code() { return code; }
        public String detail() { return detail; }
        public List<Violation> errors() { return errors; }
        /** The {@code X-Request-Id}, by which the operator finds the request in the log; null if there was none. */
        public String requestId() { return requestId; }
    }

    /**
     * No answer arrived before the deadline, or the thread was interrupted, which then stays interrupted. The event may or
     * may not have been written; the cause is the last failure.
     */
    public static final class Unreachable extends RuntimeException {
        private static final long serialVersionUID = 1;

        private Unreachable(String message, Exception cause) {
            super(message, cause);
        }
    }

    // JSON: objects are Map, arrays List, integers Long (BigInteger where they do not fit), other numbers BigDecimal

    static final class Json {
        private final String text;
        private int at;

        private Json(String text) {
            this.text = text;
        }

        static Object parse(String text) {
            Json json = new Json(text);
            Object value = json.value();
            json.space();
            if (json.at < text.length()) throw json.malformed();
            return value;
        }

        /** Refuses what JSON cannot express, with its JSON pointer. */
        static String write(Object value) {
            StringBuilder out = new StringBuilder();
            write(value, "", out);
            return out.toString();
        }

        private static void write(Object value, String at, StringBuilder out) {
            if (value == null || value instanceof Boolean || value instanceof Long || value instanceof Integer
                || value instanceof Short || value instanceof Byte || value instanceof BigInteger || value instanceof BigDecimal) {
                out.append(value);
            } else if (value instanceof Double || value instanceof Float) {
                if (!Double.isFinite(((Number) value).doubleValue())) throw unsendable(at, value + " is not a number of JSON");
                out.append(value);
            } else if (value instanceof CharSequence || value instanceof LocalDate || value instanceof Instant) {
                writeText(value.toString(), at, out);
            } else if (value instanceof OffsetDateTime time) {
                writeText(time.toInstant().toString(), at, out);
            } else if (value instanceof ZonedDateTime time) {
                writeText(time.toInstant().toString(), at, out);
            } else if (value instanceof Map<?, ?> map) {
                writeMembers(map, at, out);
            } else if (value instanceof Set<?> && !(value instanceof java.util.SortedSet || value instanceof java.util.LinkedHashSet)) {
                throw unsendable(at, "a Set without an order cannot be sent, because its repeat would differ: use a List");
            } else if (value instanceof Collection<?> items) {
                writeItems(items, at, out);
            } else {
                String hint = value instanceof java.time.temporal.Temporal
                    ? "it has no time zone; use Instant or OffsetDateTime" : "use maps, lists, strings, numbers and booleans";
                throw unsendable(at, "a " + value.getClass().getSimpleName() + " cannot be sent: " + hint);
            }
        }

        private static void writeMembers(Map<?, ?> map, String at, StringBuilder out) {
            out.append('{');
            String separator = "";
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                if (!(entry.getKey() instanceof String name)) throw unsendable(at, "the key " + entry.getKey() + " is not a text");
                String within = at + "/" + name.replace("~", "~0").replace("/", "~1");
                out.append(separator);
                writeText(name, within, out);
                write(entry.getValue(), within, out.append(':'));
                separator = ",";
            }
            out.append('}');
        }

        private static void writeItems(Collection<?> items, String at, StringBuilder out) {
            out.append('[');
            int i = 0;
            for (Object item : items) {
                if (i > 0) out.append(',');
                write(item, at + "/" + i++, out);
            }
            out.append(']');
        }

        private static void writeText(String text, String at, StringBuilder out) {
            if (hasLoneSurrogate(text)) throw unsendable(at, "a text with half of a surrogate pair cannot be sent");
            out.append('"');
            for (int i = 0; i < text.length(); i++) {
                char c = text.charAt(i);
                if (c == '"' || c == '\\') out.append('\\').append(c);
                else if (c < ' ') out.append(String.format("\\u%04x", (int) c));
                else out.append(c);
            }
            out.append('"');
        }

        private static IllegalArgumentException unsendable(String at, String why) {
            return new IllegalArgumentException((at.isEmpty() ? "the body" : at) + ": " + why);
        }

        private Object value() {
            space();
            switch (peek()) {
                case '{': return members();
                case '[': return items();
                case '"': return string();
                case 't': return word("true", true);
                case 'f': return word("false", false);
                case 'n': return word("null", null);
                default: return number();
            }
        }

        private Map<String, Object> members() {
            Map<String, Object> members = new LinkedHashMap<>();
            at++;
            for (space(); peek() != '}'; space()) {
                if (!members.isEmpty()) expect(',');
                space();
                String name = string();
                space();
                expect(':');
                members.put(name, value());
            }
            at++;
            return members;
        }

        private List<Object> items() {
            List<Object> items = new ArrayList<>();
            at++;
            for (space(); peek() != ']'; space()) {
                if (!items.isEmpty()) expect(',');
                items.add(value());
            }
            at++;
            return items;
        }

        private String string() {
            expect('"');
            StringBuilder out = new StringBuilder();
            while (peek() != '"') {
                char c = text.charAt(at++);
                if (c != '\\') {
                    out.append(c);
                    continue;
                }
                char escaped = peek();
                at++;
                int simple = "bfnrt".indexOf(escaped);
                if (escaped == 'u') {
                    if (at + 4 > text.length()) throw malformed();
                    out.append((char) Integer.parseInt(text.substring(at, at += 4), 16));
                } else {
                    out.append(simple >= 0 ? "\b\f\n\r\t".charAt(simple) : escaped);
                }
            }
            at++;
            return out.toString();
        }

        private Number number() {
            int from = at;
            while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
            String digits = text.substring(from, at);
            if (!digits.matches("-?\\d+")) return new BigDecimal(digits);
            BigInteger integer = new BigInteger(digits);
            return integer.bitLength() < 64 ? (Number) integer.longValue() : integer;
        }

        private Object word(String word, Object value) {
            if (!text.startsWith(word, at)) throw malformed();
            at += word.length();
            return value;
        }

        private void space() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
        }

        private char peek() {
            if (at >= text.length()) throw malformed();
            return text.charAt(at);
        }

        private void expect(char c) {
            if (peek() != c) throw malformed();
            at++;
        }

        private IllegalArgumentException malformed() {
            return new IllegalArgumentException("malformed JSON at character " + at);
        }
    }
}
