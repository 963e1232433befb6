package interop;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.Callable;

/** Lists of several name servers, of which one is dead. */
final class NameServerCases {
    private NameServerCases() {
    }

    static void register(Cases cases) {
        cases.add("namesrv-dead-first", s -> withDead(s, true));
        cases.add("namesrv-dead-last", s -> withDead(s, false));
    }

    private static void withDead(Scope s, boolean first) throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        String dead = "127.0.0.1:" + port;
        String list = first ? dead + ";" + s.namesrv : s.namesrv + ";" + dead;
        String topic = s.newTopic("t", 2);
        try (Scope other = new Scope(s.run, s.name, list)) {
            Received received = again(() -> other.gather(s.unique("g"), topic, "*", c -> { }));
            again(() -> other.send(topic, "x", 0, 1));
            other.send(topic, "x", 1, 19);
            received.awaitNumbers(40, Text.range(0, 20));
        }
    }

    /** The 5.x client tries its name servers in turn, but the call during which it meets a dead one fails. */
    private static <T> T again(Callable<T> call) throws Exception {
        for (int attempt = 1; ; attempt++) {
            try {
                return call.call();
            } catch (IllegalStateException e) {
                if (attempt == 6) {
                    throw e;
                }
            }
        }
    }
}
