//! Recording by the feature code: digits in, `Record` INFOs and events out.

use std::path::PathBuf;

use offhook_sip::message::HeadersExt as _;
use offhook_sip::{CallKey, Event, HeaderField};

use super::network::{Network, Who};
use crate::config::PbxConfig;
use crate::events::{CallId, PbxEvent};
use crate::extension::{Extension, RecordPermissions};
use crate::media::{LegId, MediaAction, MediaEvent, RecordingId, Taped};

fn config() -> PbxConfig {
    PbxConfig { recordings: Some(PathBuf::from("calls")), ..PbxConfig::default() }
}

/// Two phones in a call of a PBX that records.
struct Talk {
    net: Network,
    a: Who,
    b: Who,
    ours: CallKey,
    theirs: CallKey,
    /// The PBX's legs: the callee's is made first.
    to_a: LegId,
    to_b: LegId,
}

impl Talk {
    fn new(config: PbxConfig) -> Self {
        let mut net = Network::with(config);
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        let (ours, theirs) = net.established(a, b);
        let (to_b, to_a) = (net.open[0], net.open[1]);
        net.media.clear();
        net.told.clear();
        Self { net, a, b, ours, theirs, to_a, to_b }
    }

    /// Digits as telephone-events.
    fn dial(&mut self, leg: LegId, digits: &str) {
        for digit in digits.chars() {
            self.net.media_event(MediaEvent::Digit { leg, digit });
        }
    }

    /// What both phones were told of the recording since.
    fn told(&mut self) -> (Vec<String>, Vec<String>) {
        (told(&mut self.net, self.a), told(&mut self.net, self.b))
    }

    /// The recording that was begun last.
    fn started(&self) -> (RecordingId, CallId) {
        let started = self.net.media.iter().rev().find_map(|action| match action {
            MediaAction::StartRecording { recording, call, .. } => Some((*recording, *call)),
            _ => None,
        });
        started.expect("was begun")
    }

    fn events(&mut self) -> Vec<PbxEvent> {
        self.net.told.drain(..).collect()
    }

    /// Ends the call; tells of calls are balanced again.
    fn end(mut self) {
        self.net.told.clear();
        for who in [self.a, self.b] {
            self.net.disconnect(who);
        }
        for leg in self.net.open.clone() {
            self.net.media_event(MediaEvent::Silent { leg });
        }
        self.net.told.clear();
        self.net.assert_nothing_left();
    }
}

/// The `Record` headers of a phone's INFOs, which it answers.
fn told(net: &mut Network, who: Who) -> Vec<String> {
    let mut told = Vec::new();
    for event in net.events(who) {
        if let Event::Request { transaction, request, .. } = event {
            told.extend(request.headers.text("Record"));
            net.command(who, |agent, now| agent.respond(now, transaction, 200, Vec::new(), None)).expect("taken");
        }
    }
    told
}

fn both(word: &str) -> (Vec<String>, Vec<String>) {
    (vec![word.to_owned()], vec![word.to_owned()])
}

fn nobody() -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

#[test]
fn the_feature_code_of_either_side_switches_the_recording_on_and_off() {
    let mut talk = Talk::new(config());
    talk.dial(talk.to_a, "*1");
    assert_eq!(talk.told(), both("on"));
    let started = talk.net.media.iter().find_map(|action| match action {
        MediaAction::StartRecording { of: Taped::Callee(leg), .. } => Some(*leg),
        _ => None,
    });
    assert_eq!(started, Some(talk.to_b), "what the callee hears is left: the caller");
    let [PbxEvent::Recording { call, on: true, by, file }] = &talk.events()[..] else { panic!("not told") };
    assert_eq!((by.as_str(), file), ("1000", &format!("{}.wav", call.0)));
    talk.dial(talk.to_b, "*1");
    assert_eq!(talk.told(), both("off"));
    assert!(matches!(&talk.events()[..], [PbxEvent::Recording { on: false, by, .. }] if by == "1001"));
    talk.dial(talk.to_b, "*1");
    assert_eq!(talk.told(), both("on"));
    let paused: Vec<bool> = talk
        .net
        .media
        .iter()
        .filter_map(|action| match action {
            MediaAction::PauseRecording { paused, .. } => Some(*paused),
            _ => None,
        })
        .collect();
    assert_eq!(paused, [true, false]);
    assert_eq!(talk.net.recordings.len(), 1, "one file");
    talk.end();
}

#[test]
fn the_feature_code_is_taken_from_info_too_and_passed_on() {
    let mut talk = Talk::new(config());
    // Each as one of the two kinds of device sends it.
    for (kind, body) in [("application/dtmf-relay", "Signal=*\r\nDuration=160\r\n"), ("application/dtmf", "1")] {
        let body = Some((kind.to_owned(), body.as_bytes().to_vec()));
        let ours = talk.ours;
        talk.net.command(talk.a, |agent, now| agent.request(now, ours, "INFO", Vec::new(), body)).expect("sent");
    }
    let mut bodies = Vec::new();
    let mut records = Vec::new();
    for event in talk.net.events(talk.b) {
        if let Event::Request { transaction, request, .. } = event {
            bodies.push(String::from_utf8_lossy(request.body()).into_owned());
            records.extend(request.headers.text("Record"));
            talk.net.command(talk.b, |agent, now| agent.respond(now, transaction, 200, Vec::new(), None)).expect("ok");
        }
    }
    bodies.retain(|body| !body.is_empty());
    assert_eq!(bodies, ["Signal=*\r\nDuration=160\r\n", "1"]);
    assert_eq!(records, ["on"]);
    assert_eq!(told(&mut talk.net, talk.a), ["on"]);
    talk.end();
}

#[test]
fn only_the_digits_of_the_code_in_a_row_and_in_time_are_the_code() {
    let mut talk = Talk::new(config());
    talk.dial(talk.to_a, "*21");
    talk.dial(talk.to_a, "*");
    talk.dial(talk.to_b, "1");
    assert_eq!(talk.told(), nobody(), "of two sides");
    talk.net.advance(4_001);
    talk.dial(talk.to_a, "1");
    assert_eq!(talk.told(), nobody(), "too late");
    talk.dial(talk.to_a, "34**");
    talk.net.advance(4_000);
    talk.dial(talk.to_a, "1");
    assert_eq!(talk.told(), both("on"));
    talk.dial(talk.to_a, "1");
    assert_eq!(talk.told(), nobody(), "a digit counts once");
    talk.end();

    let mut other = Talk::new(PbxConfig { record_feature_code: "##7".to_owned(), ..config() });
    other.dial(other.to_a, "*1");
    assert_eq!(other.told(), nobody());
    other.dial(other.to_a, "###7");
    assert_eq!(other.told(), both("on"));
    other.end();
}

#[test]
fn without_a_directory_the_code_is_nothing_but_digits() {
    let mut talk = Talk::new(PbxConfig::default());
    talk.dial(talk.to_a, "*1");
    assert_eq!((talk.told(), talk.net.media.len(), talk.net.told.len()), (nobody(), 0, 0));
    talk.end();
}

#[test]
fn an_extension_records_only_as_it_may() {
    let with = |permissions| {
        let mut config = config();
        config.extensions = Extension::built_in();
        config.extensions[0] = config.extensions[0].clone().record(permissions);
        Talk::new(config)
    };
    let mut none = with(RecordPermissions::None);
    none.dial(none.to_a, "*1");
    assert_eq!(none.told(), (vec!["off".to_owned()], Vec::new()), "it is told how it is");
    none.dial(none.to_b, "*1");
    assert_eq!(none.told(), both("on"), "the other side may");
    none.dial(none.to_a, "*1");
    assert_eq!(none.told(), (vec!["on".to_owned()], Vec::new()));
    none.end();

    let mut pause = with(RecordPermissions::PauseResume);
    pause.dial(pause.to_a, "*1");
    assert_eq!((pause.told().0, pause.net.recordings.len()), (vec!["off".to_owned()], 0));
    pause.dial(pause.to_b, "*1");
    pause.told();
    for word in ["off", "on"] {
        pause.dial(pause.to_a, "*1");
        assert_eq!(pause.told(), both(word));
    }
    pause.end();
}

#[test]
fn a_recording_ends_with_its_call() {
    let mut talk = Talk::new(config());
    talk.dial(talk.to_a, "*1");
    talk.told();
    let theirs = talk.theirs;
    talk.net.command(talk.b, |agent, now| agent.hangup(now, theirs, None)).expect("ends");
    assert_eq!((talk.net.recordings.len(), talk.net.switch.calls()), (0, 0));
    let stopped = talk.net.media.iter().position(|action| matches!(action, MediaAction::StopRecording { .. }));
    let closed = talk.net.media.iter().position(|action| matches!(action, MediaAction::Close { .. }));
    assert!(stopped.is_some() && stopped < closed);
    talk.end();
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_the_call_goes_on() {
    let mut talk = Talk::new(config());
    talk.net.disk_full = true;
    talk.dial(talk.to_a, "*1");
    assert_eq!(talk.told(), both("off"));
    let failed =
        |events: &[PbxEvent]| matches!(events, [PbxEvent::RecordingFailed { reason, .. }] if reason == "disk full");
    assert!(failed(&talk.events()));
    assert_eq!((talk.net.switch.calls(), talk.net.recordings.len()), (1, 0));
    talk.net.disk_full = false;
    talk.dial(talk.to_a, "*1");
    assert_eq!(talk.told(), both("on"), "it may be tried again");
    // The disk fills up while it is written.
    let (recording, call) = talk.started();
    talk.events();
    talk.net.media_event(MediaEvent::RecordingFailed { call, recording, reason: "disk full".to_owned() });
    assert_eq!(talk.told(), both("off"));
    assert!(failed(&talk.events()));
    assert_eq!((talk.net.switch.calls(), talk.net.recordings.len()), (1, 0));
    talk.end();
}

#[test]
fn a_file_that_is_complete_before_anybody_ended_the_recording_is_told_and_another_can_be_begun() {
    let mut talk = Talk::new(config());
    talk.dial(talk.to_a, "*1");
    assert_eq!(talk.told(), both("on"));
    let (recording, call) = talk.started();
    talk.events();
    let complete = MediaEvent::RecordingComplete { call, recording, file: "1.wav".to_owned() };
    talk.net.media_event(complete.clone());
    assert_eq!(talk.told(), both("off"));
    assert!(matches!(talk.events()[..], [PbxEvent::RecordingComplete { .. }]));
    assert_eq!((talk.net.switch.calls(), talk.net.recordings.len()), (1, 0));
    talk.dial(talk.to_b, "*1");
    assert_eq!(talk.told(), both("on"));
    talk.net.media_event(complete);
    assert_eq!(talk.told(), nobody(), "the one before is no news");
    assert_eq!(talk.net.recordings.len(), 1);
    talk.end();
}

#[test]
fn a_code_dialled_while_the_file_is_opened_counts() {
    let mut talk = Talk::new(config());
    talk.net.slow_down();
    talk.dial(talk.to_a, "*1");
    talk.dial(talk.to_b, "*1");
    assert_eq!(talk.told(), nobody());
    assert!(talk.net.deliver());
    let on_and_off = vec!["on".to_owned(), "off".to_owned()];
    assert_eq!(talk.told(), (on_and_off.clone(), on_and_off));
    // The call ends while a file is opened: what comes of it is nobody's.
    talk.net.slow_down();
    talk.end();

    let mut talk = Talk::new(config());
    talk.net.slow_down();
    talk.dial(talk.to_a, "*1");
    let ours = talk.ours;
    talk.net.command(talk.a, |agent, now| agent.hangup(now, ours, None)).expect("ends");
    talk.events();
    assert!(talk.net.deliver());
    assert_eq!(talk.events(), []);
    talk.end();
}

#[test]
fn a_transfer_ends_the_recording_when_it_succeeds_and_the_joined_call_can_be_recorded() {
    let mut talk = Talk::new(config());
    let c = talk.net.phone("1002");
    talk.dial(talk.to_a, "*1");
    talk.told();
    let ours = talk.ours;
    let headers = vec![HeaderField::new("Refer-To", "<sip:1002@localhost>").expect("a header")];
    talk.net.command(talk.a, |agent, now| agent.request(now, ours, "REFER", headers, None)).expect("sent");
    let target = talk.net.incoming(c);
    assert_eq!((talk.told(), talk.net.recordings.len()), (nobody(), 1), "it goes on while the target rings");
    talk.net.answer(c, target);
    assert_eq!((talk.told(), talk.net.recordings.len()), (both("off"), 0));
    talk.net.events(c);
    talk.dial(talk.to_b, "*1");
    assert_eq!(told(&mut talk.net, talk.b), ["on"]);
    assert_eq!(told(&mut talk.net, c), ["on"]);
    assert_eq!(talk.net.recordings.len(), 1);
    talk.net.disconnect(c);
    talk.end();
}

#[test]
fn a_transfer_that_fails_leaves_the_recording_alone() {
    let mut talk = Talk::new(config());
    let c = talk.net.phone("1002");
    talk.dial(talk.to_a, "*1");
    talk.told();
    let ours = talk.ours;
    let headers = vec![HeaderField::new("Refer-To", "<sip:1002@localhost>").expect("a header")];
    talk.net.command(talk.a, |agent, now| agent.request(now, ours, "REFER", headers, None)).expect("sent");
    let target = talk.net.incoming(c);
    talk.net.command(c, |agent, now| agent.reject(now, target, 486, Vec::new())).expect("refuses");
    assert_eq!((talk.told(), talk.net.recordings.len()), (nobody(), 1));
    talk.dial(talk.to_b, "*1");
    assert_eq!(talk.told(), both("off"));
    talk.net.disconnect(c);
    talk.end();
}

#[test]
fn a_transferor_that_hangs_up_early_ends_the_recording() {
    for caller_transfers in [true, false] {
        let mut talk = Talk::new(config());
        let c = talk.net.phone("1002");
        talk.dial(talk.to_a, "*1");
        talk.told();
        let (who, key) = if caller_transfers { (talk.a, talk.ours) } else { (talk.b, talk.theirs) };
        let headers = vec![HeaderField::new("Refer-To", "<sip:1002@localhost>").expect("a header")];
        talk.net.command(who, |agent, now| agent.request(now, key, "REFER", headers, None)).expect("sent");
        talk.net.command(who, |agent, now| agent.hangup(now, key, None)).expect("ends");
        let stays = if caller_transfers { talk.b } else { talk.a };
        assert_eq!((told(&mut talk.net, stays), talk.net.recordings.len()), (vec!["off".to_owned()], 0));
        talk.net.disconnect(c);
        talk.end();
    }
}

#[test]
fn a_call_to_a_service_is_recorded_and_a_message_is_not() {
    let mut extensions = Extension::built_in();
    extensions[1] = extensions[1].clone().voicemail(true);
    let mut net = Network::with(PbxConfig { data_dir: Some("data".into()), extensions, ..config() });
    let a = net.phone("1000");
    let call = net.call(a, "600");
    let leg = net.open[0];
    net.events(a);
    net.dial(leg, "*1");
    assert_eq!(told(&mut net, a), ["on"]);
    assert!(net.media.iter().any(|action| matches!(action, MediaAction::StartRecording { of: Taped::Caller(_), .. })));
    net.dial(leg, "*1");
    assert_eq!(told(&mut net, a), ["off"]);
    net.command(a, |agent, now| agent.hangup(now, call, None)).expect("ends");
    assert!(net.recordings.is_empty());
    net.call(a, "1001");
    net.events(a);
    let leg = *net.open.last().expect("a leg");
    net.dial(leg, "*1");
    assert_eq!((told(&mut net, a), net.recordings.len()), (Vec::new(), 0));
    net.assert_nothing_left();
}
