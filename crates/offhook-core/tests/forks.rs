//! One INVITE that reaches several phones: whichever answers first has the call (RFC 3261 §13.2.2.4).

mod common;

use common::{A, World, response};
use offhook_core::MediaCommand;
use offhook_core::media::MediaError;

fn sdp(of: usize) -> String {
    common::sdp_with(of, 1, offhook_core::Direction::SendRecv)
}

fn applied(world: &mut World) -> Vec<(String, bool)> {
    world
        .media(A)
        .asked
        .iter()
        .filter_map(|command| match command {
            MediaCommand::AcceptAnswer { sdp, early, .. } => Some((sdp.clone(), early.is_some())),
            _ => None,
        })
        .collect()
}

#[test]
fn the_first_early_media_is_heard_and_another_fork_may_answer() {
    let mut world = World::new();
    let invite = world.capture_invite();
    world.inject(A, response(&invite, 183, Some("one"), &sdp(51)));
    world.inject(A, response(&invite, 183, Some("two"), &sdp(52)));
    world.run(100);
    assert_eq!(applied(&mut world), [(sdp(51), true)], "one is heard");
    world.inject(A, response(&invite, 200, Some("two"), &sdp(52)));
    world.run(100);
    assert_eq!(applied(&mut world), [(sdp(51), true), (sdp(52), false)]);
    assert!(world.log(A).contains(&"confirmed".to_owned()));
    let call = world.call_of(A);
    let rtc = world.phone(A).rtc_session(&call).expect("there");
    assert_eq!((rtc.remote_tag.as_deref(), rtc.remote_sdp), (Some("two"), Some(sdp(52))));
}

#[test]
fn the_fork_that_is_heard_may_answer_and_is_not_applied_twice() {
    let mut world = World::new();
    let invite = world.capture_invite();
    world.inject(A, response(&invite, 183, Some("one"), &sdp(51)));
    world.inject(A, response(&invite, 180, Some("two"), ""));
    world.run(100);
    world.inject(A, response(&invite, 200, Some("one"), &sdp(51)));
    world.run(100);
    assert_eq!(applied(&mut world), [(sdp(51), true)]);
    assert!(world.log(A).contains(&"confirmed".to_owned()));
}

#[test]
fn a_second_answer_is_acknowledged_and_hung_up() {
    let mut world = World::new();
    let invite = world.capture_invite();
    world.inject(A, response(&invite, 200, Some("one"), &sdp(51)));
    world.run(100);
    world.clear(A);
    world.inject(A, response(&invite, 200, Some("two"), &sdp(52)));
    world.run(100);
    assert_eq!(world.sent(A), ["ACK", "BYE"]);
    assert_eq!(world.phone(A).sessions().count(), 1);
    assert_eq!(applied(&mut world), [(sdp(51), false)]);
}

#[test]
fn early_media_that_cannot_be_used_does_not_end_the_call() {
    // The 200 says another thing, or the same: that is what counts.
    for (answer, outcome) in [(sdp(52), "confirmed"), (sdp(51), "clientError Bad Media Description")] {
        let mut world = World::new();
        let invite = world.capture_invite();
        world.media(A).fail = Some(("apply", MediaError::BadDescription("RTP/AVP".to_owned())));
        world.inject(A, response(&invite, 180, Some("one"), &sdp(51)));
        world.run(100);
        assert!(!world.log(A).iter().any(|event| event.starts_with("failed") || event.starts_with("clientError")));
        assert_eq!(world.phone(A).sessions().count(), 1, "it rings on");
        let same = answer == sdp(51);
        if same {
            world.media(A).fail = Some(("apply", MediaError::BadDescription("RTP/AVP".to_owned())));
        }
        world.inject(A, response(&invite, 200, Some("one"), &answer));
        world.run(100);
        assert_eq!(applied(&mut world), [(sdp(51), true), (answer, false)]);
        let log = world.log(A);
        assert!(log.contains(&outcome.to_owned()), "{log:?}");
    }
}
