//! Reads a topic from its beginning to its present end, without a group and without a trace.
//!
//! `cargo run -p mainstem-client --example pull_consumer`

use std::time::Duration;

use mainstem_client::{ConsumeFrom, PullConsumer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut reader = PullConsumer::without_group()
        .from(ConsumeFrom::Earliest)
        .build()
        .await?;
    let ends = reader.end_offsets("example").await?;
    reader.subscribe("example", "*").await?;
    let mut count = 0;
    while !reader.has_reached(&ends) {
        for message in reader.poll(Duration::from_secs(1)).await? {
            println!(
                "queue {} offset {}: {}",
                message.queue_id,
                message.queue_offset,
                String::from_utf8_lossy(&message.body)
            );
            count += 1;
        }
    }
    println!("{count} messages");
    reader.shutdown().await;
    Ok(())
}
