package interop;

import java.util.ArrayList;
import java.util.List;

/** The named cases, in groups. Those of {@code clients} and {@code mqadmin} are independent and run side by side. */
final class Cases {
    interface Body {
        void run(Scope scope) throws Exception;
    }

    record Case(String group, String name, Body body) {
    }

    final List<Case> all = new ArrayList<>();

    /** An independent case. */
    void add(String name, Body body) {
        add("clients", name, body);
    }

    void add(String group, String name, Body body) {
        all.add(new Case(group, name, body));
    }

    static Cases every() {
        Cases cases = new Cases();
        // Those that wait longest come first.
        RetryCases.register(cases);
        GroupCases.register(cases);
        ConsumeCases.register(cases);
        LitePullCases.register(cases);
        ProduceCases.register(cases);
        QueryCases.register(cases);
        NameServerCases.register(cases);
        LinesCase.register(cases);
        RestartCase.register(cases);
        MixedCases.register(cases);
        Extra.register(cases);
        return cases;
    }
}
