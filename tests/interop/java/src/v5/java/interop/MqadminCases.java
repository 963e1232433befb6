package interop;
final class MqadminCases { static void register(Cases c) {} }
