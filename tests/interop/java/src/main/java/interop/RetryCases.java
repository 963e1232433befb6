package interop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A message that a push consumer refuses comes back later, and in the end goes to the dead-letter queue. */
final class RetryCases {
    private RetryCases() {
    }

    static void register(Cases cases) {
        cases.add("dlq", RetryCases::deadLetter);
        cases.add("retry", RetryCases::retry);
    }

    private record Delivery(MessageExt message, int reconsumeTimes, long at) {
    }

    /** Waits until the consumer works on its retry topic too, which comes into being with its first heartbeat. */
    private static void awaitRetryQueue(Received consumer) throws Exception {
        Check.await(40, () -> {
            if (consumer.assigned().stream().anyMatch(q -> q.getTopic().startsWith("%RETRY%"))) {
                return true;
            }
            consumer.consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().rebalanceImmediately();
            Thread.sleep(300);
            return false;
        }, () -> "no queue of the retry topic among " + consumer.assigned());
    }

    private static Received refuse(Scope s, String group, String topic, int maxTimes, List<Delivery> deliveries, boolean always) throws Exception {
        Received r = new Received();
        r.consumer = s.push(group, topic, "*", c -> c.setMaxReconsumeTimes(maxTimes), m -> {
            deliveries.add(new Delivery(m, m.getReconsumeTimes(), System.currentTimeMillis()));
            return always || m.getReconsumeTimes() == 0 ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        awaitRetryQueue(r);
        return r;
    }

    private static void retry(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        String group = s.unique("g");
        List<Delivery> deliveries = new CopyOnWriteArrayList<>();
        refuse(s, group, topic, 16, deliveries, false);
        Message m = new Message(topic, "tag", "the-key", Text.bytes("again"));
        m.putUserProperty("p", "v");
        SendResult sent = s.producer().send(m);
        Check.await(40, () -> deliveries.size() >= 2, () -> "deliveries: " + deliveries.size());
        Delivery first = deliveries.get(0);
        Delivery second = deliveries.get(1);
        Check.same(0, first.reconsumeTimes(), "reconsume times of the first delivery");
        Check.same(1, second.reconsumeTimes(), "reconsume times of the second delivery");
        Check.within(9_500, 25_000, second.at() - first.at(), "ms between the deliveries (level 3 is 10 s)");
        Check.same("again", Text.of(second.message()), "body");
        Check.same(topic, second.message().getTopic(), "topic as the listener sees it");
        Check.same("tag", second.message().getTags(), "tag");
        Check.same("the-key", second.message().getKeys(), "key");
        Check.same("v", second.message().getUserProperty("p"), "property");
        Check.same(sent.getMsgId(), second.message().getMsgId(), "unique id");
        Check.same(sent.getOffsetMsgId(), second.message().getProperty("ORIGIN_MESSAGE_ID"), "origin message id");
        Check.same(1, s.stored(topic).size(), "messages in the topic itself");
        Check.same(1, s.stored("%RETRY%" + group).size(), "messages in the retry topic");
        Thread.sleep(500);
        Check.same(2, deliveries.size(), "deliveries in all");
    }

    private static void deadLetter(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        String group = s.unique("g");
        List<Delivery> deliveries = new CopyOnWriteArrayList<>();
        refuse(s, group, topic, 1, deliveries, true);
        Message m = new Message(topic, "tag", "dead-key", Text.bytes("poison"));
        m.putUserProperty("p", "v");
        SendResult sent = s.producer().send(m);
        String dead = "%DLQ%" + group;
        Check.await(60, () -> s.stored(dead).size() == 1, () -> "nothing in " + dead + " after deliveries: " + deliveries.size());
        Check.same(2, deliveries.size(), "deliveries before it was given up");
        Check.same(1, deliveries.get(1).reconsumeTimes(), "reconsume times of the second delivery");
        MessageExt got = s.stored(dead).get(0);
        Check.same("poison", Text.of(got), "body");
        Check.same("tag", got.getTags(), "tag");
        Check.same("dead-key", got.getKeys(), "key");
        Check.same("v", got.getUserProperty("p"), "property");
        Check.same(sent.getMsgId(), got.getMsgId(), "unique id");
        Check.same(sent.getOffsetMsgId(), got.getProperty("ORIGIN_MESSAGE_ID"), "origin message id");
        Check.same(topic, got.getProperty("RETRY_TOPIC"), "the topic it came from");
    }
}
