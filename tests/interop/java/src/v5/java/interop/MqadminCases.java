package interop;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/** RocketMQ's own admin tool; it always exits with 0, so a command has failed when it prints an exception. */
final class MqadminCases {
    private MqadminCases() {
    }

    static void register(Cases cases) {
        add(cases, "clusterList", MqadminCases::clusterList);
        add(cases, "updateTopic", MqadminCases::updateTopic);
        add(cases, "updateTopicPerm", MqadminCases::updateTopicPerm);
        add(cases, "topicList", MqadminCases::topicList);
        add(cases, "topicRoute", MqadminCases::topicRoute);
        add(cases, "topicClusterList", MqadminCases::topicClusterList);
        add(cases, "topicStatus", MqadminCases::topicStatus);
        add(cases, "deleteTopic", MqadminCases::deleteTopic);
        add(cases, "sendMessage", MqadminCases::sendMessage);
        add(cases, "printMsg", MqadminCases::printMsg);
        add(cases, "queryMsgById", MqadminCases::queryMsgById);
        add(cases, "queryMsgByKey", MqadminCases::queryMsgByKey);
        add(cases, "queryMsgByUniqueKey", MqadminCases::queryMsgByUniqueKey);
        add(cases, "queryMsgByOffset", MqadminCases::queryMsgByOffset);
        add(cases, "updateSubGroup", MqadminCases::updateSubGroup);
        add(cases, "consumerProgress", MqadminCases::consumerProgress);
        add(cases, "consumerConnection", MqadminCases::consumerConnection);
        add(cases, "producerConnection", MqadminCases::producerConnection);
        add(cases, "resetOffsetByTime", MqadminCases::resetOffsetByTime);
        add(cases, "resetOffsetByTime-online", MqadminCases::resetOffsetOnline);
        add(cases, "brokerStatus", MqadminCases::brokerStatus);
        add(cases, "getBrokerConfig", MqadminCases::getBrokerConfig);
        add(cases, "getNamesrvConfig", MqadminCases::getNamesrvConfig);
        add(cases, "updateKvConfig", MqadminCases::updateKvConfig);
        add(cases, "wipeWritePerm", MqadminCases::wipeAndAddWritePerm);
    }

    private static void add(Cases cases, String name, Cases.Body body) {
        // The permission of a whole broker is not wiped beside other cases.
        cases.add(name.equals("wipeWritePerm") ? "alone" : "mqadmin", "mqadmin-" + name, body);
    }

    /** Runs a command and returns what it printed, errors included. */
    private static String ask(Scope s, String... command) throws Exception {
        String[] options = Arrays.copyOfRange(command, 1, command.length);
        for (;;) {
            String printed = Mqadmin.run(s.namesrv, command[0], options);
            // Commands name their client by the millisecond, and two of one name do not get along.
            if (!printed.contains("has created already, specified another name") && !printed.contains("has been created before, specify another name")) {
                return printed;
            }
        }
    }

    /** The same for a command that must succeed. */
    private static String run(Scope s, String... command) throws Exception {
        String printed = ask(s, command);
        Check.that(!printed.contains("Exception") && !printed.contains("not exist"), String.join(" ", command) + " printed: " + printed);
        return printed;
    }

    private static Matcher has(String printed, String pattern) {
        Matcher m = Pattern.compile(pattern, Pattern.MULTILINE).matcher(printed);
        Check.that(m.find(), "no match of " + pattern + " in: " + printed);
        return m;
    }

    private static void lacks(String printed, String pattern) {
        Check.that(!Pattern.compile(pattern, Pattern.MULTILINE).matcher(printed).find(), "a match of " + pattern + " in: " + printed);
    }

    /** Address and name of the one broker. */
    private static String[] broker(Scope s) throws Exception {
        Matcher m = has(run(s, "clusterList"), "^DefaultCluster\\s+(\\S+)\\s+0\\s+(\\S+:\\d+)\\s");
        return new String[] {m.group(2), m.group(1)};
    }

    private static void clusterList(Scope s) throws Exception {
        String printed = run(s, "clusterList");
        // Name, broker, id, address, version, rates, ..., and that it takes messages.
        has(printed, "^DefaultCluster\\s+broker-a\\s+0\\s+127\\.0\\.0\\.1:\\d+\\s+V\\d_\\d+_\\d+\\S*\\s+\\d+\\.\\d+\\(.*\\strue\\s*$");
    }

    private static void updateTopic(Scope s) throws Exception {
        String topic = s.unique("t");
        String address = broker(s)[0];
        has(run(s, "updateTopic", "-t", topic, "-c", "DefaultCluster", "-r", "6", "-w", "3"), "create topic to " + address + " success");
        String route = run(s, "topicRoute", "-t", topic);
        has(route, "\"readQueueNums\":6");
        has(route, "\"writeQueueNums\":3");
        Check.await(20, () -> {
            has(run(s, "updateTopic", "-t", topic, "-b", address, "-r", "8", "-w", "8"), "success");
            return run(s, "topicRoute", "-t", topic).contains("\"readQueueNums\":8");
        }, () -> "the route does not show 8 queues");
    }

    private static void updateTopicPerm(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        String address = broker(s)[0];
        Check.await(20, () -> {
            // Again and again, for of two changes in one millisecond the real name server takes only the first.
            run(s, "updateTopicPerm", "-t", topic, "-b", address, "-p", "4");
            return run(s, "topicRoute", "-t", topic).contains("\"perm\":4");
        }, () -> "the route does not show permission 4");
        try {
            s.send(topic, "x", 0, 1);
            throw new Check.Failed("a topic without write permission took a message");
        } catch (org.apache.rocketmq.client.exception.MQClientException | org.apache.rocketmq.client.exception.MQBrokerException e) {
            Check.that(e.getMessage() != null, "a reason");
        }
    }

    private static void topicList(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        String printed = run(s, "topicList");
        has(printed, "^" + topic + "$");
        has(printed, "^TBW102$");
    }

    private static void topicRoute(Scope s) throws Exception {
        String topic = s.newTopic("t", 5);
        String[] broker = broker(s);
        String printed = run(s, "topicRoute", "-t", topic);
        has(printed, "\"brokerName\":\"" + broker[1] + "\"");
        has(printed, "0:\"" + broker[0] + "\"");
        has(printed, "\"cluster\":\"DefaultCluster\"");
        has(printed, "\"perm\":6");
        has(printed, "\"readQueueNums\":5");
        has(printed, "\"writeQueueNums\":5");
        has(ask(s, "topicRoute", "-t", s.unique("none")), "CODE: 17");
    }

    private static void topicClusterList(Scope s) throws Exception {
        has(run(s, "topicClusterList", "-t", s.newTopic("t", 1)), "^DefaultCluster$");
    }

    private static void topicStatus(Scope s) throws Exception {
        String topic = s.newTopic("t", 3);
        for (int i = 0; i < 5; i++) {
            s.producer().send(new Message(topic, Text.bytes("x")), s.queues(topic).get(1));
        }
        String printed = run(s, "topicStatus", "-t", topic);
        String name = broker(s)[1];
        has(printed, "^" + name + "\\s+0\\s+0\\s+0\\s*$");
        has(printed, "^" + name + "\\s+1\\s+0\\s+5\\s+20\\d\\d-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d,\\d+\\s*$");
        has(printed, "^" + name + "\\s+2\\s+0\\s+0\\s*$");
    }

    private static void deleteTopic(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        s.send(topic, "x", 0, 4);
        String printed = run(s, "deleteTopic", "-t", topic, "-c", "DefaultCluster");
        has(printed, "delete topic \\[" + topic + "\\] from cluster \\[DefaultCluster\\] success");
        has(printed, "delete topic \\[" + topic + "\\] from NameServer success");
        Check.await(10, () -> ask(s, "topicRoute", "-t", topic).contains("CODE: 17"), () -> "the topic still has a route");
        lacks(run(s, "topicList"), "^" + topic + "$");
        // A topic of the same name starts anew.
        Compat.createTopic(s.producer(), topic, 2);
        Check.await(10, () -> run(s, "topicList").contains(topic), () -> "the topic is not back");
        Check.same(0L, s.reader().maxOffset(s.queues(topic).get(0)), "max offset of the topic made anew");
    }

    private static void sendMessage(Scope s) throws Exception {
        String topic = s.newTopic("t", 4);
        String printed = run(s, "sendMessage", "-t", topic, "-p", "hello", "-k", "the-key", "-c", "tagA", "-b", broker(s)[1], "-i", "2");
        has(printed, "^" + broker(s)[1] + "\\s+2\\s+SEND_OK\\s+[0-9A-F]{32,56}\\s*$");
        Check.same("hello", Text.of(s.stored(topic).get(0)), "body");
        Check.same("tagA", s.stored(topic).get(0).getTags(), "tag");
    }

    private static void printMsg(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        s.send(topic, "one", 100, 4);
        s.send(topic, "two", 200, 4);
        String printed = run(s, "printMsg", "-t", topic);
        for (int i = 100; i < 104; i++) {
            has(printed, "BODY: " + i);
            has(printed, "BODY: " + (i + 100));
        }
        has(printed, "minOffset=0, maxOffset=4");
        String filtered = run(s, "printMsg", "-t", topic, "-s", "two");
        has(filtered, "BODY: 203");
        lacks(filtered, "BODY: 10\\d");
    }

    private static void checkMessage(String printed, String topic, SendResult sent) throws Exception {
        has(printed, "^Topic:\\s+" + topic + "$");
        has(printed, "^Tags:\\s+\\[tagA\\]$");
        has(printed, "^Keys:\\s+\\[key-7\\]$");
        has(printed, "^Queue ID:\\s+" + sent.getMessageQueue().getQueueId() + "$");
        has(printed, "^Queue Offset:\\s+" + sent.getQueueOffset() + "$");
        has(printed, "^Reconsume Times:\\s+0$");
        has(printed, "^Born Host:\\s+127\\.0\\.0\\.1:\\d+$");
        has(printed, "^Store Host:\\s+127\\.0\\.0\\.1:\\d+$");
        has(printed, "^Store Timestamp:\\s+20\\d\\d-");
        has(printed, "UNIQ_KEY=" + sent.getMsgId());
        // The tool writes the body into a file of its own.
        Path body = Path.of(has(printed, "^Message Body Path:\\s+(\\S+)$").group(1));
        Check.same("7", Files.readString(body), "body");
        Files.delete(body);
    }

    private static SendResult seven(Scope s, String topic) throws Exception {
        return s.send(topic, "tagA", 7, 1).get(0);
    }

    private static void queryMsgById(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        SendResult sent = seven(s, topic);
        String printed = run(s, "queryMsgById", "-t", topic, "-i", sent.getOffsetMsgId());
        has(printed, "^OffsetID:\\s+" + sent.getOffsetMsgId() + "$");
        checkMessage(printed, topic, sent);
    }

    private static void queryMsgByKey(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        SendResult sent = seven(s, topic);
        s.send(topic, "tagA", 8, 3);
        Check.await(10, () -> run(s, "queryMsgByKey", "-t", topic, "-k", "key-10").contains("@key-10@")
            || run(s, "queryMsgByKey", "-t", topic, "-k", "key-10").lines().count() > 1, () -> "not found by its key");
        String printed = run(s, "queryMsgByKey", "-t", topic, "-k", "key-7");
        has(printed, "^" + sent.getMsgId() + "\\s+" + sent.getMessageQueue().getQueueId() + "\\s+" + sent.getQueueOffset() + "\\s");
        Check.same(2L, printed.lines().filter(l -> !l.isBlank()).count(), "lines with the head: " + printed);
    }

    private static void queryMsgByUniqueKey(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        SendResult sent = seven(s, topic);
        Check.await(10, () -> ask(s, "queryMsgByUniqueKey", "-t", topic, "-i", sent.getMsgId()).contains("Queue Offset:"), () -> "not found by its unique key");
        checkMessage(run(s, "queryMsgByUniqueKey", "-t", topic, "-i", sent.getMsgId()), topic, sent);
    }

    private static void queryMsgByOffset(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        SendResult sent = seven(s, topic);
        checkMessage(run(s, "queryMsgByOffset", "-t", topic, "-b", sent.getMessageQueue().getBrokerName(), "-i",
            Integer.toString(sent.getMessageQueue().getQueueId()), "-o", Long.toString(sent.getQueueOffset())), topic, sent);
    }

    private static void updateSubGroup(Scope s) throws Exception {
        String group = s.unique("g");
        String address = broker(s)[0];
        String printed = run(s, "updateSubGroup", "-g", group, "-c", "DefaultCluster", "-r", "7", "-q", "2");
        has(printed, "create subscription group to " + address + " success");
        var config = s.admin().examineSubscriptionGroupConfig(address, group);
        Check.that(config != null, "the broker knows the group");
        Check.same(7, config.getRetryMaxTimes(), "retry times");
        Check.same(2, config.getRetryQueueNums(), "retry queues");
        has(run(s, "deleteSubGroup", "-g", group, "-c", "DefaultCluster", "-r", "true"), "success");
    }

    private static void consumerProgress(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        String group = s.unique("g");
        s.send(topic, "x", 0, 20);
        Received received = s.gather(group, topic, "*", c -> { });
        received.awaitNumbers(20, Text.range(0, 20));
        received.consumer.shutdown();
        s.send(topic, "x", 20, 6);
        String printed = run(s, "consumerProgress", "-g", group);
        String name = broker(s)[1];
        for (int queue = 0; queue < 2; queue++) {
            has(printed, "^" + topic + "\\s+" + name + "\\s+" + queue + "\\s+13\\s+10\\s+3\\s");
        }
        has(printed, "Consume Diff Total: 6");
        has(run(s, "consumerProgress"), "^" + group + "\\s+0\\s+.*\\s6\\s*$");
    }

    private static void consumerConnection(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        String group = s.unique("g");
        Received received = s.gather(group, topic, "A || B", c -> { });
        Check.await(10, () -> !ask(s, "consumerConnection", "-g", group).contains("Exception"), () -> "the group is not online");
        String printed = run(s, "consumerConnection", "-g", group);
        has(printed, "^" + Pattern.quote(received.consumer.buildMQClientId()) + "\\s+127\\.0\\.0\\.1:\\d+\\s+JAVA\\s+V5_5_0\\s*$");
        has(printed, "^" + topic + "\\s+A \\|\\| B\\s*$");
        has(printed, "ConsumeType: CONSUME_PASSIVELY");
        has(printed, "MessageModel: CLUSTERING");
        has(printed, "ConsumeFromWhere: CONSUME_FROM_FIRST_OFFSET");
        received.consumer.shutdown();
        Check.await(10, () -> ask(s, "consumerConnection", "-g", group).contains("CODE: 206"), () -> "the group is still online");
    }

    private static void producerConnection(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        s.send(topic, "x", 0, 1);
        String group = s.producer().getProducerGroup();
        Check.await(10, () -> !ask(s, "producerConnection", "-g", group, "-t", topic).contains("Exception"), () -> "the producer is not known");
        has(run(s, "producerConnection", "-g", group, "-t", topic), Pattern.quote(s.producer().buildMQClientId()));
    }

    /** Of a group that is not online. */
    private static void resetOffsetByTime(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        String group = s.unique("g");
        s.send(topic, "x", 0, 10);
        Received received = s.gather(group, topic, "*", c -> { });
        received.awaitNumbers(20, Text.range(0, 10));
        received.consumer.shutdown();
        long fifth = s.stored(topic).get(5).getStoreTimestamp();
        String printed = run(s, "resetOffsetByTime", "-g", group, "-t", topic, "-s", Long.toString(fifth));
        has(printed, "group\\[" + group + "\\], topic\\[" + topic + "\\]");
        Received again = s.gather(group, topic, "*", c -> { });
        again.awaitNumbers(20, Text.range(5, 5));
        Check.that(again.size() <= 10, "messages after the reset: " + again.size());
    }

    /** Of a group that is consuming: it starts again from the new offset. */
    private static void resetOffsetOnline(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        String group = s.unique("g");
        s.send(topic, "x", 0, 10);
        Received received = s.gather(group, topic, "*", c -> { });
        received.awaitNumbers(20, Text.range(0, 10));
        String printed = run(s, "resetOffsetByTime", "-g", group, "-t", topic, "-s", "0");
        has(printed, "^" + broker(s)[1] + "\\s+0\\s+0\\s*$");
        Check.await(40, () -> received.size() >= 20, () -> "received after the reset: " + (received.size() - 10) + " of 10");
        Check.same(List.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), received.list().subList(10, 20).stream().map(Text::number).sorted().toList(), "second time");
    }

    private static void brokerStatus(Scope s) throws Exception {
        s.send(s.newTopic("t", 1), "x", 0, 1);
        String printed = run(s, "brokerStatus", "-b", broker(s)[0]);
        for (String key : List.of("bootTimestamp", "brokerVersionDesc", "commitLogMaxOffset", "commitLogMinOffset", "msgPutTotalTodayNow",
            "msgGetTotalTodayNow", "putTps", "getFoundTps", "putMessageTimesTotal", "putMessageAverageSize", "runtime", "commitLogDiskRatio",
            "dispatchBehindBytes", "sendThreadPoolQueueSize", "pullThreadPoolQueueSize", "startAcceptSendRequestTimeStamp",
            "earliestMessageTimeStamp")) {
            has(printed, "^" + key + "\\s*:");
        }
        Check.that(Long.parseLong(has(printed, "^commitLogMaxOffset\\s*:\\s*(\\d+)").group(1)) > 0, "a log that has something");
        Check.that(Long.parseLong(has(printed, "^putMessageTimesTotal\\s*:\\s*(\\d+)").group(1)) > 0, "messages were put");
        has(run(s, "brokerStatus", "-c", "DefaultCluster"), "bootTimestamp");
    }

    private static void getBrokerConfig(Scope s) throws Exception {
        String[] broker = broker(s);
        for (String printed : List.of(run(s, "getBrokerConfig", "-b", broker[0]), run(s, "getBrokerConfig", "-c", "DefaultCluster"))) {
            has(printed, "^brokerName\\s+=\\s+" + broker[1] + "$");
            has(printed, "^brokerClusterName\\s+=\\s+DefaultCluster$");
            has(printed, "^listenPort\\s+=\\s+" + broker[0].substring(broker[0].indexOf(':') + 1) + "$");
            has(printed, "^flushDiskType\\s+=\\s+SYNC_FLUSH$");
            has(printed, "^autoCreateTopicEnable\\s+=\\s+true$");
        }
    }

    private static void getNamesrvConfig(Scope s) throws Exception {
        has(run(s, "getNamesrvConfig"), "^=*" + s.namesrv);
    }

    private static void updateKvConfig(Scope s) throws Exception {
        run(s, "updateKvConfig", "-s", "INTEROP", "-k", s.run.id, "-v", "value 1");
        Check.same("value 1", s.admin().getKVConfig("INTEROP", s.run.id), "value");
        run(s, "deleteKvConfig", "-s", "INTEROP", "-k", s.run.id);
        try {
            Check.same(null, s.admin().getKVConfig("INTEROP", s.run.id), "a deleted value");
        } catch (org.apache.rocketmq.client.exception.MQClientException e) {
            Check.same(22, e.getResponseCode(), "response code for a deleted value");
        }
    }

    private static void wipeAndAddWritePerm(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        String name = broker(s)[1];
        Matcher wiped = has(run(s, "wipeWritePerm", "-b", name), "wipe write perm of broker\\[" + name + "\\] in name server\\[.*\\] OK, (\\d+)");
        try {
            Check.that(Integer.parseInt(wiped.group(1)) > 0, "topics wiped: " + wiped.group(1));
            has(run(s, "topicRoute", "-t", topic), "\"perm\":4");
        } finally {
            has(run(s, "addWritePerm", "-b", name), "add write perm of broker\\[" + name + "\\] in name server\\[.*\\] OK, (\\d+)");
        }
        has(run(s, "topicRoute", "-t", topic), "\"perm\":6");
        s.send(topic, "x", 0, 4);
    }
}
