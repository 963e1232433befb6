package interop;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What a push consumer has got so far. */
final class Received {
    private final List<MessageExt> messages = Collections.synchronizedList(new ArrayList<>());
    DefaultMQPushConsumer consumer;

    void add(MessageExt message) {
        messages.add(message);
    }

    int size() {
        return messages.size();
    }

    List<MessageExt> list() {
        synchronized (messages) {
            return new ArrayList<>(messages);
        }
    }

    Set<Integer> numbers() {
        return Text.numbers(list());
    }

    /**
     * Checks that {@code expected} different messages have come, and none of them twice. What the producer itself sent twice, after a
     * time-out on a busy machine, has one unique key and two places.
     */
    void once(int expected) {
        Set<String> places = new TreeSet<>();
        Set<String> ids = new TreeSet<>();
        for (MessageExt m : list()) {
            String place = m.getBrokerName() + " queue " + m.getQueueId() + " offset " + m.getQueueOffset();
            Check.that(places.add(place), "delivered twice: " + place + ": " + Text.of(m));
            ids.add(m.getMsgId());
        }
        Check.same(expected, ids.size(), "different messages received");
    }

    /** Waits until every number of {@code expected} has come. */
    void awaitNumbers(int seconds, Set<Integer> expected) throws Exception {
        Check.await(seconds, () -> size() >= expected.size() && numbers().containsAll(expected), () -> {
            Set<Integer> missing = new TreeSet<>(expected);
            missing.removeAll(numbers());
            return missing.size() + " of " + expected.size() + " messages have not come, the first " + missing.stream().findFirst()
                + "; queues held: " + assigned().size();
        });
    }

    /** The queues of {@code topic} that the client works on now. */
    Set<MessageQueue> assigned(String topic) {
        return assigned().stream().filter(q -> q.getTopic().equals(topic)).collect(Collectors.toCollection(TreeSet::new));
    }

    Set<MessageQueue> assigned() {
        return new TreeSet<>(consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet());
    }
}
