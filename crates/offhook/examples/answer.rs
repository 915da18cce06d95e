//! Answers every call, records it, and hangs up after ten seconds.
//!
//! `cargo run -p offhook --example answer -- wss://pbx.example:8089/ws 1001 PASSWORD`

use std::time::Duration;

use futures_util::StreamExt;
use offhook::{CallOptions, Phone};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, user, password] = arguments.as_slice() else { return Err("give SERVER USER PASSWORD".into()) };
    let phone = Phone::builder().server(server).user(user).password(password.as_str()).connect().await?;
    let mut incoming = phone.incoming();
    while let Some(call) = incoming.next().await {
        let file = format!("{}.wav", call.status().number);
        let recording = call.record(&file)?;
        call.answer(CallOptions::default()).await?;
        println!("{} is on the line", call.status().name);
        if tokio::time::timeout(Duration::from_secs(10), call.ended()).await.is_err() {
            call.hangup().await?;
        }
        println!("{:?}", recording.finished().await?);
    }
    Ok(())
}
