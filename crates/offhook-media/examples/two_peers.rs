//! Two peers on loopback: one plays hold music, the other says what it hears.
//!
//! `cargo run -p offhook-media --example two_peers`

use offhook_media::{Addresses, AudioSource, Direction, Peer, PeerConfig, PeerEvent, pcm_output};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = |label| PeerConfig::new(label).addresses(Addresses::Loopback);
    let (caller, _caller_events) = Peer::spawn(config("caller"))?;
    let (callee, mut callee_events) = Peer::spawn(config("callee"))?;

    let offer = caller.create_offer(Direction::SendRecv).await?;
    println!("--- offer\n{offer}");
    let answer = callee.accept_offer(offer, Direction::SendRecv).await?;
    println!("--- answer\n{answer}");
    caller.accept_answer(answer).await?;

    caller.set_source(AudioSource::Music);
    let (mut heard, sink) = pcm_output(16_000, std::time::Duration::from_secs(1))?;
    callee.set_sink(Some(Box::new(sink)));
    while let Some(event) = callee_events.recv().await {
        println!("{event:?}");
        if event == PeerEvent::Connected {
            break;
        }
    }

    let mut samples = vec![0i16; 16_000 / 4];
    for _ in 0..12 {
        heard.read(&mut samples).await;
        let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
        println!("{:>5} {}", peak, "#".repeat(usize::from(peak / 300)));
    }
    println!("{:#?}", callee.stats().await?);
    Ok(())
}
