package interop;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The broker is killed while a producer sends and a consumer consumes, and comes back on the same data. */
final class RestartCase {
    private RestartCase() {
    }

    static void register(Cases cases) {
        cases.add("restart", "restart-kill9", s -> restart(s, "crash"));
        cases.add("restart", "restart-clean", s -> restart(s, "stop"));
    }

    private static void restart(Scope s, String how) throws Exception {
        String topic = s.newTopic("t", 4);
        // Without the client's own retries, so that nothing but this loop may repeat a message.
        DefaultMQProducer producer = s.producer(p -> {
            p.setProducerGroup(s.unique("restart"));
            p.setRetryTimesWhenSendFailed(0);
            p.setSendMsgTimeout(3000);
        });
        Received consumer = s.gather(s.unique("g"), topic, "*", c -> { });
        Set<Integer> acked = java.util.Collections.synchronizedSet(new TreeSet<>());
        AtomicBoolean enough = new AtomicBoolean();
        AtomicReference<Throwable> broken = new AtomicReference<>();
        Thread sending = new Thread(() -> {
            try {
                for (int i = 0; !enough.get(); i++) {
                    Message m = new Message(topic, "x", "r" + i, Text.bytes(Integer.toString(i)));
                    while (!enough.get()) {
                        try {
                            SendResult r = producer.send(m, (queues, message, n) -> queues.get((Integer) n % queues.size()), i);
                            if (r.getSendStatus() == SendStatus.SEND_OK) {
                                acked.add(i);
                                break;
                            }
                        } catch (InterruptedException e) {
                            throw e;
                        } catch (Exception e) {
                            Thread.sleep(20);
                        }
                    }
                }
            } catch (Throwable e) {
                broken.set(e);
            }
        });
        sending.start();
        Check.await(30, () -> acked.size() >= 300 && consumer.size() > 0, () -> "acknowledged: " + acked.size() + ", consumed: " + consumer.size());
        s.run.control(s.run.peer, how, s.run.peerDir);
        int before = acked.size();
        s.run.control(s.run.peer, "again", s.run.peerDir);
        Check.await(60, () -> acked.size() >= before + 300, () -> "acknowledged before: " + before + ", now: " + acked.size());
        enough.set(true);
        sending.join(20_000);
        Check.that(broken.get() == null, "the producer ended: " + broken.get());
        Set<Integer> expected = new TreeSet<>(acked);
        // The name server may know the topic again only after the broker's next full registration.
        Check.await(40, () -> s.queues(topic).size() == 4, () -> "no route of " + topic + " after the restart");
        List<MessageExt> stored = new ArrayList<>();
        for (MessageQueue queue : s.queues(topic)) {
            int last = -1;
            Set<Integer> seen = new HashSet<>();
            for (MessageExt m : s.stored(queue)) {
                int i = Text.number(m);
                if (seen.add(i)) {
                    Check.that(i > last, queue + ": " + i + " first stands behind " + last);
                    last = i;
                }
                stored.add(m);
            }
        }
        Set<Integer> missing = new TreeSet<>(expected);
        missing.removeAll(Text.numbers(stored));
        Check.that(missing.isEmpty(), missing.size() + " acknowledged messages are lost: " + missing);
        consumer.awaitNumbers(60, expected);
    }
}
