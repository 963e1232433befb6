package interop;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** {@code --name value} pairs of a command line. */
final class Options {
    private final Map<String, String> given = new HashMap<>();

    Options(String[] args, String... known) {
        for (int i = 0; i < args.length; i += 2) {
            String name = args[i].startsWith("--") ? args[i].substring(2) : "";
            if (!List.of(known).contains(name) || i + 1 == args.length) {
                System.err.println("unknown option or no value: " + args[i] + "; known: --" + String.join(", --", known));
                System.exit(2);
            }
            given.put(name, args[i + 1]);
        }
    }

    String text(String name) {
        String value = given.get(name);
        if (value == null) {
            System.err.println("--" + name + " is missing");
            System.exit(2);
        }
        return value;
    }

    int number(String name, int otherwise) {
        return given.containsKey(name) ? Integer.parseInt(given.get(name)) : otherwise;
    }
}
