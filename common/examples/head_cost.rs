//! What decoding a send request's head costs, and writing its reply, beside serde_json doing the least of the same:
//! `cargo run --release -p mainstem-common --example head_cost`. Nanoseconds of
//! CPU time, so that a busy machine shows little.
#![allow(clippy::expect_used, clippy::print_stdout)]

use mainstem_common::remoting::code::request;
use mainstem_common::remoting::head::{HeadType, HeadWriter, Scratch, decode};
use mainstem_common::remoting::headers::SendMessage;
use std::hint::black_box;

const HEADER: &str = r#"{"code":310,"extFields":{"a":"producer-group","b":"topic-0","c":"TBW102","d":"4","e":"3","f":"0","g":"1795347471137","h":"0","i":"UNIQ_KEY\u00017F00000100010000000000000000002A\u0002WAIT\u0001true\u0002","j":"0","k":"false","m":"false","n":"broker-a"},"flag":0,"language":"JAVA","opaque":1234,"serializeTypeCurrentRPC":"JSON","version":513}"#;

fn measure(name: &str, mut work: impl FnMut()) {
    // Long enough that the scheduler's tick, which is how often it accounts, does not matter.
    const TIMES: u32 = 1_000_000;
    let started = cpu_ns();
    (0..TIMES).for_each(|_| work());
    println!(
        "{name:32} {:7.1} ns",
        (cpu_ns() - started) as f64 / f64::from(TIMES)
    );
}

/// CPU time of this thread, as Linux accounts it.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split(' ')
        .next()
        .and_then(|ns| ns.parse().ok())
        .expect("a number")
}

fn main() {
    let header = HEADER.as_bytes();
    println!("a send header of {} bytes", header.len());
    let mut scratch = Scratch::new();
    measure("head", || {
        let request =
            decode(HeadType::Json, black_box(header), b"", &mut scratch).expect("a good head");
        black_box(request.opaque);
    });
    measure("head and typed send header", || {
        let request =
            decode(HeadType::Json, black_box(header), b"", &mut scratch).expect("a good head");
        let send =
            SendMessage::decode_for(request::SEND_MESSAGE_V2, &request.ext).expect("a good header");
        black_box((request.opaque, send));
    });
    measure("serde_json into a tree", || {
        let tree: serde_json::Value =
            serde_json::from_slice(black_box(header)).expect("a good head");
        black_box(tree);
    });
    let mut out = Vec::with_capacity(1024);
    measure("reply of a send", || {
        out.clear();
        let mut head = HeadWriter::begin(&mut out, 0, black_box(1234));
        head.text(&mut out, "MSG_REGION", "DefaultRegion");
        head.text(&mut out, "TRACE_ON", "true");
        head.text(&mut out, "msgId", "7F00000100002A9F00000000000003E8");
        head.int(&mut out, "queueId", 3);
        head.int(&mut out, "queueOffset", 123_456);
        head.text(
            &mut out,
            "transactionId",
            "7F00000100010000000000000000002A",
        );
        head.finish(&mut out, None, 0);
        black_box(&out);
    });
}
