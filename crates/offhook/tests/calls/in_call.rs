//! More of what can be done in a call, and with a phone.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use offhook::{
    CallOptions, Cause, Devices, IceServer, IceTransportPolicy, PhoneError, ReconnectPolicy, RecordMethod,
    RecordStatus, SessionEvent, SignalingState, StaticPatch, TerminateType,
};

use crate::support::{Talk, at, ear, hears, hears_nothing, pbx, phone, soon, talk, tone, until};

#[tokio::test]
async fn an_ice_restart_is_agreed_and_both_still_hear_each_other() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    let credentials = |sdp: Option<String>| {
        let sdp = sdp.expect("described");
        let of = |name: &str| sdp.lines().find_map(|line| line.strip_prefix(name)).expect("ICE").to_owned();
        [of("a=ice-ufrag:"), of("a=ice-pwd:")]
    };
    let before = credentials(soon(a.rtc_session()).await.expect("there").local_sdp);
    soon(a.restart_ice()).await.expect("is agreed");
    let after = credentials(soon(a.rtc_session()).await.expect("there").local_sdp);
    assert!(before[0] != after[0] && before[1] != after[1], "{before:?}, {after:?}");
    let (mut at_a, mut at_b) = (ear(&a), ear(&b));
    a.play(tone(440.0));
    b.play(tone(1_000.0));
    hears(&mut at_b, 440.0).await;
    hears(&mut at_a, 1_000.0).await;
}

#[tokio::test]
async fn what_is_under_a_call_can_be_looked_at() {
    let Talk { a, b: _b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    let rtc = soon(a.rtc_session()).await.expect("there");
    assert_eq!((rtc.call_id, rtc.signaling_state), (a.call_id().clone(), SignalingState::Stable));
    assert!(rtc.local_tag.is_some() && rtc.remote_tag.is_some() && rtc.remote_sdp.is_some());
    soon(a.hangup()).await.expect("hangs up");
    assert_eq!(soon(a.rtc_session()).await.map(drop), Err(PhoneError::UnknownCall));
}

#[tokio::test]
async fn a_filter_sees_and_changes_descriptions_and_its_panic_harms_nothing() {
    let pbx = pbx().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let filter = move |step: &offhook::SdpStep<'_>| {
        noted.lock().expect("no panic under the lock").push(format!("{:?} {:?}", step.originator, step.kind));
        assert!(step.originator == offhook::events::Side::Local, "the program's own fault");
        // Opus goes, G.711 stays.
        let line = |line: &str| !line.contains(":111 ") && !line.contains(":110 ");
        let without = step.sdp.split_inclusive("\r\n").filter(|text| line(text)).collect::<String>();
        Some(without.replace("SAVPF 111", "SAVPF").replace(" 110", ""))
    };
    let alice = soon(at(&pbx, "1000").sdp_filter(filter).connect()).await.expect("registers");
    let call = soon(alice.call("600", CallOptions::default())).await.expect("calls");
    soon(call.confirmed()).await.expect("is answered");
    assert_eq!(*seen.lock().expect("no panic"), ["Local Offer", "Remote Answer"]);
    let rtc = soon(call.rtc_session()).await.expect("there");
    assert!(!rtc.local_sdp.expect("sent").contains("opus"));
    assert!(!rtc.remote_sdp.expect("came").contains("opus"), "the far end never heard of it");
}

#[tokio::test]
async fn the_volume_is_what_is_heard_and_other_numbers_are_refused() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    let mut heard = ear(&b);
    a.play(tone(440.0));
    hears(&mut heard, 440.0).await;
    soon(b.set_volume(0.0)).await.expect("sets");
    hears_nothing(&mut heard).await;
    soon(b.set_volume(1.0)).await.expect("sets");
    hears(&mut heard, 440.0).await;
    for volume in [-0.1, 1.5, f64::NAN] {
        assert!(matches!(soon(b.set_volume(volume)).await, Err(PhoneError::InvalidArgument { .. })));
    }
}

#[tokio::test]
async fn what_this_build_cannot_do_is_refused_and_said() {
    let Talk { a, b: _b, pbx: _pbx, alice, bob: _bob } = talk().await;
    let unsupported = |result: Result<(), PhoneError>| assert!(matches!(result, Err(PhoneError::Unsupported { .. })));
    unsupported(soon(a.set_input_device("x")).await);
    unsupported(soon(a.set_output_device("x")).await);
    let options = CallOptions { input_device: Some("x".to_owned()), ..CallOptions::default() };
    unsupported(soon(alice.call("600", options)).await.map(drop));
    let turn = IceServer { urls: vec!["turn:turn.example".to_owned()], username: None, credential: None };
    for options in [
        CallOptions { ice_servers: vec![turn], ..CallOptions::default() },
        CallOptions { ice_transport_policy: IceTransportPolicy::Relay, ..CallOptions::default() },
    ] {
        let refused = soon(alice.call("600", options)).await.map(drop);
        assert!(matches!(refused, Err(PhoneError::InvalidArgument { .. })), "{refused:?}");
    }
    assert_eq!(alice.sessions().len(), 1);
}

#[tokio::test]
async fn the_ice_servers_of_a_call_are_asked_and_a_silent_one_does_not_keep_it() {
    let (pbx, turn) = (pbx().await, tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("binds"));
    let alice = phone(&pbx, "1000").await;
    let url = format!("turn:{}", turn.local_addr().expect("an address"));
    let server = IceServer { urls: vec![url], username: Some("ada".to_owned()), credential: Some("hidden".into()) };
    let options = CallOptions { ice_servers: vec![server], ..CallOptions::default() };
    let call = soon(alice.call("600", options)).await.expect("calls");
    let mut request = [0u8; 1_500];
    soon(turn.recv(&mut request)).await.expect("is asked");
    assert_eq!(request[..2], [0, 3], "an Allocate request (RFC 8656)");
    soon(call.confirmed()).await.expect("talks all the same");
}

#[tokio::test]
async fn the_ice_servers_of_a_phone_are_those_of_each_call_that_names_none() {
    let (pbx, turn) = (pbx().await, tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("binds"));
    let url = format!("turn:{}", turn.local_addr().expect("an address"));
    let server = IceServer { urls: vec![url], username: Some("ada".to_owned()), credential: Some("hidden".into()) };
    let made = |servers: Vec<IceServer>, policy| {
        at(&pbx, "1000").ice_servers(servers).ice_transport_policy(policy).build().map(|phone| phone.config().clone())
    };
    let config = made(vec![server.clone()], IceTransportPolicy::Relay).expect("is made");
    assert!(config.ice_servers[0].credential.is_none() && config.ice_servers[0].urls == server.urls);
    let unknown = IceServer { urls: vec!["http://turn.example".to_owned()], ..config.ice_servers[0].clone() };
    for (servers, policy) in [(vec![unknown], IceTransportPolicy::All), (Vec::new(), IceTransportPolicy::Relay)] {
        let refused = made(servers, policy).map(drop);
        assert!(matches!(refused, Err(PhoneError::InvalidArgument { .. })), "{refused:?}");
    }

    // An inbound call is answered without a word about them.
    let alice = soon(at(&pbx, "1000").ice_servers([server]).ice_transport_policy(IceTransportPolicy::Relay).connect());
    let (alice, bob) = (alice.await.expect("registers"), phone(&pbx, "1001").await);
    let mut incoming = alice.incoming();
    let _ringing = soon(bob.call("1000", CallOptions::default())).await.expect("calls");
    let call = soon(incoming.next()).await.expect("rings");
    let answered = call.answer(CallOptions::default());
    let mut request = [0u8; 1_500];
    soon(turn.recv(&mut request)).await.expect("is asked");
    assert_eq!(request[..2], [0, 3], "an Allocate request (RFC 8656)");
    drop(answered);
}

#[tokio::test]
async fn a_destroyed_call_is_silent_and_gone_and_the_far_end_is_told() {
    let Talk { a, b, pbx: _pbx, alice, bob: _bob } = talk().await;
    let mut events = a.events();
    soon(a.destroy()).await.expect("destroys");
    assert!(alice.sessions().is_empty());
    assert_eq!(soon(a.ended()).await.cause, Cause::Terminated);
    assert_eq!(soon(b.ended()).await.cause, Cause::Terminated);
    let after = soon(events.by_ref().collect::<Vec<_>>()).await;
    assert!(after.iter().all(|event| !event.is_final()), "{after:?}");
    assert_eq!(soon(a.destroy()).await, Err(PhoneError::UnknownCall));
}

#[tokio::test]
async fn a_destroyed_phone_hangs_up_and_takes_no_more_commands() {
    let Talk { a, b, pbx: _pbx, alice, bob: _bob } = talk().await;
    let mut events = alice.events();
    soon(alice.destroy()).await;
    assert_eq!(soon(b.ended()).await.cause, Cause::Terminated);
    while soon(events.next()).await.is_some() {}
    assert_eq!(soon(a.ended()).await.cause, Cause::Terminated);
    assert_eq!(soon(alice.call("600", CallOptions::default())).await.map(drop), Err(PhoneError::Stopped));
    assert_eq!(soon(alice.connect()).await, Err(PhoneError::Stopped));
}

#[tokio::test]
async fn the_current_call_is_the_last_one_until_another_is_chosen() {
    let Talk { a, b: _b, pbx, alice, bob: _bob } = talk().await;
    assert_eq!(alice.current_session_id().as_ref(), Some(a.call_id()));
    let third = phone(&pbx, "1002").await;
    let mut incoming = alice.incoming();
    let call = soon(third.call("1000", CallOptions::default())).await.expect("calls");
    let second = soon(incoming.next()).await.expect("rings");
    assert_eq!(alice.incoming_list().len(), 1);
    soon(alice.answer(second.call_id(), CallOptions::default())).await.expect("answers");
    soon(call.confirmed()).await.expect("is confirmed");
    assert_eq!(alice.current_session().expect("one").call_id(), second.call_id());
    soon(alice.set_current_session(Some(a.call_id()))).await.expect("chooses");
    assert_eq!(alice.current_session_id().as_ref(), Some(a.call_id()));
    soon(alice.unhold(a.call_id())).await.expect("resumes");
    assert!(!a.status().is_hold);
    let mut events = second.events();
    if !second.status().is_hold {
        until(
            &mut events,
            |event| matches!(event, SessionEvent::StatusChange { new_status, .. } if new_status.is_hold),
        )
        .await;
    }
    soon(alice.hangup(a.call_id())).await.expect("hangs up");
    assert_eq!(alice.current_session_id().as_ref(), Some(second.call_id()));
}

#[tokio::test]
async fn a_phone_says_what_it_was_made_with_without_what_is_secret() {
    let pbx = pbx().await;
    let policy = ReconnectPolicy { max_attempts: Some(3), ..ReconnectPolicy::default() };
    let alice = at(&pbx, "1000").call_waiting(false).reconnect(policy).build().expect("is made");
    assert_eq!(alice.re_registry_phone_times(), Some(3));
    let config = alice.config();
    assert_eq!((config.extension.as_str(), config.call_waiting, config.reconnect), ("1000", false, policy));
    assert!(config.credentials.is_none() && config.seed.expose() == [0; 32]);
    let without = at(&pbx, "1001").build().expect("is made");
    assert_eq!(without.re_registry_phone_times(), None, "no limit");
}

#[tokio::test]
async fn a_phone_says_when_it_takes_no_more_calls() {
    let Talk { a, b, pbx, alice, bob } = talk().await;
    let third = phone(&pbx, "1002").await;
    assert!(!alice.is_max_call() && !bob.is_max_call());
    soon(bob.set_call_waiting(false)).await.expect("sets");
    assert!(bob.is_max_call(), "without call waiting one is enough");
    let mut incoming = alice.incoming();
    soon(third.call("1000", CallOptions::default())).await.expect("calls");
    let second = soon(incoming.next()).await.expect("rings");
    assert!(alice.is_max_call(), "one that rings counts");
    soon(second.reject()).await.expect("refuses");
    assert!(!alice.is_max_call());
    soon(bob.hangup(b.call_id())).await.expect("hangs up");
    assert!(!bob.is_max_call());
    soon(a.ended()).await;
}

#[tokio::test]
async fn a_phone_says_whether_there_is_a_camera() {
    let pbx = pbx().await;
    let alice = phone(&pbx, "1000").await;
    assert!(!alice.is_none_camera(), "not that it knew of");
    soon(alice.set_devices(Devices { inputs: Some((1, 0)), ..Devices::default() })).await.expect("sets");
    assert!(alice.is_none_camera());
    soon(alice.set_devices(Devices::default())).await.expect("sets");
    assert!(!alice.is_none_camera());
}

#[tokio::test]
async fn each_method_of_a_call_exists_with_its_name() {
    let directory = std::env::temp_dir().join(format!("offhook-by-id-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let pbx = pbx().await;
    let method = RecordMethod::Local { directory: directory.clone() };
    let alice = soon(at(&pbx, "1000").record_method(method).connect()).await.expect("registers");
    let call = soon(alice.call("600", CallOptions::default())).await.expect("calls");
    soon(call.confirmed()).await.expect("is answered");
    let id = call.call_id();
    soon(alice.start_record(id)).await.expect("records");
    assert_eq!(call.status().record_status, RecordStatus::Recording);
    soon(alice.pause_record(id)).await.expect("pauses");
    assert_eq!(call.status().record_status, RecordStatus::Pause);
    soon(alice.mute(id)).await.expect("mutes");
    assert!(call.status().is_mute);
    soon(alice.unmute(id)).await.expect("unmutes");
    soon(alice.hold(id)).await.expect("holds");
    assert!(call.status().is_hold);
    soon(alice.unhold(id)).await.expect("resumes");
    soon(alice.dtmf(id, "1")).await.expect("sends");
    soon(alice.renegotiate(id, None)).await.expect("is agreed");
    let patch = StaticPatch { name: Some("Ann".to_owned()), ..StaticPatch::default() };
    soon(alice.set_session_static_status(id, patch, Some(true))).await.expect("sets");
    assert_eq!(call.status().name, "Ann");
    soon(alice.terminate(id, TerminateType::Terminate)).await.expect("ends");
    for unknown in [alice.start_record(id), alice.pause_record(id), alice.hold(id), alice.hangup(id), alice.reject(id)]
    {
        assert_eq!(soon(unknown).await, Err(PhoneError::UnknownCall));
    }
    soon(call.recorded()).await.expect("is written");
    std::fs::remove_dir_all(&directory).expect("cleans up");
}

#[tokio::test]
async fn a_phone_registers_again_with_another_proof() {
    let pbx = pbx().await;
    let alice = phone(&pbx, "1000").await;
    let refused = soon(alice.reregister("1000", "00112233445566778899aabbccddeeff")).await.expect_err("wrong");
    assert_eq!(refused.code(), -201);
    assert!(!alice.is_registered());
}
