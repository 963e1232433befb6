//! Sends ten messages, one after the other, then a batch.
//!
//! `cargo run -p mainstem-client --example producer` against a standalone broker, or any other by NAMESRV_ADDR.

use mainstem_client::{Message, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let producer = Producer::builder("example-producer").build().await?;
    for n in 0..10 {
        let message = Message::builder("example")
            .body(format!("hello {n}"))
            .tag("greeting")
            .key(format!("key-{n}"))
            .build()?;
        let receipt = producer.send(message).await?;
        println!(
            "{} is in queue {} at {}",
            receipt.message_id(),
            receipt.queue_id(),
            receipt.queue_offset()
        );
    }
    let batch: Result<Vec<Message>, _> = (0..100)
        .map(|n| {
            Message::builder("example")
                .body(format!("one of many: {n}"))
                .build()
        })
        .collect();
    let receipt = producer.send_batch(batch?).await?;
    println!(
        "{} messages are in queue {} from {}",
        receipt.len(),
        receipt.queue().queue_id,
        receipt.first_queue_offset()
    );
    producer.shutdown().await;
    Ok(())
}
