//! Calls outlive connections.

use offhook_sip::{Event, ModifyOutcome, NameAddr, Uri};

use super::network::{Network, SDP, Who, reinvite};

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
