package interop;

import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Supplier;

/** What a case asserts and awaits. */
final class Check {
    private Check() {
    }

    static final class Failed extends RuntimeException {
        Failed(String message) {
            super(message);
        }
    }

    static final class Skipped extends RuntimeException {
        Skipped(String message) {
            super(message);
        }
    }

    static void that(boolean holds, String message) {
        if (!holds) {
            throw new Failed(message);
        }
    }

    static void same(Object expected, Object actual, String what) {
        if (!Objects.equals(expected, actual)) {
            throw new Failed(what + ": expected " + expected + ", got " + actual);
        }
    }

    static void within(long low, long high, long actual, String what) {
        that(actual >= low && actual <= high, what + ": expected " + low + " to " + high + ", got " + actual);
    }

    /** Waits until {@code condition} holds, and fails with {@code state} if it does not in time. */
    static void await(int seconds, Callable<Boolean> condition, Supplier<String> state) throws Exception {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        Exception last = null;
        do {
            try {
                if (condition.call()) {
                    return;
                }
                last = null;
            } catch (InterruptedException e) {
                throw e;
            } catch (Exception e) {
                last = e;
            }
            Thread.sleep(20);
        } while (System.nanoTime() < end);
        throw new Failed("after " + seconds + " s still: " + state.get() + (last == null ? "" : "; last error: " + last));
    }
}
