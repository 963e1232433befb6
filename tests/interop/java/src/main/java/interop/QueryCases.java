package interop;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Messages by id and key, offsets, topics. */
final class QueryCases {
    private QueryCases() {
    }

    static void register(Cases cases) {
        cases.add("query-by-id", QueryCases::byId);
        cases.add("query-by-key", QueryCases::byKey);
        cases.add("create-topic", QueryCases::createTopic);
        cases.add("offsets", QueryCases::offsets);
    }

    private static void byId(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        List<SendResult> sent = s.send(topic, "x", 0, 10);
        for (int i = 0; i < 10; i++) {
            SendResult r = sent.get(i);
            MessageExt m = s.admin().viewMessage(topic, r.getOffsetMsgId());
            Check.same(Integer.toString(i), Text.of(m), "body by offset id");
            Check.same(r.getQueueOffset(), m.getQueueOffset(), "queue offset by offset id");
            Check.same(topic, m.getTopic(), "topic by offset id");
        }
        SendResult last = sent.get(9);
        Check.await(15, () -> Text.of(s.admin().viewMessage(topic, last.getMsgId())).equals("9"), () -> "not found by its unique key");
        for (int i = 0; i < 10; i++) {
            Check.same(Integer.toString(i), Text.of(s.admin().viewMessage(topic, sent.get(i).getMsgId())), "body by unique key");
        }
        // An offset id that points nowhere is an answer, not a hanging call.
        String wrong = sent.get(0).getOffsetMsgId().substring(0, 16) + "00000000FFFFFFF0";
        try {
            MessageExt m = s.admin().viewMessage(topic, wrong);
            Check.that(m == null, "a message behind the end of the log: " + m);
        } catch (Check.Failed e) {
            throw e;
        } catch (Exception e) {
            Check.that(e.toString().length() > 0, "an error");
        }
    }

    private static void byKey(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        String other = s.newTopic("other", 1);
        long begin = System.currentTimeMillis();
        for (int i = 0; i < 30; i++) {
            s.producer().send(new Message(topic, "x", "mod" + i % 3 + " own" + i, Text.bytes(Integer.toString(i))));
        }
        s.producer().send(new Message(other, "x", "mod0", Text.bytes("1000")));
        Check.await(15, () -> query(s, topic, "own29", begin).size() == 1, () -> "the last message is not found by its key");
        for (int k = 0; k < 3; k++) {
            int mod = k;
            Set<Integer> expected = Text.range(0, 30).stream().filter(i -> i % 3 == mod).collect(Collectors.toCollection(TreeSet::new));
            Check.same(expected, Text.numbers(query(s, topic, "mod" + k, begin)), "messages with key mod" + k);
        }
        Check.same(Set.of(17), Text.numbers(query(s, topic, "own17", begin)), "messages with key own17");
        Check.same(5, s.admin().queryMessage(topic, "mod1", 5, begin - 2000, Long.MAX_VALUE).getMessageList().size(), "at most 5 asked for");
        try {
            int found = s.admin().queryMessage(topic, "no-such-key", 32, begin - 2000, Long.MAX_VALUE).getMessageList().size();
            Check.same(0, found, "messages with an unknown key");
        } catch (org.apache.rocketmq.client.exception.MQClientException e) {
            Check.that(e.getResponseCode() == 17 || e.getResponseCode() == 208, "no message: " + e);
        }
    }

    private static List<MessageExt> query(Scope s, String topic, String key, long begin) throws Exception {
        QueryResult result = s.admin().queryMessage(topic, key, 64, begin - 2000, Long.MAX_VALUE);
        return result.getMessageList();
    }

    private static void createTopic(Scope s) throws Exception {
        String topic = s.newTopic("t", 5);
        Check.same(5, s.producer().fetchPublishMessageQueues(topic).size(), "queues to write");
        Check.same(5, s.queues(topic).size(), "queues to read");
        var route = s.admin().examineTopicRouteInfo(topic);
        Check.same(1, route.getQueueDatas().size(), "brokers in the route");
        Check.same(5, route.getQueueDatas().get(0).getWriteQueueNums(), "write queues in the route");
        Check.same(6, route.getQueueDatas().get(0).getPerm(), "permission in the route");
        Check.same(1, route.getBrokerDatas().get(0).getBrokerAddrs().size(), "addresses in the route");
        // More queues later.
        Check.await(20, () -> {
            // Again and again, for of two changes in one millisecond the real name server takes only the first.
            Compat.createTopic(s.producer(), topic, 7);
            return s.producer().fetchPublishMessageQueues(topic).size() == 7;
        }, () -> "7 queues after a change");
        s.send(topic, "x", 0, 14);
        Check.same(Text.range(0, 14), Text.numbers(s.stored(topic)), "messages stored");
        // Names that are not allowed, past the client's own check.
        for (String bad : List.of("TBW102", "SCHEDULE_TOPIC_XXXX")) {
            try {
                s.admin().createAndUpdateTopicConfig(route.getBrokerDatas().get(0).selectBrokerAddr(),
                    new org.apache.rocketmq.common.TopicConfig(bad, 4, 4, 6));
                throw new Check.Failed("topic " + bad + " was created");
            } catch (org.apache.rocketmq.client.exception.MQBrokerException | org.apache.rocketmq.client.exception.MQClientException e) {
                Check.that(e.getMessage() != null, "a reason");
            }
        }
    }

    private static void offsets(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        List<MessageQueue> queues = s.queues(topic);
        for (MessageQueue queue : queues) {
            Check.same(0L, s.reader().minOffset(queue), "min offset of an empty queue");
            Check.same(0L, s.reader().maxOffset(queue), "max offset of an empty queue");
        }
        long before = System.currentTimeMillis() - 60_000;
        for (int i = 0; i < 20; i++) {
            s.producer().send(new Message(topic, Text.bytes(Integer.toString(i))), queues.get(0));
            if (i == 9) {
                Thread.sleep(30);
            }
        }
        MessageQueue queue = queues.get(0);
        List<MessageExt> stored = s.stored(queue);
        Check.same(0L, s.reader().minOffset(queue), "min offset");
        Check.same(20L, s.reader().maxOffset(queue), "max offset");
        Check.same(0L, s.reader().maxOffset(queues.get(1)), "max offset of the other queue");
        Check.same(0L, s.reader().searchOffset(queue, before), "search before the first");
        Check.same(10L, s.reader().searchOffset(queue, stored.get(10).getStoreTimestamp()), "search for the time of message 10");
        Check.same(10L, s.reader().searchOffset(queue, stored.get(9).getStoreTimestamp() + 1), "search just behind message 9");
        Check.within(19, 20, s.reader().searchOffset(queue, System.currentTimeMillis() + 60_000), "search behind the last");
        Check.same(stored.get(0).getStoreTimestamp(), s.reader().earliestMsgStoreTime(queue), "time of the earliest message");
    }
}
