// Load for a real Kafka by its own client library, printed as `mainstem bench --json` prints its result:
//
//   java -cp 'JARS/*' KafkaLoad.java BROKER key=value...
//     topic=load topics=1 partitions=4 create=false count=300000 size=1024 producers=4 window=64 rate=0 warm=50000, the rest are producer settings
//
// `window` bounds the records that each producer has under way; 0 leaves that to the producer's own memory. With `rate` the loop is open:
// latency counts from the intended time of the send, not from when a late sender came to it. The first `warm` records warm the client up and
// are not in the result.
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;

public class KafkaLoad {
    static int number(Properties settings, String key, int otherwise) {
        Object value = settings.remove(key);
        return value == null ? otherwise : Integer.parseInt((String) value);
    }

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        for (int i = 1; i < arguments.length; i++) {
            String[] parts = arguments[i].split("=", 2);
            settings.put(parts[0], parts[1]);
        }
        String prefix = (String) settings.getOrDefault("topic", "load");
        settings.remove("topic");
        int topics = number(settings, "topics", 1), partitions = number(settings, "partitions", 4), count = number(settings, "count", 300_000);
        int size = number(settings, "size", 1024), producers = number(settings, "producers", 4), window = number(settings, "window", 64);
        int rate = number(settings, "rate", 0), warm = number(settings, "warm", 50_000);
        boolean create = "true".equals(settings.remove("create"));
        settings.put("bootstrap.servers", arguments[0]);
        settings.putIfAbsent("acks", "1");
        settings.putIfAbsent("linger.ms", "0");
        settings.putIfAbsent("enable.idempotence", "false");
        settings.putIfAbsent("max.in.flight.requests.per.connection", "64");
        settings.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        String[] names = new String[topics];
        for (int i = 0; i < topics; i++) names[i] = topics == 1 ? prefix : prefix + "-" + i;
        if (create) createTopics(arguments[0], names, partitions);

        int before = Math.min(warm, count);
        if (before > 0) run(settings, names, before, size, producers, window, 0);
        long start = System.nanoTime();
        int[] sorted = run(settings, names, count, size, producers, window, rate);
        double seconds = (System.nanoTime() - start) / 1e9;
        System.out.printf(Locale.ROOT, "{%n  \"messages\": %d,%n  \"sent\": %d,%n  \"bytes\": %d,%n  \"seconds\": %.6f,%n  \"latency\": {%n    \"p50_us\": %d,%n"
            + "    \"p99_us\": %d,%n    \"p99_9_us\": %d,%n    \"p99_99_us\": %d,%n    \"max_us\": %d%n  }%n}%n", sorted.length, sorted.length + before,
            (long) sorted.length * size, seconds, at(sorted, 0.5), at(sorted, 0.99), at(sorted, 0.999), at(sorted, 0.9999), at(sorted, 1));
    }

    // Sends and waits for every answer; the latencies in microseconds, sorted.
    static int[] run(Properties settings, String[] names, int count, int size, int producers, int window, int rate) throws Exception {
        int perProducer = count / producers;
        int[] latencies = new int[perProducer * producers];
        AtomicInteger done = new AtomicInteger();
        AtomicReference<Exception> failure = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (int p = 0; p < producers; p++) {
            int number = p;
            Thread thread = new Thread(() -> {
                try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
                    byte[] body = new byte[size];
                    Arrays.fill(body, (byte) 'k');
                    Semaphore free = new Semaphore(window == 0 ? Integer.MAX_VALUE : window);
                    long interval = rate == 0 ? 0 : 1_000_000_000L * producers / rate;
                    long due = System.nanoTime();
                    for (int i = 0; i < perProducer; i++) {
                        if (rate > 0) {
                            due += interval;
                            for (long left; (left = due - System.nanoTime()) > 0; ) LockSupport.parkNanos(left);
                        }
                        free.acquire();
                        long from = rate > 0 ? due : System.nanoTime();
                        producer.send(new ProducerRecord<>(names[(number + i * producers) % names.length], body), (metadata, problem) -> {
                            if (problem != null) failure.compareAndSet(null, problem);
                            else latencies[done.getAndIncrement()] = (int) Math.min(Integer.MAX_VALUE, (System.nanoTime() - from) / 1000);
                            free.release();
                        });
                    }
                } catch (Exception e) {
                    failure.compareAndSet(null, e);
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) thread.join();
        if (failure.get() != null) {
            System.err.println("the load failed: " + failure.get());
            System.exit(1);
        }
        int[] sorted = Arrays.copyOf(latencies, done.get());
        Arrays.sort(sorted);
        return sorted;
    }

    static int at(int[] sorted, double part) {
        return sorted.length == 0 ? 0 : sorted[Math.min(sorted.length - 1, (int) Math.ceil(sorted.length * part) - 1)];
    }

    // A few hundred at a time: more in one request time out.
    static void createTopics(String broker, String[] names, int partitions) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            for (int from = 0; from < names.length; from += 200) {
                List<NewTopic> some = new ArrayList<>();
                for (int i = from; i < Math.min(names.length, from + 200); i++) some.add(new NewTopic(names[i], partitions, (short) 1));
                admin.createTopics(some).all().get(2, TimeUnit.MINUTES);
            }
        }
    }
}
