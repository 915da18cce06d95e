//! Answers every call, records it, and hangs up after ten seconds.
//!
//! `cargo run -p offhook --example answer -- wss://pbx.example:8089/ws 1001 PASSWORD`

use std::time::Duration;

use futures_util::StreamExt;
use offhook::{CallOptions, Phone, Session};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, user, password] = arguments.as_slice() else { return Err("give SERVER USER PASSWORD".into()) };
    let phone = Phone::builder().server(server).user(user).password(password.as_str()).connect().await?;
    let mut incoming = phone.incoming();
    let mut calls = 0;
    while let Some(call) = incoming.next().await {
        calls += 1;
        tokio::spawn(async move {
            // A caller may give up before the answer: the next one is waiting.
            if let Err(error) = answer(&call, calls).await {
                eprintln!("{}: {error}", call.status().number);
            }
        });
    }
    Ok(())
}

async fn answer(call: &Session, count: u32) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    call.answer(CallOptions::default()).await?;
    let status = call.status();
    println!("{} is on the line", status.name);
    // The number is what the far end says it is: no path may be made of it.
    let number: String = status.number.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    let recording = call.record(format!("{count}-{number}.wav"))?;
    if tokio::time::timeout(Duration::from_secs(10), call.ended()).await.is_err() {
        call.hangup().await?;
    }
    println!("{:?}", recording.finished().await?);
    Ok(())
}
