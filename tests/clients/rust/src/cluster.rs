//! redis-rs's cluster client, as python/cluster.py wants it: it counts up until its input ends, and then adds up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::cluster::ClusterClientBuilder;
use redis::{AsyncCommands, RedisResult};

const KEYS: u64 = 97;
/// Counts told at a time.
const TOLD: u64 = 50;
/// More than a failover takes.
const RETRIES: u32 = 64;

pub async fn count_up(port: &str) -> RedisResult<()> {
    let client = ClusterClientBuilder::new([format!("redis://127.0.0.1:{port}")])
        .retries(RETRIES)
        .build()?;
    let mut cluster = client.get_async_connection().await?;
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        told.store(true, Ordering::Relaxed);
    });
    let (mut confirmed, mut failed) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let key = format!("count:{}", (confirmed + failed) % KEYS);
        let done: RedisResult<i64> = cluster.incr(key, 1).await;
        match done {
            Ok(_) => confirmed += 1,
            Err(error) => {
                eprintln!("{error}");
                failed += 1;
            }
        }
        if (confirmed + failed) % TOLD == 0 {
            println!("{confirmed} {failed}");
        }
    }
    println!("{confirmed} {failed}");
    let mut total = 0;
    for n in 0..KEYS {
        let count: Option<u64> = cluster.get(format!("count:{n}")).await?;
        total += count.unwrap_or(0);
    }
    println!("total {total}");
    Ok(())
}
