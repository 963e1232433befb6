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

    /** A 5.x client begins with a name server at random; when that is dead, its start or first send fails, and it goes on to the next. */
    private static <T> T again(Callable<T> call) throws Exception {
        for (int attempt = 1; ; attempt++) {
            try {
                return call.call();
            } catch (IllegalStateException e) {
                if (attempt == 20) {
                    throw e;
                }
            }
        }
    }
}
