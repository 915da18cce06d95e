//! INVITE with Replaces, and calls that are passed on in circles.

use offhook_sip::{CallKey, Event, HeaderField, TerminationKind};

use super::network::{Network, Who, header};
use crate::media::{LegId, MediaAction};

/// A Replaces that names a dialog of this client's, as its far end would.
fn replaces(net: &mut Network, who: Who, call: CallKey) -> HeaderField {
    net.command(who, |agent, _| {
        let view = agent.call(call).expect("a call");
        let (local, remote) = (view.local_tag, view.remote_tag.expect("a dialog"));
        let value = format!("{};to-tag={remote};from-tag={local}", view.call_id);
        HeaderField::new("Replaces", &value).expect("a header")
    })
}

fn take(net: &mut Network, who: Who, number: &str, replaces: &HeaderField) -> CallKey {
    net.call_with(who, number, |invite| invite.headers.push(replaces.clone()))
}

fn bridged(net: &Network) -> Option<(LegId, LegId)> {
    net.media.iter().rev().find_map(|action| match action {
        MediaAction::Bridge { a, b } => Some((*a, *b)),
        _ => None,
    })
}

fn is_confirmed(net: &mut Network, who: Who) -> bool {
    net.events(who).iter().any(|event| matches!(event, Event::Confirmed { .. }))
}

#[test]
fn another_device_of_an_extension_takes_its_call() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, _) = net.established(a, b);
    let to_b = net.open[0];
    let other = net.phone("1000");
    let named = replaces(&mut net, a, ours);
    take(&mut net, other, "1001", &named);
    assert!(is_confirmed(&mut net, other));
    assert_eq!(net.ended(a).kind, TerminationKind::Bye);
    let to_other = *net.open.last().expect("a leg");
    assert_eq!(bridged(&net), Some((to_other, to_b)));
    assert!(net.events(b).iter().all(|event| !matches!(event, Event::Terminated { .. })));
    assert_eq!(net.switch.calls.values().filter(|call| !call.over).count(), 1);
    net.assert_nothing_left();
}

#[test]
fn nobody_takes_the_call_of_another_or_one_that_rings() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    let named = replaces(&mut net, a, ours);
    take(&mut net, c, "1001", &named);
    assert_eq!(net.refusal(c), 481);
    let unknown = HeaderField::new("Replaces", "x;to-tag=1;from-tag=2").expect("a header");
    take(&mut net, a, "1001", &unknown);
    assert_eq!(net.refusal(a), 481);
    let broken = HeaderField::new("Replaces", "x").expect("a header");
    take(&mut net, a, "1001", &broken);
    assert_eq!(net.refusal(a), 400);
    let ringing = net.call(c, "1000");
    let rings = net.incoming(a);
    net.ring(a, rings, None);
    let named = replaces(&mut net, c, ringing);
    net.events(c);
    take(&mut net, c, "1000", &named);
    assert_eq!(net.refusal(c), 481);
    net.assert_nothing_left();
}

#[test]
fn an_invite_may_require_replaces() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, _) = net.established(a, b);
    let other = net.phone("1000");
    let named = replaces(&mut net, a, ours);
    let required = HeaderField::new("Require", "replaces").expect("a header");
    net.call_with(other, "1001", |invite| invite.headers.extend([named, required]));
    let events = net.events(other);
    let accepted = events.iter().find(|event| matches!(event, Event::Accepted { .. })).expect("not refused");
    let supported = header(accepted, "Supported").expect("a list");
    assert!(supported.split(", ").any(|extension| extension == "replaces"), "{supported}");
    assert_eq!(net.ended(a).kind, TerminationKind::Bye);
    net.assert_nothing_left();
}

#[test]
fn an_invite_names_one_call_to_replace_and_early_only_asks_for_one_that_rings() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    let named = replaces(&mut net, a, ours);
    net.call_with(a, "1001", |invite| invite.headers.extend([named.clone(), named.clone()]));
    assert_eq!(net.refusal(a), 400);
    let if_it_rings = format!("{};early-only", named.value());
    let if_it_rings = HeaderField::new("Replaces", &if_it_rings).expect("a header");
    take(&mut net, a, "1001", &if_it_rings);
    assert_eq!(net.refusal(a), 486, "it does not any more");
    take(&mut net, c, "1001", &if_it_rings);
    assert_eq!(net.refusal(c), 481, "others learn nothing");
    net.assert_nothing_left();
}

#[test]
fn a_call_that_ends_while_it_is_taken_is_not_there() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, theirs) = net.established(a, b);
    let other = net.phone("1000");
    let named = replaces(&mut net, a, ours);
    net.slow_down();
    take(&mut net, other, "1001", &named);
    net.command(b, |agent, now| agent.hangup(now, theirs, None)).expect("ends");
    net.deliver_all();
    assert_eq!(net.refusal(other), 481);
    net.slow = None;
    net.assert_nothing_left();
}

#[test]
fn a_seat_in_a_room_moves_to_another_device() {
    let mut net = Network::new();
    let (a, other) = (net.phone("1000"), net.phone("1000"));
    let call = net.call(a, "7000");
    let leg = net.open[0];
    assert_eq!(net.switch.rooms[0].members, [leg]);
    net.events(a);
    let named = replaces(&mut net, a, call);
    take(&mut net, other, "7000", &named);
    assert!(is_confirmed(&mut net, other));
    assert_eq!(net.ended(a).kind, TerminationKind::Bye);
    assert_eq!(net.switch.rooms[0].members, [*net.open.last().expect("a leg")]);
    net.assert_nothing_left();
}

#[test]
fn the_hops_of_an_invite_are_counted_down_to_an_end() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    for (sent, passed_on) in [(5, "4"), (1, "0"), (255, "69")] {
        let call = net.call_with(a, "1001", |invite| invite.headers.push(HeaderField::max_forwards(sent)));
        let incoming = net.next(b);
        assert_eq!(header(&incoming, "Max-Forwards").as_deref(), Some(passed_on));
        net.command(a, |agent, now| agent.hangup(now, call, None)).expect("cancels");
        net.events(a);
        net.events(b);
    }
    net.call_with(a, "1001", |invite| invite.headers.push(HeaderField::max_forwards(0)));
    assert_eq!(net.refusal(a), 483);
    // What the PBX answers itself goes no further.
    net.call_with(a, "600", |invite| invite.headers.push(HeaderField::max_forwards(0)));
    assert!(is_confirmed(&mut net, a));
    net.assert_nothing_left();
}
