package interop;

import java.io.BufferedOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Writes every message of a topic, up to the end of each queue as it is at the start, into a file a queue: {@code DIR/queue-N} has the bodies, a
 * line each, in the order of their first occurrence; {@code DIR/queue-N.ids} their unique keys. A body sent twice under one unique key is
 * written once.
 * <pre>LinesConsume --namesrv ip:port --topic T --out DIR</pre>
 * Prints {@code done: N messages, D duplicates}.
 */
public final class LinesConsume {
    private LinesConsume() {
    }

    public static void main(String[] args) throws Exception {
        Options o = new Options(args, "namesrv", "topic", "out");
        int exit = 0;
        try (Scope scope = new Scope(new Run(o.text("namesrv"), "lines"), "consume")) {
            consume(scope, o.text("topic"), Path.of(o.text("out")));
        } catch (Check.Failed e) {
            System.err.println(e.getMessage());
            exit = 1;
        }
        System.out.flush();
        Runtime.getRuntime().halt(exit);
    }

    static void consume(Scope scope, String topic, Path out) throws Exception {
        Files.createDirectories(out);
        List<MessageQueue> queues = scope.queues(topic);
        ExecutorService pool = Executors.newFixedThreadPool(queues.size());
        List<Future<long[]>> ends = new ArrayList<>();
        for (MessageQueue queue : queues) {
            ends.add(pool.submit(() -> queue(scope, queue, out)));
        }
        pool.shutdown();
        long messages = 0;
        long duplicates = 0;
        for (Future<long[]> end : ends) {
            messages += end.get()[0];
            duplicates += end.get()[1];
        }
        System.out.println("done: " + messages + " messages, " + duplicates + " duplicates");
    }

    private static long[] queue(Scope scope, MessageQueue queue, Path out) throws Exception {
        long offset = scope.reader().minOffset(queue);
        long end = scope.reader().maxOffset(queue);
        long messages = 0;
        long duplicates = 0;
        Set<String> ids = new HashSet<>();
        Path file = out.resolve("queue-" + queue.getQueueId());
        try (OutputStream bodies = new BufferedOutputStream(Files.newOutputStream(file));
            OutputStream keys = new BufferedOutputStream(Files.newOutputStream(Path.of(file + ".ids")))) {
            while (offset < end) {
                PullResult r = scope.reader().pull(queue, "*", offset, 32);
                Check.that(r.getPullStatus() == PullStatus.FOUND, queue + ": at " + offset + " of " + end + " " + r.getPullStatus());
                for (MessageExt m : r.getMsgFoundList()) {
                    Check.same(offset, m.getQueueOffset(), "queue offset in " + queue);
                    offset++;
                    if (ids.add(m.getMsgId())) {
                        // An empty body, as a buried message has, is null to this client.
                        if (m.getBody() != null) {
                            bodies.write(m.getBody());
                        }
                        bodies.write('\n');
                        keys.write(Text.bytes(m.getMsgId() + "\n"));
                        messages++;
                    } else {
                        duplicates++;
                    }
                }
            }
        }
        return new long[] {messages, duplicates};
    }
}
