import contextservices.ContextServices;
import contextservices.ContextServices.Event;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Runs stories until the time is over and prints the customer of each one that was acknowledged in full. */
class Scenario {
    public static void main(String[] arguments) throws Exception {
        var cs = new ContextServices(arguments[0]);
        int workers = Integer.parseInt(arguments[1]);
        Instant end = Instant.now().plusMillis((long) (Double.parseDouble(arguments[2]) * 1000));
        ExecutorService pool = Executors.newFixedThreadPool(workers);
        List<Future<?>> results = new ArrayList<>();
        for (int i = 0; i < workers; i++) {
            int number = i;
            results.add(pool.submit(() -> worker(cs, number, end)));
        }
        pool.shutdown();
        for (Future<?> result : results) result.get();
    }

    private static void worker(ContextServices cs, int number, Instant end) {
        for (int i = 0; Instant.now().isBefore(end); i++) {
            String customer = "java-" + number + "-" + i;
            story(cs, customer);
            System.out.println(customer);
        }
    }

    private static void story(ContextServices cs, String customer) {
        long service = cs.startService(
            new Event().customerId(customer).serviceType("book a hotel").with("Profile", Map.of("level", "gold")));
        int first = cs.startState(service, new Event().stateType("payment"));
        int state = cs.transitionState(service, first, new Event().stateType("survey"));
        int task = cs.startTask(service, new Event().taskType("survey").stateId(state));
        cs.completeTask(service, task, new Event()
            .stateId(state).disposition(10).dispositionDesc("SUCCESS").timestamp(Instant.now())
            .with("Survey", Map.of("url", "http://ourServer/storage/userAnswers", "question1", 7, "question2", true))
            .with("Proposal", List.of(Map.of("car type", "cabriolet", "price", 25000), Map.of("car type", "S.U.V."))));
        cs.completeState(service, state, new Event().disposition(10));
        cs.completeService(service, new Event().disposition(10));
        Map<String, Object> extensions = cs.getTask(service, task).extensions();
        var services = cs.listServices(customer).items();
        boolean whole = extensions.get("Survey") instanceof Map<?, ?> survey && Long.valueOf(7).equals(survey.get("question1"))
            && extensions.get("Proposal") instanceof List<?> proposals && proposals.size() == 2;
        if (!whole) throw new IllegalStateException("extensions are missing: " + customer);
        if (services.size() != 1 || !services.get(0).extensions().equals(Map.of("Profile", Map.of("level", "gold")))) {
            throw new IllegalStateException("not one service: " + customer);
        }
    }
}
