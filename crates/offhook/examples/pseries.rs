//! Logs in to a P-Series PBX, calls the echo for three seconds, and prints the newest calls of its list.
//!
//! With `cargo run -- pbx` in another window: `cargo run -p offhook --example pseries`. At another PBX:
//! `cargo run -p offhook --example pseries -- https://pbx.example.com ann@example.com SIGNATURE NUMBER`.

use futures_util::StreamExt;
use offhook::{AudioSource, CallOptions, CdrQuery, Init, Operator, PbxEvent, ToneSpec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, username, signature, number] = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // The embedded PBX takes the password too, for want of a backend that gets signatures.
        [] => ["http://127.0.0.1:8088", "1000", "secret-1000", "600"],
        [url, username, signature, number] => [url, username, signature, number],
        _ => return Err("give URL USERNAME SIGNATURE NUMBER, or nothing".into()),
    };
    let Operator { phone, pbx } = Init::new(url, username, signature).connect().await?;
    println!("extension {} ({})", pbx.extension_number(), pbx.extension_name());
    let mut events = pbx.events();
    phone.connect().await?;

    let call = phone.call(number, CallOptions::default()).await?;
    call.confirmed().await?;
    drop(call.play(AudioSource::Tone(ToneSpec::new(440.0))));
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    call.hangup().await?;

    // The PBX tells when it has written the call down.
    let written = async {
        while let Some(event) = events.next().await {
            match event {
                PbxEvent::CdrChange(_) => break,
                PbxEvent::RuntimeError { message, .. } => println!("{message}"),
                _ => {}
            }
        }
    };
    if tokio::time::timeout(std::time::Duration::from_secs(3), written).await.is_err() {
        println!("(not written down yet)");
    }
    for row in pbx.cdr_query(CdrQuery::new(1, 5)).await?.personal_cdr_list {
        println!("{} {}  {}  {}  {} s", row.date, row.time, row.number, row.disposition, row.talk_duration);
    }
    pbx.logout().await?;
    Ok(())
}
