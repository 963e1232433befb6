package interop;

import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The two programs for whole files ({@link LinesProduce}, {@link LinesConsume}), on a small one. */
final class LinesCase {
    private LinesCase() {
    }

    static void register(Cases cases) {
        cases.add("lines", s -> lines(s, 1));
        cases.add("lines-batch", s -> lines(s, 16));
    }

    private static void lines(Scope s, int batch) throws Exception {
        Path work = Files.createTempDirectory(s.run.work == null ? Path.of(".") : s.run.work.toPath(), "lines");
        Path file = work.resolve("text");
        try (OutputStream text = Files.newOutputStream(file)) {
            for (int i = 0; i < 600; i++) {
                text.write(Text.bytes((i % 50 == 7 ? "" : "  key" + i % 37 + "\tline " + i + " ä") + "\n"));
            }
            text.write(new byte[] {(byte) 0xff, (byte) 0xfe, 0, 1, '\r'});
        }
        String topic = s.unique("t");
        LinesProduce.produce(s, topic, file, 8, batch, 60);
        LinesConsume.consume(s, topic, work.resolve("out"));
        List<List<byte[]>> expected = new ArrayList<>();
        for (int q = 0; q < 8; q++) {
            expected.add(new ArrayList<>());
        }
        for (byte[] line : Lines.of(file)) {
            if (line.length > 0) {
                expected.get(Lines.queue(line, 8)).add(line);
            }
        }
        for (int q = 0; q < 8; q++) {
            List<byte[]> got = Lines.of(work.resolve("out").resolve("queue-" + q));
            Check.same(expected.get(q).size(), got.size(), "lines of queue " + q);
            for (int i = 0; i < got.size(); i++) {
                Check.that(Arrays.equals(expected.get(q).get(i), got.get(i)), "queue " + q + ": line " + i + " differs");
            }
        }
    }
}
