//! Calls a number, plays a tone, and prints what happens.
//!
//! `cargo run -p offhook --example call -- wss://pbx.example:8089/ws 1000 PASSWORD 1001`

use futures_util::StreamExt;
use offhook::{AudioSource, CallOptions, Phone, ToneSpec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, user, password, number] = arguments.as_slice() else {
        return Err("give SERVER USER PASSWORD NUMBER".into());
    };
    let phone = Phone::builder().server(server).user(user).password(password.as_str()).connect().await?;
    let call = phone.call(number, CallOptions::default()).await?;
    drop(call.play(AudioSource::Tone(ToneSpec::new(440.0))));
    let mut events = call.events();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => println!("{}", event.name()),
                None => break,
            },
            _ = tokio::signal::ctrl_c() => call.hangup().await?,
        }
    }
    println!("{}", call.ended().await.cause);
    phone.shutdown().await;
    Ok(())
}
