package interop;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Sends every line of a file, ordered by its first field: the lines of a queue go one after the other, each only when the one before is
 * acknowledged, so that order holds whatever fails between; the queues go side by side. A line that fails is sent again, with the same
 * unique key, until {@code --patience} seconds have passed.
 * <pre>LinesProduce --namesrv ip:port --topic T --file F [--queues 8] [--batch 1] [--patience 120]</pre>
 * Creates the topic. Prints {@code acked N} once a second, and at the end {@code done: sent N lines in S s, E empty lines skipped, R resends};
 * an empty line is no message to a RocketMQ client, which refuses it.
 */
public final class LinesProduce {
    private final DefaultMQProducer producer;
    private final AtomicLong acked = new AtomicLong();
    private final AtomicLong resends = new AtomicLong();
    private final long patienceMillis;
    private final int batch;

    private LinesProduce(DefaultMQProducer producer, long patienceMillis, int batch) {
        this.producer = producer;
        this.patienceMillis = patienceMillis;
        this.batch = batch;
    }

    public static void main(String[] args) throws Exception {
        Options o = new Options(args, "namesrv", "topic", "file", "queues", "batch", "patience");
        int exit = 0;
        try (Scope scope = new Scope(new Run(o.text("namesrv"), "lines"), "produce")) {
            produce(scope, o.text("topic"), Path.of(o.text("file")), o.number("queues", 8), o.number("batch", 1), o.number("patience", 120));
        } catch (Check.Failed e) {
            System.err.println(e.getMessage());
            exit = 1;
        }
        System.out.flush();
        Runtime.getRuntime().halt(exit);
    }

    static void produce(Scope scope, String topic, Path file, int count, int batch, int patience) throws Exception {
        long start = System.nanoTime();
        DefaultMQProducer producer = scope.producer(p -> p.setSendMsgTimeout(5000));
        Compat.createTopic(producer, topic, count);
        Check.await(20, () -> producer.fetchPublishMessageQueues(topic).size() == count, () -> "topic " + topic + " has not " + count + " queues");
        List<MessageQueue> queues = new ArrayList<>(producer.fetchPublishMessageQueues(topic));
        queues.sort(Comparator.naturalOrder());

        List<List<byte[]>> byQueue = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            byQueue.add(new ArrayList<>());
        }
        long empty = 0;
        for (byte[] line : Lines.of(file)) {
            if (line.length == 0) {
                empty++;
            } else {
                byQueue.get(Lines.queue(line, count)).add(line);
            }
        }

        LinesProduce work = new LinesProduce(producer, patience * 1000L, batch);
        ExecutorService pool = Executors.newFixedThreadPool(count);
        List<Future<?>> ends = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            MessageQueue queue = queues.get(i);
            List<byte[]> lines = byQueue.get(i);
            ends.add(pool.submit(() -> {
                work.queue(topic, queue, lines);
                return null;
            }));
        }
        pool.shutdown();
        while (!pool.awaitTermination(1, java.util.concurrent.TimeUnit.SECONDS)) {
            System.out.println("acked " + work.acked.get());
        }
        for (Future<?> end : ends) {
            try {
                end.get();
            } catch (java.util.concurrent.ExecutionException e) {
                throw e.getCause() instanceof Exception ex ? ex : e;
            }
        }
        System.out.printf(java.util.Locale.ROOT, "done: sent %d lines in %.1f s, %d empty lines skipped, %d resends%n",
            work.acked.get(), (System.nanoTime() - start) / 1e9, empty, work.resends.get());
    }

    private void queue(String topic, MessageQueue queue, List<byte[]> lines) throws Exception {
        for (int i = 0; i < lines.size(); i += batch) {
            List<Message> messages = new ArrayList<>();
            for (byte[] line : lines.subList(i, Math.min(i + batch, lines.size()))) {
                messages.add(new Message(topic, line));
            }
            send(queue, messages);
            acked.addAndGet(messages.size());
        }
    }

    private void send(MessageQueue queue, List<Message> messages) throws Exception {
        long giveUp = System.currentTimeMillis() + patienceMillis;
        String last;
        do {
            try {
                SendResult r = batch == 1
                    ? producer.send(messages.get(0), (queues, m, wanted) -> (MessageQueue) wanted, queue)
                    : producer.send(messages, queue);
                if (r.getSendStatus() == SendStatus.SEND_OK) {
                    return;
                }
                last = r.toString();
            } catch (InterruptedException e) {
                throw e;
            } catch (Exception e) {
                last = e.toString();
            }
            resends.addAndGet(messages.size());
            Thread.sleep(50);
        } while (System.currentTimeMillis() < giveUp);
        throw new Check.Failed("gave up on " + queue + " after " + patienceMillis / 1000 + " s: " + last);
    }
}
