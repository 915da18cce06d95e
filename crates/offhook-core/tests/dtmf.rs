//! DTMF: as tones in the audio, and as INFO from the far end.

mod common;

use common::{A, B, World};
use offhook_core::media::MediaError;
use offhook_core::{DtmfMode, MediaCommand, PhoneError, PhoneEvent, SessionEvent};

#[test]
fn in_band_the_peer_connection_is_asked_for_tones_of_100_ms_and_gaps_of_100_ms() {
    let mut world = World::with(|config| config.dtmf = DtmfMode::InBand);
    let (a, _) = world.talk();
    let command = world.act(A, |phone, now| phone.dtmf(now, &a, "1,d")).expect("sends");
    let asked = world.media(A).asked.iter().any(|command| {
        matches!(command, MediaCommand::SendDtmf { tones, duration_ms: 100, gap_ms: 100, in_band: true, .. } if tones == "1,D")
    });
    assert!(asked);
    world.run(3_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    world.media(A).fail = Some(("dtmf", MediaError::Other("the call is held".to_owned())));
    let command = world.act(A, |phone, now| phone.dtmf(now, &a, "1")).expect("tries");
    world.run(100);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::LocalStream { .. }))));
}

#[test]
fn dtmf_relay_of_the_far_end_is_a_dtmf_event_with_its_duration_both_ways() {
    let mut world = World::new();
    let (a, b) = world.talk();
    let cases = [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some(('5', 160))),
        ("Application/DTMF-Relay", "signal = #\nduration = 250", Some(('#', 250))),
        ("application/dtmf-relay", "Signal=10\r\nDuration=x", Some(('*', 100))),
        ("application/dtmf", "7", Some(('7', 100))),
        ("application/dtmf-relay", "Signal=55\r\n", None),
        ("application/dtmf-relay", "", None),
        ("text/plain", "5", None),
    ];
    for (from, call, to) in [(A, &a, B), (B, &b, A)] {
        for (content_type, body, wanted) in cases {
            world.clear(to);
            let command = world.act(from, |phone, now| phone.send_info(now, call, content_type, body)).expect("sends");
            world.run(200);
            assert_eq!(world.outcome(from, command), Some(Ok(())));
            let told: Vec<_> = world
                .events(to)
                .into_iter()
                .filter_map(|event| match event {
                    PhoneEvent::Session(SessionEvent::Dtmf { tone, duration, .. }) => Some((tone, duration)),
                    _ => None,
                })
                .collect();
            assert_eq!(told, wanted.into_iter().collect::<Vec<_>>(), "{body:?}");
        }
    }
}

#[test]
fn dtmf_by_info_that_is_refused_stops_and_is_told() {
    let mut world = World::with(|config| config.dtmf = DtmfMode::Info);
    let (_, call) = world.act(A, |phone, now| phone.call(now, "607", Default::default())).expect("calls");
    world.run(500);
    world.clear(A);
    let command = world.act(A, |phone, now| phone.dtmf(now, &call, "123")).expect("sends");
    world.run(2_000);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Refused { status: 405, .. }))));
    assert_eq!(world.sent(A), ["INFO"], "one was enough");
}
