//! Messages that cross, at every offset, between phones and with a far end that is played by hand.

use offhook_core::{CallId, CallState, PhoneError, PhoneEvent, SessionEvent};
use offhook_sim::{PeerId, PhoneId, World};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=sendrecv\r\n";

/// A world, its phones by these names, and a call that the first makes to the second and that is answered.
fn talking(names: &[&str]) -> (World, Vec<PhoneId>, CallId) {
    let mut world = World::new(31);
    let phones: Vec<PhoneId> = names.iter().map(|name| world.phone(name)).collect();
    let call = world.call(phones[0], names[1]).expect("registered");
    world.run(300);
    world.answer(phones[1], &call).expect("rings");
    world.run(2_000);
    for phone in &phones {
        world.take_events(*phone);
    }
    (world, phones, call)
}

fn quiet(world: &mut World) {
    for phone in world.phones() {
        for call in world.calls(phone) {
            // It may have ended with the one before.
            let _ = world.hangup(phone, &call);
        }
    }
    world.run(400_000);
    for phone in world.phones() {
        assert!(world.calls(phone).is_empty() && world.ledger(phone).pending() == 0, "{}", world.name(phone));
        let load = world.view(phone).load();
        assert_eq!((load.calls, load.server_transactions), (0, 0));
    }
}

/// A response to a request, as a far end would write it.
fn reply(request: &str, status: &str, tag: &str, extra: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().skip(1).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or("");
        if ["Via", "From", "Call-ID", "CSeq"].contains(&name)
            || (name == "To" && (tag.is_empty() || line.contains("tag=")))
        {
            text += &format!("{line}\r\n");
        } else if name == "To" {
            text += &format!("{line};tag={tag}\r\n");
        }
    }
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    text + &format!("Contact: <sip:carl@carl.invalid>\r\n{extra}{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// What a peer heard, by method or status.
fn heard(world: &mut World, peer: PeerId) -> Vec<String> {
    let first = |text: String| text.split(' ').next().unwrap_or("").to_owned();
    world.take_heard(peer).into_iter().map(first).collect()
}

#[test]
fn a_refer_that_crosses_a_bye_ends_the_call_once_and_settles_the_transfer() {
    for after_ms in (0..240).step_by(4) {
        let (mut world, phones, call) = talking(&["ann", "bob", "cy"]);
        world.command(phones[0], |phone, now| phone.blind_transfer(now, &call, "cy")).expect("talking");
        world.run(after_ms);
        world.hangup(phones[1], &call).expect("talking");
        world.run(3_000);
        assert!(world.view(phones[0]).session(&call).is_none() && world.view(phones[1]).session(&call).is_none());
        assert_eq!(world.ledger(phones[0]).pending(), 0, "{after_ms}");
        let events = world.take_events(phones[0]);
        let ends = events.iter().filter(|e| matches!(e, PhoneEvent::Session(SessionEvent::Ended(_)))).count();
        assert_eq!(ends, 1, "{after_ms}");
        quiet(&mut world);
    }
}

#[test]
fn two_refers_that_cross_are_both_carried_out_or_both_settled() {
    for after_ms in [0, 5, 15, 30, 60, 90, 150, 400] {
        let (mut world, phones, call) = talking(&["ann", "bob", "cy", "dan"]);
        let [ann, bob, cy, dan] = phones[..] else { unreachable!("four names") };
        world.command(ann, |phone, now| phone.blind_transfer(now, &call, "cy")).expect("talking");
        world.run(after_ms);
        // Refused when Ann's call is gone already.
        let crossed = world.command(bob, |phone, now| phone.blind_transfer(now, &call, "dan")).is_ok();
        assert!(crossed, "{after_ms}");
        world.run(2_000);
        for phone in [cy, dan] {
            if let Some(rings) = world.ringing(phone) {
                world.answer(phone, &rings).expect("rings");
            }
        }
        world.run(60_000);
        assert!(world.view(ann).session(&call).is_none() && world.view(bob).session(&call).is_none(), "{after_ms}");
        for phone in [ann, bob] {
            assert_eq!(world.ledger(phone).pending(), 0, "{after_ms}");
        }
        // Who was sent there is there.
        assert_eq!((world.calls(bob), world.calls(ann)), (world.calls(cy), world.calls(dan)), "{after_ms}");
        assert!(!world.calls(cy).is_empty(), "{after_ms}");
        quiet(&mut world);
    }
}

#[test]
fn an_info_that_crosses_a_bye_is_settled() {
    for after_ms in 0..70 {
        let (mut world, phones, call) = talking(&["ann", "bob"]);
        world.command(phones[0], |phone, now| phone.send_info(now, &call, "text/plain", "hello")).expect("talking");
        world.run(after_ms);
        world.hangup(phones[1], &call).expect("talking");
        world.run(1_000);
        assert!(world.calls(phones[0]).is_empty() && world.calls(phones[1]).is_empty());
        assert_eq!(world.ledger(phones[0]).pending(), 0, "{after_ms}");
        quiet(&mut world);
    }
}

#[test]
fn two_calls_that_cross_between_the_same_phones_ring_at_both_and_either_can_be_taken() {
    for after_ms in [0, 3, 10, 25] {
        let mut world = World::new(8);
        let (ann, bob) = (world.phone("ann"), world.phone("bob"));
        let hers = world.call(ann, "bob").expect("registered");
        world.run(after_ms);
        let his = world.call(bob, "ann").expect("nothing rings yet");
        world.run(500);
        assert_eq!((world.ringing(ann), world.ringing(bob)), (Some(his.clone()), Some(hers.clone())));
        // Each has a call that is not connected yet.
        assert_eq!(world.answer(ann, &his), Err(PhoneError::CallNotConnected));
        assert_eq!(world.answer(bob, &hers), Err(PhoneError::CallNotConnected));
        world.hangup(ann, &hers).expect("rings there");
        world.run(500);
        world.answer(ann, &his).expect("the only one left");
        world.run(2_000);
        assert!(world.is_talking(ann, &his) && world.is_talking(bob, &his));
        assert_eq!((world.calls(ann).len(), world.calls(bob).len()), (1, 1));
        quiet(&mut world);
    }
}

#[test]
fn a_reliable_provisional_response_that_was_not_asked_for_gets_no_prack_and_the_call_is_answered_all_the_same() {
    let mut world = World::new(4);
    let (ann, carl) = (world.phone("ann"), world.peer("carl"));
    let call = world.call(ann, "carl").expect("registered");
    world.run(300);
    let invite = world.take_heard(carl).pop().expect("the INVITE");
    assert!(!invite.contains("100rel"), "we do not offer it (RFC 3262 §4), so nobody may use it");
    world.say_as(carl, &reply(&invite, "183 Progress", "c", "Require: 100rel\r\nRSeq: 7\r\n", SDP));
    world.run(2_000);
    assert_eq!(heard(&mut world, carl), [""; 0], "no PRACK");
    let status = |world: &World| world.view(ann).session(&call).map(|s| s.status().call_status);
    assert_eq!(status(&world), Some(CallState::Ringing), "it counts as any 183");
    world.say_as(carl, &reply(&invite, "200 OK", "c", "", SDP));
    world.run(500);
    assert_eq!(heard(&mut world, carl), ["ACK"]);
    assert!(world.is_talking(ann, &call));
    world.hangup(ann, &call).expect("talking");
    world.run(500);
    assert_eq!(heard(&mut world, carl), ["BYE"]);
    quiet(&mut world);
}

#[test]
fn a_cancel_that_crosses_provisional_responses_is_sent_once_and_they_are_not_told() {
    let mut world = World::new(4);
    let (ann, carl) = (world.phone("ann"), world.peer("carl"));
    let call = world.call(ann, "carl").expect("registered");
    world.run(300);
    let invite = world.take_heard(carl).pop().expect("the INVITE");
    world.hangup(ann, &call).expect("calls");
    world.run(200);
    assert_eq!(heard(&mut world, carl), [""; 0], "the CANCEL waits for a 1xx");
    world.take_events(ann);
    // Two branches ring as the CANCEL is on its way, one with a description.
    world.say_as(carl, &reply(&invite, "180 Ringing", "c", "", ""));
    world.say_as(carl, &reply(&invite, "183 Progress", "d", "", SDP));
    world.run(300);
    world.say_as(carl, &reply(&invite, "180 Ringing", "c", "", ""));
    world.run(300);
    let cancel = world.take_heard(carl);
    assert!(matches!(&cancel[..], [one] if one.starts_with("CANCEL ")), "{cancel:?}");
    world.say_as(carl, &reply(&cancel[0], "200 OK", "c", "", ""));
    world.say_as(carl, &reply(&invite, "487 Request Terminated", "c", "", ""));
    world.run(300);
    assert_eq!(heard(&mut world, carl), ["ACK"]);
    let told: Vec<&str> = world.take_events(ann).iter().map(PhoneEvent::name).filter(|n| *n != "updateTimer").collect();
    assert_eq!(told, ["failed", "deleteSession"], "nothing of the ringing");
    quiet(&mut world);
}
