//! Sends the steps of several orders; the steps of one order stay in order, those of different orders go at once.
//!
//! `cargo run -p mainstem-client --example ordered_producer`

use mainstem_client::{Message, Producer};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let producer = Producer::builder("example-producer").build().await?;
    let mut orders = JoinSet::new();
    for order in 0..8 {
        let producer = producer.clone();
        orders.spawn(async move {
            let key = format!("order-{order}");
            for step in ["created", "paid", "shipped"] {
                let message = Message::builder("example-orders")
                    .body(format!("{key} {step}"))
                    .key(&key)
                    .build();
                let message = message.map_err(|error| error.to_string())?;
                let receipt = producer
                    .send_ordered(message, &key)
                    .await
                    .map_err(|error| error.to_string())?;
                println!(
                    "{key} {step}: queue {} offset {}",
                    receipt.queue_id(),
                    receipt.queue_offset()
                );
            }
            Ok::<(), String>(())
        });
    }
    while let Some(order) = orders.join_next().await {
        order??;
    }
    producer.shutdown().await;
    Ok(())
}
