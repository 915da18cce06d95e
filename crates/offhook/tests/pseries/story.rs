//! A working day of two extensions at the embedded PBX, from the signature to each way of being told to go.

use futures_util::StreamExt as _;
use offhook::{
    AudioSource, CallOptions, CdrQuery, CdrStatus, ClientKind, EventStream, Operator, PbxEvent, RecordStatus,
    SessionEvent, ToneSpec,
};
use offhook_pbx::Pbx;
use serde_json::{Value, json};

use crate::support::{Directory, Embedded, incoming_call, soon, until};

#[tokio::test]
async fn from_the_signature_to_the_end() {
    let recordings = Directory::new("story");
    let pbx = Embedded::of(Pbx::builder().recordings(recordings.path())).await;

    // Signed by the open API, logged in, registered.
    let (ann, bob) = (pbx.operator("1000").await, pbx.operator("1001").await);
    let (mut of_ann, mut of_bob) = (ann.pbx.events(), bob.pbx.events());

    // A call, recorded at the PBX, with sound in it.
    let (call, answered) = incoming_call(&ann, &bob).await;
    let (mut here, mut there) = (call.events(), answered.events());
    let mut ear = answered.audio_output(8_000).expect("a rate");
    drop(call.play(AudioSource::Tone(ToneSpec::new(440.0))));
    soon("recording", call.start_record()).await.expect("records");
    for events in [&mut here, &mut there] {
        status(events, "the recording", |status| status.record_status == RecordStatus::Recording).await;
    }
    soon("sound", async {
        let mut samples = [0_i16; 160];
        while ear.read(&mut samples).await == samples.len() && samples.iter().all(|sample| sample.abs() < 1_000) {}
    })
    .await;
    soon("hanging up", call.hangup()).await.expect("hangs up");
    soon("the recording", recordings.wav()).await;
    for events in [&mut of_ann, &mut of_bob] {
        until("the record", events, |event| matches!(event, PbxEvent::CdrChange(_))).await;
    }

    // A room, in which both are.
    for operator in [&bob, &ann] {
        let room = soon("calling", async {
            // A second after the last call at the earliest.
            loop {
                match operator.phone.call("7000", CallOptions::default()).await {
                    Err(offhook::PhoneError::CallTooSoon) => tokio::task::yield_now().await,
                    outcome => return outcome.expect("calls"),
                }
            }
        });
        let mut events = room.await.events();
        status(&mut events, "the room", |status| status.is_conference).await;
    }
    for operator in [&ann, &bob] {
        for session in operator.phone.sessions() {
            soon("leaving", session.hangup()).await.expect("leaves");
        }
    }
    for events in [&mut of_ann, &mut of_bob] {
        until("the record", events, |event| matches!(event, PbxEvent::CdrChange(_))).await;
    }

    // What was written down, in the view of each.
    let rows = |operator: &Operator, status: CdrStatus| {
        let query = CdrQuery { status, ..CdrQuery::new(1, 10) };
        let page = operator.pbx.cdr_query(query);
        async move {
            let page = soon("a page", page).await.expect("a page");
            page.personal_cdr_list.into_iter().map(|row| row.number).collect::<Vec<_>>()
        }
    };
    assert_eq!(rows(&ann, CdrStatus::All).await, ["7000", "1001"]);
    assert_eq!(rows(&bob, CdrStatus::Outbound).await, ["7000"]);
    assert_eq!(rows(&bob, CdrStatus::Inbound).await, ["1000"]);

    // Each way of being told to go. Bob's is first; Ann logs in anew each time.
    soon("logging in elsewhere", pbx.init("1001").await.connect()).await.expect("logged in").destroy().await;
    gone(of_bob, -107).await;
    let off = |name: &str| json!({ name: false });
    let (mut events, mut logged_in) = (of_ann, vec![ann]);
    let extension = "extensions/1000";
    let password = json!({ "password": "another-good-password-42" });
    for (asked, code, mended) in [
        (vec![("PATCH", extension, off("web_client"))], -106, Some((extension, json!({ "web_client": true })))),
        (vec![("PATCH", "settings", off("sdk_plan"))], -110, Some(("settings", json!({ "sdk_plan": true })))),
        // Her signature was of the password before: she can not log in again by herself.
        (
            vec![("PATCH", extension, password.clone()), ("POST", "extensions/1000/logout", json!({}))],
            -109,
            Some((extension, password)),
        ),
        (vec![("DELETE", extension, Value::Null)], -108, None),
    ] {
        for (method, path, body) in asked {
            pbx.admin(method, path, body).await;
        }
        gone(events, code).await;
        let Some((path, mended)) = mended else { return };
        pbx.admin("PATCH", path, mended).await;
        let init = pbx.init("1000").await.user_agent(ClientKind::WebClient);
        let again = soon("logging in", init.connect()).await.expect("logged in");
        soon("registering", again.phone.connect()).await.expect("registered");
        events = again.pbx.events();
        logged_in.push(again);
    }
}

async fn status(events: &mut EventStream<SessionEvent>, what: &str, wanted: impl Fn(&offhook::CallStatus) -> bool) {
    until(what, events, |event| matches!(event, SessionEvent::StatusChange { new_status, .. } if wanted(new_status)))
        .await;
}

async fn gone(mut events: EventStream<PbxEvent>, code: i32) {
    let error = until("the error", &mut events, |event| matches!(event, PbxEvent::RuntimeError { .. })).await;
    assert!(matches!(error, PbxEvent::RuntimeError { code: found, .. } if found == code), "{code}: {error:?}");
    soon("the end", async { while events.next().await.is_some() {} }).await;
}
