package interop;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Runs named cases against a name server and its brokers; a line each, and a non-zero exit if one failed.
 * <pre>Runner --namesrv ip:port [--client java5] [--group clients|mqadmin|alone|restart|mixed] [--only CASE[,CASE]] [--threads N] [--list]</pre>
 */
public final class Runner {
    private static final AtomicInteger FAILED = new AtomicInteger();

    private Runner() {
    }

    public static void main(String[] args) throws Exception {
        String namesrv = "127.0.0.1:9876";
        String client = "java";
        String group = "clients";
        List<String> only = List.of();
        int threads = 8;
        boolean list = false;
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "--namesrv" -> namesrv = args[++i];
                case "--client" -> client = args[++i];
                case "--group" -> group = args[++i];
                case "--only" -> only = List.of(args[++i].split(","));
                case "--threads" -> threads = Integer.parseInt(args[++i]);
                case "--list" -> list = true;
                default -> throw new IllegalArgumentException("unknown argument " + args[i]);
            }
        }
        Run run = new Run(namesrv, client);
        List<Cases.Case> chosen = new ArrayList<>();
        for (Cases.Case c : Cases.every().all) {
            if (list) {
                run.out.println(c.group() + " " + c.name());
            } else if (c.group().equals(group) && (only.isEmpty() || only.contains(c.name()))) {
                chosen.add(c);
            }
        }
        // Most cases of the other groups touch the whole broker; the two clusters of the mixed ones know nothing of each other.
        int width = switch (group) {
            case "clients", "mqadmin" -> threads;
            case "mixed" -> 2;
            default -> 1;
        };
        ExecutorService pool = Executors.newFixedThreadPool(width);
        List<Future<?>> ends = new ArrayList<>();
        for (Cases.Case c : chosen) {
            ends.add(pool.submit(() -> one(run, c)));
        }
        for (Future<?> end : ends) {
            end.get();
        }
        run.out.flush();
        // Client threads of Apache's that outlive their shutdown do not hold the process.
        Runtime.getRuntime().halt(FAILED.get() == 0 ? 0 : 1);
    }

    private static void one(Run run, Cases.Case c) {
        long start = System.nanoTime();
        Throwable failure = null;
        try (Scope scope = new Scope(run, c.name())) {
            c.body().run(scope);
        } catch (Throwable e) {
            failure = e;
        }
        String what = String.format(Locale.ROOT, "%s %s (%.1f s)", run.client, c.name(), (System.nanoTime() - start) / 1e9);
        synchronized (run.out) {
            if (failure == null) {
                run.out.println("PASS " + what);
            } else if (failure instanceof Check.Skipped) {
                run.out.println("SKIP " + what + ": " + failure.getMessage());
            } else {
                FAILED.incrementAndGet();
                run.out.println("FAIL " + what + ": " + (failure instanceof Check.Failed ? failure.getMessage() : failure.toString()));
                StringWriter trace = new StringWriter();
                failure.printStackTrace(new PrintWriter(trace));
                trace.toString().lines().limit(25).forEach(line -> run.out.println("     " + line));
            }
            run.out.flush();
        }
    }
}
