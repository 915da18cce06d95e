//! Calls outlive connections.

use offhook_sip::{Event, HeaderField, ModifyOutcome, NameAddr, Uri};

use super::network::{Network, SDP, Who, refresh, reinvite};

fn move_call(net: &mut Network, who: Who, call: offhook_sip::CallKey) -> Event {
    let contact = NameAddr::new(Uri::parse("sip:moved@client.invalid;transport=ws").expect("a URI"));
    net.command(who, |agent, now| {
        agent.rebind(now, call, offhook_sip::ConnectionId(0), contact).expect("moved");
        let modify = reinvite(SDP);
        agent.modify(now, call, modify).expect("sent");
    });
    net.events(who).into_iter().rfind(|event| matches!(event, Event::Modified { .. })).expect("an answer")
}

#[test]
fn a_call_survives_the_loss_of_a_connection_and_moves_to_the_next() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, theirs) = net.established(a, b);
    net.disconnect(a);
    net.advance(5_000);
    assert_eq!(net.switch.calls(), 1);
    assert!(net.events(b).is_empty(), "the other side notices nothing");
    net.reconnect(a);
    net.register(a, 600, "secret-1000");
    net.events(a);
    let moved = move_call(&mut net, a, ours);
    assert!(matches!(moved, Event::Modified { outcome: ModifyOutcome::Accepted { .. }, .. }), "{moved:?}");
    // What the other side does reaches the new connection.
    net.command(b, |agent, now| agent.hangup(now, theirs, None)).expect("ends");
    assert!(net.ended(a).established);
    net.assert_nothing_left();
}

#[test]
fn only_the_owner_may_move_a_call() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, _) = net.established(a, b);
    net.disconnect(a);
    net.reconnect(a);
    // It knows the dialog, but has not proven who it is.
    let moved = move_call(&mut net, a, ours);
    let Event::Modified { outcome: ModifyOutcome::Refused { status, .. }, .. } = moved else { panic!("{moved:?}") };
    assert_eq!(status, 403);
    assert_eq!(net.switch.calls(), 1);
}

#[test]
fn a_side_that_is_away_does_not_keep_the_other_from_hanging_up() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (_, theirs) = net.established(a, b);
    net.disconnect(a);
    net.command(b, |agent, now| agent.hangup(now, theirs, None)).expect("ends");
    assert_eq!(net.switch.calls(), 0);
    net.assert_nothing_left();
}

#[test]
fn whatever_its_owner_sends_first_on_a_new_connection_takes_the_call_along() {
    for first in ["UPDATE", "REFER", "INFO", "MESSAGE"] {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        let (ours, theirs) = net.established(a, b);
        net.disconnect(a);
        net.come_back(a, ours);
        net.command(a, |agent, now| match first {
            "UPDATE" => agent.modify(now, ours, refresh()).expect("sent"),
            "REFER" => {
                let nowhere = HeaderField::new("Refer-To", "<sip:4242@localhost>").expect("a header");
                agent.request(now, ours, first, vec![nowhere], None).map(drop).expect("sent");
            }
            _ => agent.request(now, ours, first, Vec::new(), None).map(drop).expect("sent"),
        });
        net.command(b, |agent, now| agent.hangup(now, theirs, None)).expect("ends");
        assert!(net.ended(a).established, "{first}");
        net.assert_nothing_left();
    }
}

#[test]
fn what_comes_late_on_the_connection_before_does_not_take_the_call_back() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, theirs) = net.established(a, b);
    let late = net.command(a, |agent, _| {
        let view = agent.call(ours).expect("a call");
        let (local, remote) = (view.local_tag, view.remote_tag.expect("a dialog"));
        format!(
            "INFO sip:1001@localhost;transport=ws SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKlate\r\n\
             Max-Forwards: 70\r\nFrom: <sip:1000@localhost>;tag={local}\r\nTo: <sip:1001@localhost>;tag={remote}\r\n\
             Call-ID: {}\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n",
            view.call_id
        )
    });
    let before = net.lose(a);
    net.come_back(a, ours);
    net.command(a, |agent, now| agent.modify(now, ours, refresh())).expect("sent");
    net.arrive(before, late);
    assert!(net.events(b).is_empty(), "out of order: RFC 3261 §12.2.2");
    net.command(b, |agent, now| agent.hangup(now, theirs, None)).expect("ends");
    assert!(net.ended(a).established);
    net.notice_loss(before);
    net.assert_nothing_left();
}
