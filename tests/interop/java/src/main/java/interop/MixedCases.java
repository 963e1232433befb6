package interop;

import java.io.File;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Brokers of both kinds in one cluster: once under the real name server, once under that of the broker under test. A topic spans
 * both; then the migration from one to the other, and the way back, under a consumer that must get everything.
 * Broker {@code broker-a} is the real one, {@code broker-b} the one under test. The servers live until run.sh ends them.
 */
final class MixedCases {
    private MixedCases() {
    }

    static void register(Cases cases) {
        Cluster apache = new Cluster(true);
        Cluster own = new Cluster(false);
        cases.add("mixed", "mixed-span-apache-namesrv", apache::span);
        cases.add("mixed", "mixed-span-own-namesrv", own::span);
        cases.add("mixed", "mixed-migrate-apache-namesrv", apache::migrate);
        cases.add("mixed", "mixed-migrate-own-namesrv", own::migrate);
    }

    private static final class Cluster {
        private final boolean apacheNameServer;
        private String namesrv;
        private File base;

        Cluster(boolean apacheNameServer) {
            this.apacheNameServer = apacheNameServer;
        }

        private File dir(String part) {
            return new File(base, part);
        }

        private void start(Run run) throws Exception {
            if (namesrv != null) {
                return;
            }
            if (run.peer == null || run.apache == null || run.work == null) {
                throw new Check.Skipped("needs servers of its own; run by run.sh");
            }
            base = new File(run.work, "mixed-" + (apacheNameServer ? "apache" : "own"));
            Check.that(base.mkdirs(), "a new directory " + base);
            int port = run.port();
            run.control(apacheNameServer ? run.apache : run.peer, "nameserver", dir("namesrv"), "--namesrv-port", port);
            String address = "127.0.0.1:" + port;
            CompletableFuture<Void> a = broker(run, run.apache, "broker-a", address);
            CompletableFuture<Void> b = broker(run, run.peer, "broker-b", address);
            a.join();
            b.join();
            namesrv = address;
        }

        private CompletableFuture<Void> broker(Run run, File script, String name, String address) {
            int port = run.port();
            return CompletableFuture.runAsync(() -> {
                try {
                    run.control(script, "broker", dir(name), "--namesrv", address, "--broker-port", port, "--name", name);
                } catch (Exception e) {
                    throw new CompletionException(e);
                }
            });
        }

        private Map<String, Integer> writable(Scope s, String topic) throws Exception {
            Map<String, Integer> queues = new TreeMap<>();
            for (MessageQueue q : s.producer().fetchPublishMessageQueues(topic)) {
                queues.merge(q.getBrokerName(), 1, Integer::sum);
            }
            return queues;
        }

        private String topicOverBoth(Scope s) throws Exception {
            Check.await(30, () -> s.admin().examineBrokerClusterInfo().getBrokerAddrTable().keySet().equals(Set.of("broker-a", "broker-b")),
                () -> "two brokers in the cluster");
            Check.await(30, () -> s.admin().examineTopicRouteInfo("TBW102").getBrokerDatas().size() == 2, () -> "both brokers have TBW102");
            String topic = s.newTopic("t", 4);
            Check.await(30, () -> writable(s, topic).equals(Map.of("broker-a", 4, "broker-b", 4)), () -> "four queues on each broker");
            return topic;
        }

        private synchronized void span(Scope outer) throws Exception {
            start(outer.run);
            try (Scope s = new Scope(outer.run, outer.name, namesrv)) {
                String topic = topicOverBoth(s);
                var info = s.admin().examineBrokerClusterInfo();
                Check.same(Set.of("DefaultCluster"), info.getClusterAddrTable().keySet(), "clusters");
                Received received = s.gather(s.unique("g"), topic, "*", c -> { });
                Map<String, Integer> sent = new TreeMap<>();
                for (int i = 0; i < 80; i++) {
                    SendResult r = s.producer().send(new Message(topic, "x", "key-" + i, Text.bytes(Integer.toString(i))));
                    sent.merge(r.getMessageQueue().getBrokerName(), 1, Integer::sum);
                }
                Check.same(Map.of("broker-a", 40, "broker-b", 40), sent, "messages sent to each broker");
                received.awaitNumbers(40, Text.range(0, 80));
                received.once(80);
                Check.same(8, received.assigned(topic).size(), "queues of both brokers");
                // A key is asked of every broker.
                for (int i : new int[] {0, 1, 2, 3, 78, 79}) {
                    Check.await(15, () -> s.admin().queryMessage(topic, "key-" + i, 4, 0, Long.MAX_VALUE).getMessageList().size() == 1,
                        () -> "not found by key-" + i);
                }
            }
        }

        private synchronized void migrate(Scope outer) throws Exception {
            start(outer.run);
            try (Scope s = new Scope(outer.run, outer.name, namesrv)) {
                String topic = topicOverBoth(s);
                String group = s.unique("g");
                Received received = s.gather(group, topic, "*", c -> { });
                Set<Integer> all = new TreeSet<>();
                send(s, topic, all, 40, Set.of("broker-a", "broker-b"));
                received.awaitNumbers(40, all);
                leave(s, topic, group, received, all, "broker-a", "broker-b", s.run.apache);
                comeBack(s, topic, received, all, "broker-a", s.run.apache);
                leave(s, topic, group, received, all, "broker-b", "broker-a", s.run.peer);
                comeBack(s, topic, received, all, "broker-b", s.run.peer);
                received.once(all.size());
            }
        }

        private void send(Scope s, String topic, Set<Integer> all, int count, Set<String> brokers) throws Exception {
            Set<String> used = new TreeSet<>();
            for (int n = 0; n < count; n++) {
                int i = all.size();
                SendResult r = s.producer().send(new Message(topic, Text.bytes(Integer.toString(i))));
                used.add(r.getMessageQueue().getBrokerName());
                all.add(i);
            }
            Check.same(new TreeSet<>(brokers), used, "brokers that took messages");
        }

        /** Takes a broker out: no more writes to it, wait until it is drained, stop it; sends and receives go on. */
        private void leave(Scope s, String topic, String group, Received received, Set<Integer> all, String leaving, String staying,
            File script) throws Exception {
            int topics = s.admin().wipeWritePermOfBroker(namesrv, leaving);
            Check.that(topics > 0, "topics of " + leaving + " that lost the write permission: " + topics);
            // An ordinary producer learns it with its next look at the route (every second here).
            Check.await(20, () -> writable(s, topic).equals(Map.of(staying, 4)), () -> "after the wipe of " + leaving + " writable: " + s.name);
            Check.await(20, () -> {
                int i = all.size();
                SendResult r = s.producer().send(new Message(topic, Text.bytes(Integer.toString(i))));
                all.add(i);
                if (r.getMessageQueue().getBrokerName().equals(leaving)) {
                    return false;
                }
                for (int n = 0; n < 8; n++) {
                    send(s, topic, all, 1, Set.of(staying));
                }
                return true;
            }, () -> "the producer still sends to " + leaving);
            send(s, topic, all, 40, Set.of(staying));
            received.awaitNumbers(40, all);
            // Drained: what the group has committed is all that there is.
            Check.await(30, () -> {
                long lag = 0;
                for (var e : s.admin().examineConsumeStats(group, topic).getOffsetTable().entrySet()) {
                    if (e.getKey().getBrokerName().equals(leaving)) {
                        lag += e.getValue().getBrokerOffset() - e.getValue().getConsumerOffset();
                    }
                }
                return lag == 0;
            }, () -> leaving + " is not drained");
            s.run.control(script, "stop", dir(leaving));
            Check.await(30, () -> s.admin().examineBrokerClusterInfo().getBrokerAddrTable().keySet().equals(Set.of(staying)),
                () -> leaving + " is still in the cluster");
            send(s, topic, all, 40, Set.of(staying));
            received.awaitNumbers(40, all);
        }

        private void comeBack(Scope s, String topic, Received received, Set<Integer> all, String name, File script) throws Exception {
            s.run.control(script, "again", dir(name));
            Check.await(40, () -> writable(s, topic).equals(Map.of("broker-a", 4, "broker-b", 4)), () -> name + " is not back with its queues");
            Check.await(20, () -> {
                int i = all.size();
                SendResult r = s.producer().send(new Message(topic, Text.bytes(Integer.toString(i))));
                all.add(i);
                return r.getMessageQueue().getBrokerName().equals(name);
            }, () -> "the producer does not use " + name + " again");
            received.awaitNumbers(60, all);
        }
    }
}
