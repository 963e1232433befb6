package interop;

import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.common.message.Message;

final class Text {
    private Text() {
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String of(Message message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    static int number(Message message) {
        return Integer.parseInt(of(message));
    }

    static Set<Integer> numbers(Collection<? extends Message> messages) {
        return messages.stream().map(Text::number).collect(Collectors.toCollection(TreeSet::new));
    }

    static Set<Integer> range(int first, int count) {
        return IntStream.range(first, first + count).boxed().collect(Collectors.toCollection(TreeSet::new));
    }
}
