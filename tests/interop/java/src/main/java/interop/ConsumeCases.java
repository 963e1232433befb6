package interop;

import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Push consumers: who gets what, from where, and when. */
final class ConsumeCases {
    private ConsumeCases() {
    }

    static void register(Cases cases) {
        cases.add("consumer-before-topic", ConsumeCases::beforeTopic);
        cases.add("consumer-after-topic", ConsumeCases::afterTopic);
        cases.add("delay-levels", ConsumeCases::delayLevels);
        cases.add("push-clustering", ConsumeCases::clustering);
        cases.add("push-broadcast", ConsumeCases::broadcast);
        cases.add("tag-filter", ConsumeCases::tagFilter);
        cases.add("from-first", ConsumeCases::fromFirst);
        cases.add("from-last", ConsumeCases::fromLast);
        cases.add("from-timestamp", ConsumeCases::fromTimestamp);
        cases.add("offset-restart", ConsumeCases::offsetRestart);
    }

    /** The consumer asks for a topic that nobody knows; the first send creates it from TBW102. */
    private static void beforeTopic(Scope s) throws Exception {
        String topic = s.unique("t");
        Received received = s.gather(s.unique("g"), topic, "*", c -> { });
        Check.that(received.assigned(topic).isEmpty(), "no queue before the topic exists");
        s.send(topic, "x", 0, 20);
        Check.same(4, s.producer().fetchPublishMessageQueues(topic).size(), "queues of a topic created by sending");
        received.awaitNumbers(60, Text.range(0, 20));
        s.send(topic, "x", 20, 20);
        received.awaitNumbers(20, Text.range(0, 40));
        received.once(40);
    }

    private static void afterTopic(Scope s) throws Exception {
        String topic = s.unique("t");
        s.send(topic, "x", 0, 20);
        Received received = s.gather(s.unique("g"), topic, "*", c -> { });
        received.awaitNumbers(20, Text.range(0, 20));
        s.send(topic, "x", 20, 20);
        received.awaitNumbers(20, Text.range(0, 40));
        received.once(40);
        Check.same(4, received.assigned(topic).size(), "queues of a topic created by sending");
    }

    private static void delayLevels(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        Map<Integer, Long> came = new TreeMap<>();
        Received received = new Received();
        received.consumer = s.push(s.unique("g"), topic, "*", c -> { }, m -> {
            synchronized (came) {
                came.putIfAbsent(Text.number(m), System.currentTimeMillis());
            }
            received.add(m);
            return org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        Check.await(20, () -> received.assigned(topic).size() == 1, () -> "no queue assigned");
        long start = System.currentTimeMillis();
        for (int level : new int[] {2, 1, 0}) {
            Message m = new Message(topic, "delayed", Text.bytes(Integer.toString(level)));
            m.setDelayTimeLevel(level);
            s.producer().send(m);
        }
        received.awaitNumbers(20, Set.of(0, 1, 2));
        synchronized (came) {
            Check.within(0, 5_000, came.get(0) - start, "ms until an undelayed message came");
            Check.within(900, 6_000, came.get(1) - start, "ms until a message of level 1 (1 s) came");
            Check.within(4_900, 12_000, came.get(2) - start, "ms until a message of level 2 (5 s) came");
        }
        for (MessageExt m : received.list()) {
            Check.same(topic, m.getTopic(), "topic of a delayed message");
            Check.same("delayed", m.getTags(), "tag of a delayed message");
        }
        Check.same(3, s.stored(topic).size(), "messages in the topic");
    }

    private static void clustering(Scope s) throws Exception {
        String topic = s.newTopic("t", 4);
        String group = s.unique("g");
        s.send(topic, "x", 0, 100);
        Received received = s.gather(group, topic, "*", c -> { });
        received.awaitNumbers(20, Text.range(0, 100));
        s.send(topic, "x", 100, 100);
        received.awaitNumbers(20, Text.range(0, 200));
        received.once(200);
        received.consumer.shutdown();
        // A clean end commits: nothing is left for the group.
        var stats = s.admin().examineConsumeStats(group, topic);
        long committed = 0;
        for (var offsets : stats.getOffsetTable().values()) {
            Check.same(offsets.getBrokerOffset(), offsets.getConsumerOffset(), "committed offset after a clean end");
            committed += offsets.getConsumerOffset();
        }
        Check.same(200L, committed, "sum of the committed offsets");
    }

    private static void broadcast(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        String group = s.unique("g");
        Received one = s.gather(group, topic, "*", Compat::broadcasting);
        Received two = s.gather(group, topic, "*", Compat::broadcasting);
        Check.await(30, () -> one.assigned(topic).size() == 2 && two.assigned(topic).size() == 2,
            () -> "both consumers hold both queues: " + one.assigned(topic) + two.assigned(topic));
        s.send(topic, "x", 0, 50);
        one.awaitNumbers(20, Text.range(0, 50));
        two.awaitNumbers(20, Text.range(0, 50));
        one.once(50);
        two.once(50);
    }

    private static void tagFilter(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        String[] tags = {"A", "B", "C", "AB", null};
        for (int i = 0; i < 100; i++) {
            s.producer().send(new Message(topic, tags[i % 5], Text.bytes(Integer.toString(i))));
        }
        Received some = s.gather(s.unique("some"), topic, "A || B", c -> { });
        Received all = s.gather(s.unique("all"), topic, "*", c -> { });
        Set<Integer> expected = new TreeSet<>();
        Text.range(0, 100).stream().filter(i -> i % 5 < 2).forEach(expected::add);
        all.awaitNumbers(20, Text.range(0, 100));
        some.awaitNumbers(20, expected);
        // A parked pull wakes for a message that passes its filter, after some that do not.
        for (int i = 100; i < 140; i++) {
            s.producer().send(new Message(topic, tags[i % 5], Text.bytes(Integer.toString(i))));
        }
        Text.range(100, 40).stream().filter(i -> i % 5 < 2).forEach(expected::add);
        some.awaitNumbers(20, expected);
        all.awaitNumbers(20, Text.range(0, 140));
        Check.same(expected, some.numbers(), "numbers that passed 'A || B'");
        some.once(expected.size());
    }

    private static void fromFirst(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        s.send(topic, "x", 0, 30);
        Received received = s.gather(s.unique("g"), topic, "*", c -> c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET));
        received.awaitNumbers(20, Text.range(0, 30));
    }

    /**
     * A new group that wants the last offset starts at 0 while the first entry of the queue is still in memory, as
     * the real broker answers; whatever is sent after it has its queues it gets in any case.
     */
    private static void fromLast(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        s.send(topic, "x", 0, 30);
        Received received = s.gather(s.unique("g"), topic, "*", c -> c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET));
        Check.await(20, () -> received.assigned(topic).size() == 2, () -> "queues assigned: " + received.assigned(topic));
        s.send(topic, "x", 30, 30);
        received.awaitNumbers(20, Text.range(0, 60));
    }

    private static void fromTimestamp(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        s.send(topic, "x", 0, 10);
        Thread.sleep(1100); // the client's timestamp has whole seconds
        long middle = System.currentTimeMillis() / 1000 * 1000;
        s.send(topic, "x", 10, 20);
        Received received = s.gather(s.unique("g"), topic, "*", c -> {
            c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_TIMESTAMP);
            c.setConsumeTimestamp(new SimpleDateFormat("yyyyMMddHHmmss").format(new Date(middle)));
        });
        received.awaitNumbers(20, Text.range(10, 20));
        // What the client computes its start from, exactly.
        for (MessageQueue queue : s.queues(topic)) {
            long offset = s.reader().searchOffset(queue, middle);
            for (MessageExt m : s.stored(queue)) {
                Check.same(m.getStoreTimestamp() >= middle, m.getQueueOffset() >= offset, "offset " + m.getQueueOffset()
                    + " stored at " + m.getStoreTimestamp() + ", search for " + middle + " gave " + offset);
            }
        }
    }

    private static void offsetRestart(Scope s) throws Exception {
        String topic = s.newTopic("t", 4);
        String group = s.unique("g");
        s.send(topic, "x", 0, 60);
        Received first = s.gather(group, topic, "*", c -> { });
        first.awaitNumbers(20, Text.range(0, 60));
        first.consumer.shutdown();
        SendResult r = s.send(topic, "x", 60, 40).get(0);
        Check.that(r.getQueueOffset() >= 0, "sent while nobody consumes");
        Received second = s.gather(group, topic, "*", c -> { });
        second.awaitNumbers(20, Text.range(60, 40));
        s.send(topic, "x", 100, 10);
        second.awaitNumbers(20, Text.range(60, 50));
        second.once(50);
    }
}
