package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers that pull: the lite one, and single pulls with and without waiting. */
final class LitePullCases {
    private LitePullCases() {
    }

    static void register(Cases cases) {
        cases.add("lite-subscribe", LitePullCases::subscribe);
        cases.add("lite-assign-seek", LitePullCases::assignAndSeek);
        cases.add("long-poll", LitePullCases::longPoll);
        cases.add("pull-edges", LitePullCases::pullEdges);
    }

    private static List<MessageExt> poll(DefaultLitePullConsumer c, int expected) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        Check.await(25, () -> {
            all.addAll(c.poll());
            return all.size() >= expected;
        }, () -> "polled " + all.size() + " of " + expected);
        all.addAll(c.poll(100));
        return all;
    }

    private static void subscribe(Scope s) throws Exception {
        String topic = s.newTopic("t", 4);
        String group = s.unique("g");
        s.send(topic, "A", 0, 30);
        s.send(topic, "C", 30, 10);
        s.send(topic, "B", 40, 30);
        Set<Integer> expected = new TreeSet<>(Text.range(0, 70));
        expected.removeAll(Text.range(30, 10));
        DefaultLitePullConsumer first = s.lite(group, c -> {
            try {
                c.subscribe(topic, "A || B");
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        List<MessageExt> got = poll(first, 60);
        Check.same(60, got.size(), "messages polled");
        Check.same(expected, Text.numbers(got), "messages polled");
        first.commitSync();
        first.shutdown();
        s.send(topic, "A", 70, 20);
        DefaultLitePullConsumer second = s.lite(group, c -> {
            try {
                c.subscribe(topic, "A || B");
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        got = poll(second, 20);
        Check.same(Text.range(70, 20), Text.numbers(got), "messages after the restart: only new ones");
    }

    private static void assignAndSeek(Scope s) throws Exception {
        String topic = s.newTopic("t", 2);
        DefaultLitePullConsumer c = s.lite(s.unique("g"), x -> x.setAutoCommit(false));
        List<MessageQueue> queues = new ArrayList<>(c.fetchMessageQueues(topic));
        Check.same(2, queues.size(), "queues");
        MessageQueue queue = queues.get(0);
        for (int i = 0; i < 40; i++) {
            s.producer().send(new org.apache.rocketmq.common.message.Message(topic, Text.bytes(Integer.toString(i))), queue);
        }
        long middleTime = s.stored(queue).get(25).getStoreTimestamp();
        c.assign(List.of(queue));
        c.seek(queue, 10);
        Check.same(Text.range(10, 30), Text.numbers(poll(c, 30)), "from offset 10");
        c.seekToBegin(queue);
        Check.same(Text.range(0, 40), Text.numbers(poll(c, 40)), "from the begin");
        long byTime = c.offsetForTimestamp(queue, middleTime);
        Check.within(1, 25, byTime, "offset for the time of message 25");
        c.seek(queue, byTime);
        Check.that(Text.numbers(poll(c, 15)).containsAll(Text.range(25, 15)), "from the time of message 25");
        c.commitSync();
        Check.await(20, () -> c.committed(queue) == 40, () -> "committed: " + committed(c, queue));
        c.seekToEnd(queue);
        s.producer().send(new org.apache.rocketmq.common.message.Message(topic, Text.bytes("40")), queue);
        Check.same(Set.of(40), Text.numbers(poll(c, 1)), "from the end");
    }

    private static String committed(DefaultLitePullConsumer c, MessageQueue queue) {
        try {
            return Long.toString(c.committed(queue));
        } catch (Exception e) {
            return e.toString();
        }
    }

    /** A pull that waits is answered when a message comes, well before its 20 s are over. */
    private static void longPoll(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        s.send(topic, "x", 0, 3);
        MessageQueue queue = s.queues(topic).get(0);
        long best = Long.MAX_VALUE;
        for (int i = 0; i < 3; i++) {
            int next = 3 + i;
            CompletableFuture<Long> came = new CompletableFuture<>();
            Thread puller = new Thread(() -> {
                try {
                    PullResult r = s.reader().pullBlockIfNotFound(queue, "*", next, 32);
                    Check.same(PullStatus.FOUND, r.getPullStatus(), "status of a pull that waited");
                    Check.same(next, Text.number(r.getMsgFoundList().get(0)), "message");
                    came.complete(System.nanoTime());
                } catch (Throwable e) {
                    came.completeExceptionally(e);
                }
            });
            puller.start();
            Thread.sleep(700);
            Check.that(!came.isDone(), "the pull waits while there is nothing: " + came);
            long start = System.nanoTime();
            s.send(topic, "x", next, 1);
            best = Math.min(best, came.get(15, TimeUnit.SECONDS) - start);
        }
        Check.within(0, 999, best / 1_000_000, "ms from the send to the answer of a waiting pull, best of three");
    }

    /** What a pull outside the queue is told. */
    private static void pullEdges(Scope s) throws Exception {
        String topic = s.newTopic("t", 1);
        MessageQueue queue = s.queues(topic).get(0);
        PullResult r = s.reader().pull(queue, "*", 7, 32);
        Check.that(r.getPullStatus() != PullStatus.FOUND, "an empty queue asked at 7");
        Check.same(0L, r.getNextBeginOffset(), "next offset of an empty queue asked at 7");
        s.send(topic, "A", 0, 10);
        r = s.reader().pull(queue, "*", 10, 32);
        Check.same(PullStatus.NO_NEW_MSG, r.getPullStatus(), "at the end");
        Check.same(10L, r.getNextBeginOffset(), "next offset at the end");
        r = s.reader().pull(queue, "*", 1000, 32);
        Check.same(PullStatus.OFFSET_ILLEGAL, r.getPullStatus(), "far beyond the end");
        Check.same(10L, r.getNextBeginOffset(), "next offset far beyond the end");
        Check.same(10L, r.getMaxOffset(), "max offset");
        Check.same(0L, r.getMinOffset(), "min offset");
        r = s.reader().pull(queue, "other", 0, 32);
        Check.same(PullStatus.NO_MATCHED_MSG, r.getPullStatus(), "nothing of this tag");
        Check.same(10L, r.getNextBeginOffset(), "next offset behind what did not match");
        r = s.reader().pull(queue, "*", 4, 3);
        Check.same(PullStatus.FOUND, r.getPullStatus(), "three from offset 4");
        Check.same(Text.range(4, 3), Text.numbers(r.getMsgFoundList()), "three from offset 4");
        Check.same(7L, r.getNextBeginOffset(), "next offset");
    }
}
