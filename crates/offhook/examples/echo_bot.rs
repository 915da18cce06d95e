//! A bot: answers every call and gives back what it hears, a second later, sample by sample.
//!
//! `cargo run -p offhook --example echo_bot -- wss://pbx.example:8089/ws 1001 PASSWORD`

use futures_util::StreamExt;
use offhook::{CallOptions, MediaError, Phone, Session};

const RATE: u32 = 16_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, user, password] = arguments.as_slice() else { return Err("give SERVER USER PASSWORD".into()) };
    let phone = Phone::builder().server(server).user(user).password(password.as_str()).connect().await?;
    let mut incoming = phone.incoming();
    while let Some(call) = incoming.next().await {
        tokio::spawn(async move {
            match echo(call).await {
                Ok(()) => println!("over"),
                Err(error) => eprintln!("{error}"),
            }
        });
    }
    Ok(())
}

async fn echo(call: Session) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // What is heard before the answer would wait in the queue, so nothing is lost by opening it first.
    let (mut input, mut output) = (call.audio_input(RATE)?, call.audio_output(RATE)?);
    call.answer(CallOptions::default()).await?;
    input.write(&vec![0; RATE as usize]).await?;
    let mut samples = [0; RATE as usize / 50];
    loop {
        match output.read(&mut samples).await {
            0 => return Ok(()),
            count => match input.write(samples.get(..count).unwrap_or_default()).await {
                Ok(()) => {}
                Err(MediaError::Closed) => return Ok(()),
                Err(error) => return Err(error.into()),
            },
        }
    }
}
