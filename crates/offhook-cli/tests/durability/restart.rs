//! Phones come back by themselves.

use futures_util::StreamExt as _;
use offhook::{CallOptions, PhoneError, PhoneEvent};

use crate::support::{Site, Watched, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_register_again_by_themselves_after_a_crash_and_after_an_orderly_restart() {
    let site = Site::new();
    let mut pbx = site.start();
    let mut phones = Vec::new();
    for user in 1000..1008 {
        phones.push(Watched::connect(site.phone(&user.to_string())).await);
    }
    for signal in ["KILL", "TERM"] {
        pbx.signal(signal);
        for phone in &mut phones {
            phone.until(|event| matches!(event, PhoneEvent::Disconnected { .. })).await;
        }
        drop(pbx.finish());
        pbx = site.start();
        for phone in &mut phones {
            phone.until(|event| matches!(event, PhoneEvent::Registered)).await;
        }
        // Each of them can call and be called.
        for pair in phones.chunks(2) {
            let [a, b] = pair else { panic!("an odd phone") };
            let number = b.phone.clone();
            let mut incoming = number.incoming();
            let user = pbx_number(&phones, b);
            let call = soon(async {
                // A second after its last call at the earliest.
                loop {
                    match a.phone.call(user.as_str(), CallOptions::default()).await {
                        Err(PhoneError::CallTooSoon) => tokio::task::yield_now().await,
                        outcome => return outcome.expect("calls"),
                    }
                }
            })
            .await;
            let ringing = soon(incoming.next()).await.expect("rings");
            soon(ringing.answer(CallOptions::default())).await.expect("answers");
            soon(call.confirmed()).await.expect("is answered");
            soon(call.hangup()).await.expect("hangs up");
            soon(ringing.ended()).await;
        }
    }
}

fn pbx_number(phones: &[Watched], phone: &Watched) -> String {
    let index = phones.iter().position(|other| std::ptr::eq(other, phone)).expect("one of them");
    (1000 + index).to_string()
}
