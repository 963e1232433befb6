package interop;

import java.io.File;
import java.nio.file.Files;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers of one group share its queues, and take over when one goes. */
final class GroupCases {
    private GroupCases() {
    }

    static void register(Cases cases) {
        cases.add("rebalance-kill", GroupCases::kill);
        cases.add("rebalance-clean", GroupCases::clean);
        cases.add("consumer-list", GroupCases::list);
    }

    private static void clean(Scope s) throws Exception {
        String topic = s.newTopic("t", 8);
        String group = s.unique("g");
        Received one = s.gather(group, topic, "*", c -> { });
        Check.await(30, () -> one.assigned(topic).size() == 8, () -> "alone, the first holds " + one.assigned(topic).size() + " of 8");
        Received two = s.gather(group, topic, "*", c -> { });
        // The broker tells the first at once (code 40); its own timer would need up to 20 s.
        Check.await(12, () -> one.assigned(topic).size() == 4 && two.assigned(topic).size() == 4,
            () -> "queues held: " + one.assigned(topic).size() + " and " + two.assigned(topic).size());
        Set<MessageQueue> both = new HashSet<>(one.assigned(topic));
        both.addAll(two.assigned(topic));
        Check.same(8, both.size(), "different queues held by both");
        s.send(topic, "x", 0, 80);
        Check.await(20, () -> one.size() + two.size() >= 80, () -> "received: " + one.size() + " and " + two.size());
        Check.that(one.size() > 0 && two.size() > 0, "both work: " + one.size() + " and " + two.size());
        two.consumer.shutdown();
        Check.await(12, () -> one.assigned(topic).size() == 8, () -> "after the other left, the first holds " + one.assigned(topic).size());
        s.send(topic, "x", 80, 80);
        Set<Integer> rest = new TreeSet<>(Text.range(0, 160));
        rest.removeAll(two.numbers());
        one.awaitNumbers(20, rest);
        Check.same(160, one.size() + two.size(), "messages received, each once");
    }

    private static void kill(Scope s) throws Exception {
        String topic = s.newTopic("t", 8);
        String group = s.unique("g");
        File seen = File.createTempFile("child", ".txt", s.run.work);
        Process child = new ProcessBuilder(
            List.of(ProcessHandle.current().info().command().orElse("java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx96m",
                "-Duser.home=" + System.getProperty("user.home"), "-cp", System.getProperty("java.class.path"),
                "interop.ChildConsumer", s.namesrv, topic, group, seen.getPath()))
            .redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        s.onClose(child::destroyForcibly);
        Received one = s.gather(group, topic, "*", c -> { });
        Check.await(40, () -> one.assigned(topic).size() == 4 && s.admin().examineConsumerConnectionInfo(group).getConnectionSet().size() == 2,
            () -> "beside another process this one holds " + one.assigned(topic).size() + " of 8 queues; alive: " + child.isAlive());
        s.send(topic, "x", 0, 80);
        Check.await(20, () -> one.size() + numbers(seen).size() >= 80, () -> "received: " + one.size() + " and " + numbers(seen).size());
        Check.that(numbers(seen).size() > 0, "the other process works");
        // As by a power cut: no unregister, only a socket that closes.
        child.destroyForcibly();
        Check.that(child.waitFor(20, TimeUnit.SECONDS), "the child ended");
        Check.await(12, () -> one.assigned(topic).size() == 8, () -> "after the other was killed this one holds " + one.assigned(topic).size());
        s.send(topic, "x", 80, 80);
        Set<Integer> rest = new TreeSet<>(Text.range(0, 160));
        rest.removeAll(numbers(seen));
        one.awaitNumbers(20, rest);
    }

    private static Set<Integer> numbers(File file) {
        String text;
        try {
            text = Files.readString(file.toPath());
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return text.substring(0, text.lastIndexOf('\n') + 1).lines().map(Integer::valueOf).collect(Collectors.toCollection(TreeSet::new));
    }

    /** What the broker says of a group's members and of producers, as tools show it. */
    private static void list(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        String group = s.unique("g");
        Received one = s.gather(group, topic, "A || B", c -> { });
        Received two = s.gather(group, topic, "A || B", c -> { });
        Check.await(20, () -> s.admin().examineConsumerConnectionInfo(group).getConnectionSet().size() == 2, () -> "two members");
        var connections = s.admin().examineConsumerConnectionInfo(group);
        Set<String> ids = connections.getConnectionSet().stream().map(c -> c.getClientId()).collect(Collectors.toSet());
        Check.same(Set.of(one.consumer.buildMQClientId(), two.consumer.buildMQClientId()), ids, "client ids");
        connections.getConnectionSet().forEach(c -> {
            Check.same("JAVA", c.getLanguage().toString(), "language");
            Check.that(c.getClientAddr().startsWith("127.0.0.1:"), "address " + c.getClientAddr());
        });
        var subscription = connections.getSubscriptionTable().get(topic);
        Check.that(subscription != null, "the group's subscription to the topic is known: " + connections.getSubscriptionTable().keySet());
        Check.same("A || B", subscription.getSubString(), "expression");
        Check.same(Set.of("A", "B"), subscription.getTagsSet(), "tags");
        Check.same("CLUSTERING", connections.getMessageModel().toString(), "message model");
        Check.same("CONSUME_PASSIVELY", connections.getConsumeType().toString(), "consume type");
        Check.same("CONSUME_FROM_FIRST_OFFSET", connections.getConsumeFromWhere().toString(), "where from");
        DefaultMQProducer producer = s.producer(p -> {
            p.setProducerGroup(s.unique("listed"));
            p.setHeartbeatBrokerInterval(1000);
        });
        producer.send(new Message(topic, Text.bytes("0")));
        // Sends do not make a producer known; its heartbeat does.
        Check.await(20, () -> s.admin().examineProducerConnectionInfo(producer.getProducerGroup(), topic).getConnectionSet().size() == 1,
            () -> "the producer group has one member");
        one.consumer.shutdown();
        Check.await(10, () -> s.admin().examineConsumerConnectionInfo(group).getConnectionSet().size() == 1, () -> "one member after a clean end");
        two.consumer.shutdown();
        Check.await(10, () -> {
            try {
                return s.admin().examineConsumerConnectionInfo(group).getConnectionSet().isEmpty();
            } catch (org.apache.rocketmq.client.exception.MQBrokerException e) {
                Check.same(206, e.getResponseCode(), "response code for a group without members");
                return true;
            } catch (org.apache.rocketmq.client.exception.MQClientException e) {
                Check.same(206, e.getResponseCode(), "response code for a group without members");
                return true;
            }
        }, () -> "no member after both have ended");
    }
}
