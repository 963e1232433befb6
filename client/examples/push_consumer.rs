//! Prints the messages of a topic until Ctrl-C.
//!
//! `cargo run -p mainstem-client --example push_consumer`

use mainstem_client::{ConsumeFrom, Outcome, PushConsumer, ReceivedMessage};

async fn print(messages: &[ReceivedMessage]) -> Outcome {
    for message in messages {
        let text = String::from_utf8_lossy(&message.body);
        println!(
            "queue {} offset {}: {text}",
            message.queue_id, message.queue_offset
        );
    }
    Outcome::Done
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let consumer = PushConsumer::builder("example-group")
        .subscribe("example", "*")
        .from(ConsumeFrom::Earliest)
        .handler(print)
        .start()
        .await?;
    tokio::signal::ctrl_c().await?;
    consumer.shutdown().await;
    Ok(())
}
