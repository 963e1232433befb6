package interop;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Every way of sending, and that what is stored is what was sent. */
final class ProduceCases {
    private static final int MIB_4 = 4 * 1024 * 1024;

    private ProduceCases() {
    }

    static void register(Cases cases) {
        cases.add("producer-sync", ProduceCases::sync);
        cases.add("producer-async", ProduceCases::async);
        cases.add("producer-oneway", ProduceCases::oneway);
        cases.add("producer-batch", ProduceCases::batch);
        cases.add("large-body", ProduceCases::large);
        cases.add("non-ascii", ProduceCases::nonAscii);
        cases.add("size-limit", ProduceCases::sizeLimit);
        cases.add("order-selector", ProduceCases::orderBySelector);
    }

    private static void sync(Scope s) throws Exception {
        String topic = s.newTopic("t", 4);
        Map<String, SendResult> sent = new HashMap<>();
        Map<Integer, Long> next = new HashMap<>();
        for (int i = 0; i < 20; i++) {
            Message m = new Message(topic, "tag" + i % 3, "k1-" + i + " k2-" + i, Text.bytes("body " + i));
            m.putUserProperty("user", "value " + i);
            m.putUserProperty("spaced", " x ");
            SendResult r = s.producer().send(m);
            Check.same(SendStatus.SEND_OK, r.getSendStatus(), "status");
            Check.same(topic, r.getMessageQueue().getTopic(), "topic of the result");
            Check.that(r.getMsgId() != null && (r.getMsgId().length() == 32 || r.getMsgId().length() == 56), "a unique id (of an IPv4 or IPv6 host): " + r.getMsgId());
            Check.that(r.getOffsetMsgId() != null && r.getOffsetMsgId().length() == 32, "an offset id: " + r.getOffsetMsgId());
            int queue = r.getMessageQueue().getQueueId();
            Check.same(next.getOrDefault(queue, 0L), r.getQueueOffset(), "queue offset in queue " + queue);
            next.put(queue, r.getQueueOffset() + 1);
            sent.put("body " + i, r);
        }
        Check.same(4, next.size(), "queues used");
        List<MessageExt> stored = s.stored(topic);
        Check.same(20, stored.size(), "messages stored");
        for (MessageExt m : stored) {
            String body = Text.of(m);
            int i = Integer.parseInt(body.substring(5));
            SendResult r = sent.remove(body);
            Check.that(r != null, "twice or unknown: " + body);
            Check.same("tag" + i % 3, m.getTags(), "tag");
            Check.same("k1-" + i + " k2-" + i, m.getKeys(), "keys");
            Check.same("value " + i, m.getUserProperty("user"), "user property");
            Check.same(" x ", m.getUserProperty("spaced"), "a property with spaces around");
            Check.same(r.getMsgId(), m.getMsgId(), "unique id");
            Check.same(r.getQueueOffset(), m.getQueueOffset(), "queue offset");
            Check.same(r.getMessageQueue().getQueueId(), m.getQueueId(), "queue id");
            Check.same(r.getMessageQueue().getBrokerName(), m.getBrokerName(), "broker name");
            Check.same(0, m.getReconsumeTimes(), "reconsume times");
            Check.within(m.getBornTimestamp() - 1000, m.getBornTimestamp() + 60_000, m.getStoreTimestamp(), "store time");
            Check.same("127.0.0.1", m.getBornHostString(), "born host");
        }
    }

    private static void async(Scope s) throws Exception {
        String topic = s.newTopic("t", 4);
        int n = 300;
        CountDownLatch answers = new CountDownLatch(n);
        ConcurrentLinkedQueue<String> wrong = new ConcurrentLinkedQueue<>();
        Map<String, Boolean> ids = new ConcurrentHashMap<>();
        for (int i = 0; i < n; i++) {
            s.producer().send(new Message(topic, Text.bytes(Integer.toString(i))), new SendCallback() {
                @Override
                public void onSuccess(SendResult r) {
                    if (r.getSendStatus() != SendStatus.SEND_OK) {
                        wrong.add(r.toString());
                    }
                    ids.put(r.getMsgId(), true);
                    answers.countDown();
                }

                @Override
                public void onException(Throwable e) {
                    wrong.add(e.toString());
                    answers.countDown();
                }
            });
        }
        Check.that(answers.await(40, TimeUnit.SECONDS), answers.getCount() + " sends were not answered");
        Check.that(wrong.isEmpty(), wrong.size() + " sends failed, the first: " + wrong.peek());
        Check.same(n, ids.size(), "different ids");
        List<MessageExt> stored = s.stored(topic);
        Check.same(n, stored.size(), "messages stored");
        Check.same(Text.range(0, n), Text.numbers(stored), "messages stored");
    }

    private static void oneway(Scope s) throws Exception {
        String topic = s.newTopic("t", 4);
        for (int i = 0; i < 100; i++) {
            s.producer().sendOneway(new Message(topic, Text.bytes(Integer.toString(i))));
        }
        Check.await(20, () -> s.stored(topic).size() >= 100, () -> "not all of 100 one-way messages are stored");
        Check.same(Text.range(0, 100), Text.numbers(s.stored(topic)), "messages stored");
    }

    /** Request codes that a client has sent. */
    private static final class Codes implements RPCHook {
        final Map<Integer, Boolean> seen = new ConcurrentHashMap<>();

        @Override
        public void doBeforeRequest(String address, RemotingCommand request) {
            seen.put(request.getCode(), true);
        }

        @Override
        public void doAfterResponse(String address, RemotingCommand request, RemotingCommand response) {
        }
    }

    private static void batch(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        Codes codes = new Codes();
        DefaultMQProducer producer = new DefaultMQProducer(s.unique("batchers"), codes);
        producer.setNamesrvAddr(s.namesrv);
        producer.setInstanceName(s.unique("batchers"));
        producer.setSendMsgTimeout(15_000);
        producer.start();
        s.onClose(producer::shutdown);
        for (int round = 0; round < 3; round++) {
            int n = new int[] {1, 40, 200}[round];
            List<Message> batch = new ArrayList<>();
            for (int i = 0; i < n; i++) {
                Message m = new Message(topic, "b" + i % 2, "batch-" + round + "-" + i, Text.bytes("äöü " + round + " " + i));
                m.putUserProperty("n", Integer.toString(i));
                batch.add(m);
            }
            SendResult r = producer.send(batch, new MessageQueue(topic, s.queues(topic).get(0).getBrokerName(), 1));
            Check.same(SendStatus.SEND_OK, r.getSendStatus(), "status");
            String[] ids = r.getMsgId().split(",");
            String[] offsetIds = r.getOffsetMsgId().split(",");
            Check.same(n, ids.length, "unique ids in the result");
            Check.same(n, offsetIds.length, "offset ids in the result");
            Check.same(round == 0 ? 0L : round == 1 ? 1L : 41L, r.getQueueOffset(), "queue offset of the first");
            List<MessageExt> stored = s.stored(r.getMessageQueue());
            stored = stored.subList((int) r.getQueueOffset(), stored.size());
            Check.same(n, stored.size(), "messages stored");
            for (int i = 0; i < n; i++) {
                MessageExt m = stored.get(i);
                Check.same(r.getQueueOffset() + i, m.getQueueOffset(), "queue offset of item " + i);
                Check.same("äöü " + round + " " + i, Text.of(m), "body of item " + i);
                Check.same("b" + i % 2, m.getTags(), "tag of item " + i);
                Check.same("batch-" + round + "-" + i, m.getKeys(), "key of item " + i);
                Check.same(Integer.toString(i), m.getUserProperty("n"), "property of item " + i);
                Check.same(ids[i], m.getMsgId(), "unique id of item " + i);
            }
            MessageExt last = s.admin().viewMessage(topic, offsetIds[n - 1]);
            Check.same("batch-" + round + "-" + (n - 1), last.getKeys(), "key of the last item by its offset id");
        }
        Check.that(codes.seen.containsKey(320), "batches were sent with request code 320, not " + codes.seen.keySet());
    }

    private static void large(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        byte[] text = Text.bytes("A line that compresses well, mostly. ".repeat(6000));
        byte[] random = new byte[100_000];
        new Random(1).nextBytes(random);
        List<byte[]> bodies = List.of(Arrays.copyOf(text, 4095), Arrays.copyOf(text, 4096), Arrays.copyOf(text, 5000), text, random);
        for (byte[] body : bodies) {
            s.producer().send(new Message(topic, body));
        }
        Received received = s.gather(s.unique("g"), topic, "*", c -> { });
        Check.await(20, () -> received.size() >= bodies.size(), () -> received.size() + " of " + bodies.size() + " received");
        for (MessageExt m : received.list()) {
            byte[] body = bodies.get((int) m.getQueueOffset());
            Check.that(Arrays.equals(body, m.getBody()), "body " + m.getQueueOffset() + " differs");
            if (body.length >= 4096 && body != random) {
                Check.that(m.getStoreSize() < body.length / 2, "stored small: " + m.getStoreSize() + " for " + body.length);
            } else {
                Check.that(m.getStoreSize() > body.length, "stored as it is: " + m.getStoreSize() + " for " + body.length);
            }
        }
    }

    private static void nonAscii(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        String words = "Grüße, 世界, мир, \uD83D\uDE80, \u05E9\u05DC\u05D5\u05DD \"quoted\" \\ / {json} \t tab";
        Message m = new Message(topic, "标签", "ключ-1", Text.bytes(words));
        m.putUserProperty("Straße", "\uD83D\uDC4D 好");
        m.putUserProperty("spaces", "a  b = c : d");
        s.producer().send(m);
        Received received = s.gather(s.unique("g"), topic, "标签", c -> { });
        Check.await(20, () -> received.size() == 1, () -> "the message with a Chinese tag has not come");
        MessageExt got = received.list().get(0);
        Check.same(words, Text.of(got), "body");
        Check.same("标签", got.getTags(), "tag");
        Check.same("ключ-1", got.getKeys(), "key");
        Check.same("\uD83D\uDC4D 好", got.getUserProperty("Straße"), "property");
        Check.same("a  b = c : d", got.getUserProperty("spaces"), "property");
        Check.await(15, () -> s.admin().queryMessage(topic, "ключ-1", 8, 0, Long.MAX_VALUE).getMessageList().size() == 1,
            () -> "not found by its Cyrillic key");
    }

    private static void sizeLimit(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        DefaultMQProducer producer = s.producer(p -> {
            p.setProducerGroup(s.unique("big"));
            p.setMaxMessageSize(16 * 1024 * 1024);
            p.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
            p.setSendMsgTimeout(30_000);
            p.setRetryTimesWhenSendFailed(0);
        });
        byte[] body = new byte[MIB_4];
        new Random(2).nextBytes(body);
        Check.same(SendStatus.SEND_OK, producer.send(new Message(topic, body)).getSendStatus(), "status of exactly 4 MiB");
        for (int over : new int[] {1, 1024 * 1024}) {
            try {
                SendResult r = producer.send(new Message(topic, new byte[MIB_4 + over]));
                throw new Check.Failed("4 MiB + " + over + " was accepted: " + r);
            } catch (MQBrokerException e) {
                Check.same(13, e.getResponseCode(), "response code for 4 MiB + " + over + " (" + e.getErrorMessage() + ")");
            }
        }
        Check.same(SendStatus.SEND_OK, producer.send(new Message(topic, Text.bytes("after"))).getSendStatus(), "status afterwards");
        List<MessageExt> stored = s.stored(topic);
        Check.same(2, stored.size(), "messages stored");
        Check.that(Arrays.equals(body, stored.get(0).getBody()), "the body of 4 MiB differs");
    }

    private static void orderBySelector(Scope s) throws Exception {
        String topic = s.newTopic("t", 4);
        int n = 400;
        for (int i = 0; i < n; i++) {
            Message m = new Message(topic, Text.bytes(Integer.toString(i)));
            SendResult r = s.producer().send(m, (queues, message, key) -> queues.get((Integer) key % queues.size()), i % 10);
            Check.same(i % 10 % 4, r.getMessageQueue().getQueueId(), "queue of message " + i);
        }
        int seen = 0;
        for (MessageQueue queue : s.queues(topic)) {
            int before = -1;
            for (MessageExt m : s.stored(queue)) {
                int i = Text.number(m);
                Check.that(i > before, queue + ": " + i + " after " + before);
                Check.same(i % 10 % 4, queue.getQueueId(), "queue of message " + i);
                before = i;
                seen++;
            }
        }
        Check.same(n, seen, "messages stored");
    }
}
