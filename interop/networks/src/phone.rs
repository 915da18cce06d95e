//! A phone and a PBX in processes of their own, so that they can live in other network namespaces; see [`Remote`](crate::Remote).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use offhook::{AudioSource, CallOptions, Phone, Secret, Session, ToneSpec};
use offhook_pbx::{Extension, PSeries, Pbx};
use serde_json::{Value, json};

use crate::Ear;
use crate::remote::lines;

/// Longest wait for anything: a failure, not a rhythm.
const LIMIT: Duration = Duration::from_secs(30);
/// Of the one extension.
const PASSWORD: &str = "correct-horse-battery-staple";

/// A PBX on `config.address`: `where` gives its `url` and the `pin` of its certificate.
pub async fn serve_pbx(config: &str) {
    let config: Value = serde_json::from_str(config).expect("a configuration");
    let address = config["address"].as_str().and_then(|text| text.parse().ok()).expect("an address");
    // Beyond loopback it wants secrets of its own, though nobody uses its API here.
    let secret = |name: &str| Some(Secret::from(format!("{PASSWORD}-{name}")));
    let mut pseries = PSeries::default();
    (pseries.client_secret, pseries.admin_token) = (secret("client"), secret("admin"));
    let builder = Pbx::builder().bind(address).ws_port(None).wss_port(0).domain("pbx.example").pseries(pseries);
    let pbx = builder.extension(Extension::new("1000", "Phone", PASSWORD)).start().await.expect("a PBX");
    let pin: String = pbx.certificate_sha256().iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("wss://{}/ws", pbx.wss_address().expect("wss is on"));
    let mut lines = lines();
    while lines.recv().await.is_some() {
        println!("{}", json!({"url": url, "pin": pin}));
    }
}

/// A phone at the PBX `config.url`, whose certificate has the fingerprint `config.pin`. It calls with `call`, and tells with
/// `log` which events there were and which calls there are.
pub async fn serve_phone(config: &str) {
    let config: Value = serde_json::from_str(config).expect("a configuration");
    let text = |name: &str| config[name].as_str().expect("text").to_owned();
    let builder = Phone::builder().server(text("url")).pin_certificate(text("pin")).user("1000").password(PASSWORD);
    let phone = builder.build().expect("a phone");
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    let told = phone.on(move |event| {
        let name = event.name();
        if !["callReport", "updateTimer"].contains(&name) {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        }
    });
    let ear = Ear::default();
    let mut call: Option<Session> = None;
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let request: Value = serde_json::from_str(&line).expect("a request");
        let answer = match request["do"].as_str().unwrap_or_default() {
            "call" => match dial(&phone, &request, &ear).await {
                Ok(session) => {
                    let id = session.call_id().to_string();
                    call = Some(session);
                    json!({"call": id})
                }
                Err(error) => json!({"error": error.to_string()}),
            },
            "hears" => hears(&ear, request["tone"].as_f64().unwrap_or_default()).await,
            "log" => {
                let calls: Vec<String> = phone.sessions().iter().map(|call| call.call_id().to_string()).collect();
                let stats = match &call {
                    Some(call) => call.stats().await.ok(),
                    None => None,
                };
                let report = call.as_ref().and_then(Session::call_report);
                let report =
                    report.map(|report| json!({"loss": report.stats.loss, "jitter_ms": report.stats.jitter_ms}));
                let names = std::mem::take(&mut *events.lock().unwrap_or_else(PoisonError::into_inner));
                json!({"events": names, "calls": calls, "stats": stats, "report": report})
            }
            other => json!({"error": format!("what is {other}?")}),
        };
        println!("{answer}");
    }
    drop(told);
}

async fn dial(phone: &Phone, request: &Value, ear: &Ear) -> Result<Session, offhook::PhoneError> {
    phone.connect().await?;
    let number = request["number"].as_str().unwrap_or_default();
    let call = phone.call(number, CallOptions::default()).await?;
    call.confirmed().await?;
    call.set_sink(Some(Box::new(ear.clone())));
    drop(call.play(AudioSource::Tone(ToneSpec::new(request["tone"].as_f64().unwrap_or(440.0)))));
    Ok(call)
}

async fn hears(ear: &Ear, tone: f64) -> Value {
    ear.forget();
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if ear.share(tone) > 0.9 {
            return json!({"ms": begun.elapsed().as_millis() as u64});
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    json!({"error": format!("{} of what is heard is {tone} Hz", ear.share(tone))})
}
