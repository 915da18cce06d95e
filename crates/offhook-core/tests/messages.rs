//! What else goes through a call: MESSAGE, volume, ICE restarts; and what is under it.

mod common;

use common::{A, B, World};
use offhook_core::{CommunicationType, MediaCommand, PhoneError, SignalingState, Volume};

#[test]
fn a_message_is_answered_told_on_both_sides_and_settled() {
    let mut world = World::new();
    let (a, b) = world.talk();
    let command = world.act(A, |phone, now| phone.send_message(now, &a, "text/plain", "hello")).expect("sends");
    assert_eq!(world.log(A), ["newMessage local hello"]);
    world.run(200);
    assert_eq!(world.log(B), ["newMessage remote hello"]);
    assert_eq!((world.outcome(A, command), world.sent(B)), (Some(Ok(())), vec!["200 MESSAGE".to_owned()]));
    let bad = world.act(A, |phone, now| phone.send_message(now, &a, "text/plain\r\nX: y", "hello"));
    assert!(matches!(bad, Err(PhoneError::InvalidArgument { .. })));
    world.act(B, |phone, now| phone.hangup(now, &b)).expect("hangs up");
    world.run(500);
    let late = world.act(A, |phone, now| phone.send_message(now, &a, "text/plain", "hello"));
    assert_eq!(late, Err(PhoneError::UnknownCall));
}

#[test]
fn a_message_before_the_answer_is_refused() {
    let mut world = World::new();
    let (a, _) = world.ring();
    let early = world.act(A, |phone, now| phone.send_message(now, &a, "text/plain", "hello"));
    assert!(matches!(early, Err(PhoneError::WrongState { .. })));
}

#[test]
fn the_volume_reaches_the_peer_connection_also_when_it_is_opened_later() {
    let volumes = |world: &mut World, who: usize| -> Vec<f64> {
        let asked = &world.media(who).asked;
        asked.iter().filter_map(|c| if let MediaCommand::SetVolume(v) = c { Some(v.factor()) } else { None }).collect()
    };
    let mut world = World::new();
    let (a, b) = world.ring();
    let half = Volume::new(0.5).expect("in range");
    world.act(B, |phone, now| phone.set_volume(now, &b, half)).expect("sets");
    assert_eq!(volumes(&mut world, B), [0.0; 0], "there is none yet");
    world.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
    world.run(500);
    assert_eq!(volumes(&mut world, B), [0.5]);
    let command = world.act(A, |phone, now| phone.set_volume(now, &a, half)).expect("sets");
    assert_eq!((volumes(&mut world, A), world.outcome(A, command)), (vec![0.5], Some(Ok(()))));
    for factor in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(Volume::new(factor), None, "{factor}");
    }
}

#[test]
fn an_ice_restart_is_an_offer_with_new_credentials_and_settled() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let command = world.act(A, |phone, now| phone.restart_ice(now, &a)).expect("restarts");
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    let restarts =
        world.media(A).asked.iter().any(|c| matches!(c, MediaCommand::CreateOffer { ice_restart: true, .. }));
    assert!(restarts);
    let command = world.act(A, |phone, now| phone.renegotiate(now, &a, None)).expect("renegotiates");
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    let restart = matches!(
        world.media(A).asked.iter().rev().find(|c| matches!(c, MediaCommand::CreateOffer { .. })),
        Some(MediaCommand::CreateOffer { ice_restart: true, .. })
    );
    assert!(!restart, "once");
}

#[test]
fn what_is_under_a_call_can_be_looked_at() {
    let mut world = World::new();
    let (a, b) = world.ring();
    let rtc = |world: &World, who, call| world.phone(who).rtc_session(call).expect("there");
    let ringing = rtc(&world, A, &a);
    assert_eq!((ringing.call_id.clone(), ringing.direction), (a.clone(), CommunicationType::Outbound));
    assert_eq!(ringing.signaling_state, SignalingState::HaveLocalOffer);
    assert_eq!(ringing.local_uri.as_deref(), Some("sip:1000@pbx.example"));
    assert_eq!(ringing.remote_uri.as_deref(), Some("sip:1001@pbx.example"));
    assert!(ringing.local_tag.is_some() && ringing.local_sdp.is_some() && ringing.remote_sdp.is_none());
    world.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
    assert_eq!(rtc(&world, B, &b).signaling_state, SignalingState::HaveRemoteOffer);
    world.run(500);
    let (caller, callee) = (rtc(&world, A, &a), rtc(&world, B, &b));
    assert_eq!((caller.signaling_state, callee.signaling_state), (SignalingState::Stable, SignalingState::Stable));
    assert_eq!(callee.direction, CommunicationType::Inbound);
    assert_eq!((caller.local_sdp, caller.remote_sdp), (callee.remote_sdp, callee.local_sdp));
    assert!(caller.remote_tag.is_some() && callee.remote_tag.is_some());
    let json = serde_json::to_value(rtc(&world, A, &a)).expect("serialises");
    assert_eq!((json["signalingState"].as_str(), json["direction"].as_str()), (Some("stable"), Some("outbound")));
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    world.run(500);
    assert_eq!(world.phone(A).rtc_session(&a), None);
}
