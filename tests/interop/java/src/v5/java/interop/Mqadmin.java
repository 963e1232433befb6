package interop;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.DefaultParser;
import org.apache.rocketmq.srvutil.ServerUtil;
import org.apache.rocketmq.tools.command.MQAdminStartup;
import org.apache.rocketmq.tools.command.SubCommand;

/**
 * Runs commands of mqadmin inside this process, as its main method does, for a JVM each would take longer than the commands; several at a
 * time, for each takes up to 3 s to shut its client down. What a command prints is caught by thread.
 */
final class Mqadmin extends MQAdminStartup {
    private static final InheritableThreadLocal<ByteArrayOutputStream> CATCHING = new InheritableThreadLocal<>();

    private Mqadmin() {
    }

    static {
        initCommand();
        System.setOut(divide(System.out));
        System.setErr(divide(System.err));
    }

    private static PrintStream divide(PrintStream ordinary) {
        return new PrintStream(new OutputStream() {
            private OutputStream target() {
                OutputStream catching = CATCHING.get();
                return catching == null ? ordinary : catching;
            }

            @Override
            public void write(int b) throws java.io.IOException {
                target().write(b);
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws java.io.IOException {
                target().write(bytes, offset, length);
            }
        }, true, StandardCharsets.UTF_8);
    }

    private static SubCommand command(String name) throws Exception {
        for (SubCommand c : SUB_COMMANDS) {
            if (c.commandName().equalsIgnoreCase(name)) {
                var constructor = c.getClass().getDeclaredConstructor();
                constructor.setAccessible(true);
                return constructor.newInstance();
            }
        }
        throw new IllegalArgumentException("mqadmin has no command " + name);
    }

    static String run(String namesrv, String name, String... options) throws Exception {
        SubCommand command = command(name);
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setProperty("rocketmq.namesrv.addr", namesrv); // as main makes of its option -n
        CATCHING.set(printed);
        try {
            var known = command.buildCommandlineOptions(ServerUtil.buildCommandlineOptions(new org.apache.commons.cli.Options()));
            CommandLine line = ServerUtil.parseCmdLine("mqadmin " + name, options, known, new DefaultParser());
            if (line == null) {
                throw new IllegalArgumentException("mqadmin " + name + " refused its options: " + printed);
            }
            command.execute(line, known, null);
        } catch (org.apache.rocketmq.tools.command.SubCommandException e) {
            e.printStackTrace();
        } finally {
            CATCHING.remove();
        }
        return printed.toString(StandardCharsets.UTF_8);
    }
}
