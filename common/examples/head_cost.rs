//! What decoding a send request's head costs, and writing its reply, beside serde_json doing the least of the same:
//! `cargo run --release -p mainstem-common --example head_cost`. Nanoseconds of one thread, the best of ten rounds.
#![allow(clippy::expect_used, clippy::print_stdout)]

use mainstem_common::remoting::code::request;
use mainstem_common::remoting::head::{HeadType, HeadWriter, Scratch, decode};
use mainstem_common::remoting::headers::SendMessage;
use std::hint::black_box;
use std::time::Instant;

const HEADER: &str = r#"{"code":310,"extFields":{"a":"producer-group","b":"topic-0","c":"TBW102","d":"4","e":"3","f":"0","g":"1795347471137","h":"0","i":"UNIQ_KEY\u00017F00000100010000000000000000002A\u0002WAIT\u0001true\u0002","j":"0","k":"false","m":"false","n":"broker-a"},"flag":0,"language":"JAVA","opaque":1234,"serializeTypeCurrentRPC":"JSON","version":513}"#;

fn best_of_ten(name: &str, mut work: impl FnMut()) {
    const TIMES: u32 = 200_000;
    let best = (0..10)
        .map(|_| {
            let started = Instant::now();
            (0..TIMES).for_each(|_| work());
            started.elapsed().as_nanos() as f64 / f64::from(TIMES)
        })
        .fold(f64::INFINITY, f64::min);
    println!("{name:44} {best:7.1} ns");
}

fn main() {
    let header = HEADER.as_bytes();
    println!("a send header of {} bytes", header.len());
    let mut scratch = Scratch::new();
    best_of_ten("head", || {
        let request =
            decode(HeadType::Json, black_box(header), b"", &mut scratch).expect("a good head");
        black_box(request.opaque);
    });
    best_of_ten("head and typed send header", || {
        let request =
            decode(HeadType::Json, black_box(header), b"", &mut scratch).expect("a good head");
        let send =
            SendMessage::decode_for(request::SEND_MESSAGE_V2, &request.ext).expect("a good header");
        black_box((request.opaque, send));
    });
    best_of_ten("serde_json into a tree", || {
        let tree: serde_json::Value =
            serde_json::from_slice(black_box(header)).expect("a good head");
        black_box(tree);
    });
    let mut out = Vec::with_capacity(1024);
    best_of_ten("reply of a send", || {
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
