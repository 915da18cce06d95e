//! Calls the echo of the embedded PBX (`cargo run -- pbx` in another window) and says a tone for three seconds.

use offhook::{AudioSource, CallOptions, Phone, ToneSpec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = "ws://127.0.0.1:8088/ws";
    let phone = Phone::builder().server(server).user("1000").password("secret-1000").connect().await?;

    let call = phone.call("600", CallOptions::default()).await?;
    call.confirmed().await?;
    call.play(AudioSource::Tone(ToneSpec::new(440.0)));
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    println!("{:#?}", call.stats().await?);
    call.hangup().await?;
    phone.shutdown().await;
    Ok(())
}
