package interop;

import java.io.FileWriter;
import java.io.Writer;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;

/** A consumer in a process of its own, to be killed: {@code ChildConsumer NAMESRV TOPIC GROUP FILE} writes what it gets. */
public final class ChildConsumer {
    private ChildConsumer() {
    }

    public static void main(String[] args) throws Exception {
        Scope scope = new Scope(new Run(args[0], "child"), "child");
        Writer file = new FileWriter(args[3], true);
        scope.push(args[2], args[1], "*", c -> { }, m -> {
            try {
                synchronized (file) {
                    file.write(Text.of(m) + "\n");
                    file.flush();
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            } catch (java.io.IOException e) {
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
        });
        new CountDownLatch(1).await();
    }
}
