package interop;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** The names and clients of one case: names are unique to the run, clients are closed when the case ends. */
final class Scope implements AutoCloseable {
    private static final Executor CLOSING = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "closing");
        thread.setDaemon(true);
        return thread;
    });
    final Run run;
    final String name;
    final String namesrv;
    private final Deque<Runnable> closers = new ConcurrentLinkedDeque<>();
    private DefaultMQProducer producer;
    private DefaultMQPullConsumer reader;
    private DefaultMQAdminExt admin;

    Scope(Run run, String name) {
        this(run, name, run.namesrv);
    }

    Scope(Run run, String name, String namesrv) {
        this.run = run;
        this.name = name;
        this.namesrv = namesrv;
    }

    /** A name that nothing else uses; the topic or group is not created. */
    String unique(String suffix) {
        return run.id + "_" + name + "_" + suffix;
    }

    /** Creates a topic by the client's own admin call (request code 17) and waits until its route is known. */
    String newTopic(String suffix, int queues) throws Exception {
        String topic = unique(suffix);
        Compat.createTopic(producer(), topic, queues);
        Check.await(20, () -> producer().fetchPublishMessageQueues(topic).size() >= queues, () -> "no route of " + topic);
        return topic;
    }

    void onClose(Runnable closer) {
        closers.push(closer);
    }

    private <T extends ClientConfig> T configured(T client) {
        client.setNamesrvAddr(namesrv);
        client.setInstanceName(UUID.randomUUID().toString());
        // Often, for two reasons: cases need not wait for 30 s to see a new topic; and 5.5.0 loses now and then the heartbeat that
        // goes with a changed subscription, and is refused (code 25) until the next.
        client.setPollNameServerInterval(1000);
        client.setHeartbeatBrokerInterval(2000);
        client.setVipChannelEnabled(false);
        client.setMqClientApiTimeout(15_000);
        return client;
    }

    /** The case's ordinary producer. */
    synchronized DefaultMQProducer producer() throws Exception {
        if (producer == null) {
            producer = producer(p -> { });
        }
        return producer;
    }

    DefaultMQProducer producer(Consumer<DefaultMQProducer> settings) throws Exception {
        DefaultMQProducer p = configured(new DefaultMQProducer(unique("producers")));
        p.setSendMsgTimeout(15_000);
        settings.accept(p);
        p.start();
        onClose(p::shutdown);
        return p;
    }

    interface Listener {
        ConsumeConcurrentlyStatus consume(MessageExt message);
    }

    /** A push consumer that reads from the first offset unless {@code settings} say otherwise. */
    DefaultMQPushConsumer push(String group, String topic, String tags, Consumer<DefaultMQPushConsumer> settings,
        Listener listener) throws Exception {
        DefaultMQPushConsumer c = configured(new DefaultMQPushConsumer(group));
        c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        c.setConsumeThreadMin(2);
        c.setConsumeThreadMax(2);
        c.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt m : messages) {
                ConsumeConcurrentlyStatus status = listener.consume(m);
                if (status != ConsumeConcurrentlyStatus.CONSUME_SUCCESS) {
                    return status;
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        c.subscribe(topic, tags);
        settings.accept(c);
        c.start();
        onClose(c::shutdown);
        return c;
    }

    /** A push consumer that gathers what it gets. */
    Received gather(String group, String topic, String tags, Consumer<DefaultMQPushConsumer> settings) throws Exception {
        Received received = new Received();
        received.consumer = push(group, topic, tags, settings, m -> {
            received.add(m);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        return received;
    }

    DefaultLitePullConsumer lite(String group, Consumer<DefaultLitePullConsumer> settings) throws Exception {
        DefaultLitePullConsumer c = configured(new DefaultLitePullConsumer(group));
        c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        c.setPullThreadNums(2);
        c.setPollTimeoutMillis(200);
        settings.accept(c);
        c.start();
        onClose(c::shutdown);
        return c;
    }

    /** The plain pull consumer with which cases look at what is stored. */
    @SuppressWarnings("deprecation")
    synchronized DefaultMQPullConsumer reader() throws Exception {
        if (reader == null) {
            reader = configured(new DefaultMQPullConsumer(unique("readers")));
            reader.start();
            onClose(reader::shutdown);
        }
        return reader;
    }

    synchronized DefaultMQAdminExt admin() throws Exception {
        if (admin == null) {
            admin = configured(new DefaultMQAdminExt());
            admin.start();
            onClose(admin::shutdown);
        }
        return admin;
    }

    List<MessageQueue> queues(String topic) throws Exception {
        List<MessageQueue> queues = new ArrayList<>(reader().fetchSubscribeMessageQueues(topic));
        queues.sort(Comparator.naturalOrder());
        return queues;
    }

    List<MessageExt> stored(MessageQueue queue) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        long offset = reader().minOffset(queue);
        long end = reader().maxOffset(queue);
        while (offset < end) {
            PullResult result = reader().pull(queue, "*", offset, 32);
            if (result.getPullStatus() == PullStatus.FOUND) {
                all.addAll(result.getMsgFoundList());
            }
            Check.that(result.getNextBeginOffset() > offset, queue + ": a pull at " + offset + " (end " + end + ") gave "
                + result.getPullStatus() + " and no way on: " + result.getNextBeginOffset());
            offset = result.getNextBeginOffset();
        }
        return all;
    }

    /** Everything that the queues of a topic hold, in order within each queue. */
    List<MessageExt> stored(String topic) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        for (MessageQueue queue : queues(topic)) {
            all.addAll(stored(queue));
        }
        return all;
    }

    /** Sends {@code first} to {@code first + count - 1} as bodies, over all queues. */
    List<SendResult> send(String topic, String tag, int first, int count) throws Exception {
        List<SendResult> results = new ArrayList<>();
        for (int i = first; i < first + count; i++) {
            SendResult result = producer().send(new Message(topic, tag, "key-" + i, Text.bytes(Integer.toString(i))));
            Check.same(SendStatus.SEND_OK, result.getSendStatus(), "status of message " + i);
            results.add(result);
        }
        return results;
    }

    /** Closes in the background, for the shutdown of a client takes up to 3 s, and nobody needs to wait for it. */
    @Override
    public void close() {
        CLOSING.execute(() -> {
            while (!closers.isEmpty()) {
                try {
                    closers.pop().run();
                } catch (RuntimeException e) {
                    run.note(name + ": while closing: " + e);
                }
            }
        });
    }
}
