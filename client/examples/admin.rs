//! Makes a topic, looks at it from all sides, looks a message up, and removes the topic.
//!
//! `cargo run -p mainstem-client --example admin`

use mainstem_client::{Admin, Message, NewTopic, Producer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let admin = Admin::builder().build().await?;
    for broker in admin.brokers().await? {
        println!(
            "{} at {}: {} messages/s in",
            broker.name,
            broker.addr,
            broker.put_rate().unwrap_or(0.0)
        );
    }
    admin
        .create_topic(&NewTopic::new("example-admin", 4))
        .await?;

    let producer = Producer::builder("example-producer").build().await?;
    let receipt = producer
        .send(
            Message::builder("example-admin")
                .body("look me up")
                .key("k1")
                .build()?,
        )
        .await?;
    producer.shutdown().await;

    let found = admin
        .message_by_id("example-admin", receipt.offset_message_id())
        .await?;
    println!(
        "by id: {:?}",
        found.map(|message| String::from_utf8_lossy(&message.body).into_owned())
    );
    let stats = admin.topic_stats("example-admin").await?;
    for (queue, offsets) in stats.offset_table {
        println!(
            "queue {} of {}: {}..{}",
            queue.queue_id, queue.broker_name, offsets.min_offset, offsets.max_offset
        );
    }
    let lag = admin.group_lag("example-group", None).await?;
    println!("{} is {} messages behind", lag.group, lag.total());
    admin.delete_topic("example-admin", None).await?;
    admin.shutdown().await;
    Ok(())
}
