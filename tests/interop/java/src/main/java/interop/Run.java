package interop;

import java.io.File;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.TimeUnit;

/** One run of the cases: where the servers are, and how to start and stop some. */
final class Run {
    final String namesrv;
    final String client;
    final String id;
    /** The real standard output; mqadmin cases catch what tools print. */
    final PrintStream out = System.out;
    /** For cases that start or kill servers: the script of the broker under test, its directory, a directory for more. */
    final File peer = file("INTEROP_PEER");
    final File peerDir = file("INTEROP_PEER_DIR");
    final File apache = file("INTEROP_APACHE");
    final File work = file("INTEROP_WORK");
    private final Deque<Integer> ports = new ConcurrentLinkedDeque<>();

    Run(String namesrv, String client) {
        this.namesrv = namesrv;
        this.client = client;
        this.id = "it" + Long.toString(System.currentTimeMillis() % 100_000_000, 36) + "_" + client;
        String given = System.getenv("INTEROP_PORTS");
        if (given != null && !given.isBlank()) {
            Arrays.stream(given.trim().split("\\s+")).map(Integer::valueOf).forEach(ports::add);
        }
    }

    private static File file(String variable) {
        String value = System.getenv(variable);
        return value == null || value.isBlank() ? null : new File(value);
    }

    /** A free port; the one two below it and the one above it are free too. */
    int port() {
        Integer port = ports.poll();
        if (port == null) {
            throw new Check.Skipped("INTEROP_PORTS names no more free ports; run by run.sh");
        }
        return port;
    }

    void note(String line) {
        synchronized (out) {
            out.println("     " + line);
        }
    }

    /** Runs one of the scripts of ../peers. */
    void control(File script, Object... arguments) throws Exception {
        if (script == null) {
            throw new Check.Skipped("no server script given; run by run.sh");
        }
        List<String> command = new ArrayList<>(List.of(script.getPath()));
        for (Object a : arguments) {
            command.add(a.toString());
        }
        File log = File.createTempFile("control", ".log", work);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log).start();
        if (!process.waitFor(120, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new Check.Failed(String.join(" ", command) + " took more than 120 s");
        }
        String said = java.nio.file.Files.readString(log.toPath());
        Check.that(process.exitValue() == 0, String.join(" ", command) + " ended with " + process.exitValue() + ": " + said);
    }
}
