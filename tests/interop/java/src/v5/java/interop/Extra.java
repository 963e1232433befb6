package interop;

/** Cases of this client version only. */
final class Extra {
    private Extra() {
    }

    static void register(Cases cases) {
        MqadminCases.register(cases);
    }
}
