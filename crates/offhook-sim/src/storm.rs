//! Random operations by everybody, under faults, from a seed; and the smallest list of them that still fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use offhook_core::{
    CallId, CallOptions, Credentials, Devices, DtmfMode, Load, Permission, RecordMethod, SessionTimer, StaticPatch,
    StatusPatch, TerminateType,
};

use crate::random::Random;
use crate::world::{Broken, Faults, PeerId, PhoneId, World};

/// How a storm is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Phones.
    pub phones: usize,
    /// Peers that are not ours and keep no rules.
    pub peers: usize,
    /// One way, ms: at least, and so much more at most.
    pub latency: (u64, u64),
    /// Operations.
    pub operations: usize,
    /// Faults that come by themselves.
    pub faults: Faults,
    /// A rule that every phone breaks on purpose.
    pub broken: Option<Broken>,
    /// After a failure, tell every message and event of the shortest list that fails.
    pub trace: bool,
    /// Tell every message and event.
    pub tell: bool,
}

impl Plan {
    /// The usual one for a seed: a few phones, a hundred operations; every fourth seed with lost messages, every fourth with
    /// messages that come twice and out of order, every third with faults in the media, every fifth with connections that break at any
    /// message, half of them with peers that keep no rules; messages take no time, or up to half a second.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let (lossy, confused) = (seed % 4 == 1, seed % 4 == 3);
        let faults = Faults {
            loss: if lossy { 15 } else { 0 },
            duplication: if confused { 30 } else { 0 },
            reordering: if confused { 30 } else { 0 },
            media: if seed % 3 == 2 { 20 } else { 0 },
            cuts: if seed % 5 == 2 { 4 } else { 0 },
        };
        let latency = match seed % 7 {
            0 => (0, 0),
            1 => (1, 2),
            2 => (100, 400),
            _ => (5, 30),
        };
        Self {
            peers: usize::try_from(seed / 4 % 4).unwrap_or(0).saturating_sub(1),
            latency,
            phones: 3 + usize::try_from(seed % 4).unwrap_or(0),
            operations: 300,
            faults,
            broken: None,
            trace: false,
            tell: false,
        }
    }
}

/// One operation: after a pause, what. The numbers choose among what is there at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Milliseconds since the one before.
    pub after_ms: u64,
    /// What.
    pub act: Act,
    /// Who, of those who can.
    pub who: u64,
    /// Whom, of the others.
    pub whom: u64,
}

/// What somebody does, or what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Act {
    Call,
    CallNobody,
    CallSelf,
    CallNonsense,
    CallPeer,
    PeerCalls,
    Answer,
    Reject,
    Hangup,
    Terminate,
    Hold,
    Unhold,
    Mute,
    Unmute,
    Dtmf,
    Info,
    SetStatus,
    StopTimer,
    Renegotiate,
    BlindTransfer,
    Consult,
    AttendedTransfer,
    Conference,
    HoldConference,
    StartRecord,
    PauseRecord,
    Cut,
    RestartServer,
    Stop,
    Start,
    Reregister,
    Devices,
}

/// How often each: out of the sum.
const WEIGHTS: [(Act, u64); 32] = [
    (Act::Call, 36),
    (Act::CallNobody, 1),
    (Act::CallSelf, 1),
    (Act::CallNonsense, 1),
    (Act::CallPeer, 5),
    (Act::PeerCalls, 5),
    (Act::Answer, 30),
    (Act::Reject, 2),
    (Act::Hangup, 16),
    (Act::Terminate, 2),
    (Act::Hold, 6),
    (Act::Unhold, 6),
    (Act::Mute, 1),
    (Act::Unmute, 1),
    (Act::Dtmf, 3),
    (Act::Info, 2),
    (Act::SetStatus, 1),
    (Act::StopTimer, 1),
    (Act::Renegotiate, 3),
    (Act::BlindTransfer, 4),
    (Act::Consult, 5),
    (Act::AttendedTransfer, 4),
    (Act::Conference, 5),
    (Act::HoldConference, 1),
    (Act::StartRecord, 2),
    (Act::PauseRecord, 1),
    (Act::Cut, 3),
    (Act::RestartServer, 1),
    (Act::Stop, 1),
    (Act::Start, 3),
    (Act::Reregister, 1),
    (Act::Devices, 1),
];

/// What came of a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Calls that ended, counted at both ends.
    pub calls: u64,
    /// Of those, the ones that were answered.
    pub established: u64,
    /// Virtual time, ms.
    pub virtual_ms: u64,
    /// Messages, timers and media events.
    pub steps: u64,
    /// [`World::trace_hash`] at the end.
    pub hash: u64,
}

/// The operations of a seed.
#[must_use]
pub fn operations(seed: u64, plan: Plan) -> Vec<Operation> {
    let mut random = Random::new(seed ^ 0x5EED);
    let sum = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    (0..plan.operations)
        .map(|_| {
            let mut at = random.below(sum);
            let act = WEIGHTS.iter().find(|(_, weight)| {
                let here = at < *weight;
                at = at.saturating_sub(*weight);
                here
            });
            // Mostly at once or soon, so that things cross; now and then long enough for a timer.
            let after_ms = match random.below(30) {
                0..=12 => random.below(40),
                13..=25 => random.below(1_500),
                26..=28 => random.below(6_000),
                _ => random.below(40_000),
            };
            let act = act.map_or(Act::Call, |(act, _)| *act);
            Operation { after_ms, act, who: random.below(1 << 32), whom: random.below(1 << 32) }
        })
        .collect()
}

/// Runs a list of operations in a new world, and then everything to its end.
///
/// # Panics
/// A phone breaks a promise.
#[must_use]
pub fn run(seed: u64, plan: Plan, operations: &[Operation]) -> Outcome {
    let mut world = World::new(seed);
    prepare(&mut world, plan);
    run_in(&mut world, operations)
}

/// Puts the phones and peers of a plan into a world.
pub fn prepare(world: &mut World, plan: Plan) {
    world.broken = plan.broken;
    world.latency = plan.latency;
    world.trace = plan.tell;
    for number in 0..plan.phones {
        // Short sessions: what is left at one end only is gone within minutes.
        world.phone_with(&format!("{}", 1000 + number), |config| {
            config.session_timer = SessionTimer { enabled: true, expires_s: 90, min_se_s: 90 };
            config.register_expires_s = 120;
            config.no_answer_ms = 60_000;
            let name = 1000 + number;
            config.credentials = Some(Credentials::password(name.to_string(), format!("secret-{name}")));
            config.dtmf = [DtmfMode::Rfc4733, DtmfMode::Info, DtmfMode::InBand][number % 3];
            config.call_waiting = number != 3;
            config.allow_transfer = number != 4;
            if number == 5 {
                config.reconnect.max_attempts = Some(3);
            }
            config.record = match number % 3 {
                0 => RecordMethod::default(),
                1 => RecordMethod::Info,
                _ => RecordMethod::FeatureCode("*1".to_owned()),
            };
        });
    }
    for number in 0..plan.peers {
        world.wild_peer(&format!("wild{number}"));
    }
    world.faults = plan.faults;
}

/// Runs a list of operations in a world, and then everything to its end.
///
/// # Panics
/// A phone breaks a promise.
#[must_use]
pub fn run_in(world: &mut World, operations: &[Operation]) -> Outcome {
    for operation in operations {
        world.run(operation.after_ms);
        perform(world, operation);
    }
    finish(world);
    let ledgers: Vec<(u64, u64)> =
        world.phones().map(|phone| (world.ledger(phone).ended, world.ledger(phone).established)).collect();
    Outcome {
        calls: ledgers.iter().map(|(ended, _)| ended).sum(),
        established: ledgers.iter().map(|(_, established)| established).sum(),
        virtual_ms: world.now(),
        steps: world.steps(),
        hash: world.trace_hash(),
    }
}

/// Runs a seed's storm; a failure says how to see it again, and the shortest list of operations that still fails.
///
/// # Errors
/// What failed, in words.
pub fn attempt(seed: u64, plan: Plan) -> Result<Outcome, String> {
    attempt_in(seed, plan, &World::new).map_err(|why| format!("{why}\n  replay: offhook-sim --seed {seed} --calls 1"))
}

/// The same in another world: `world` makes an empty one of a seed, with a server of your own.
///
/// # Errors
/// What failed, in words.
pub fn attempt_in(seed: u64, plan: Plan, world: &dyn Fn(u64) -> World) -> Result<Outcome, String> {
    let list = operations(seed, plan);
    let first = match failure(seed, plan, world, &list) {
        Ok(outcome) => return Ok(outcome),
        Err(first) => first,
    };
    let fails = |list: &[Operation]| failure(seed, plan, world, list).err();
    let (shortest, why) = minimise(&fails, list, first);
    if plan.trace {
        let _ = failure(seed, Plan { tell: true, ..plan }, world, &shortest);
    }
    let lines: Vec<String> = shortest.iter().map(|operation| format!("    {operation:?}")).collect();
    Err(format!("seed {seed}: {why}\n  the {} operations it takes:\n{}", shortest.len(), lines.join("\n")))
}

fn failure(seed: u64, plan: Plan, world: &dyn Fn(u64) -> World, list: &[Operation]) -> Result<Outcome, String> {
    let run = || {
        let mut world = world(seed);
        prepare(&mut world, plan);
        run_in(&mut world, list)
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic".to_owned())
    })
}

/// Leaves out what the failure does not need: halves, quarters … single ones, until nothing more can go. The rest keeps its
/// times if that still fails, and moves up otherwise.
fn minimise(
    fails: &dyn Fn(&[Operation]) -> Option<String>,
    mut list: Vec<Operation>,
    mut why: String,
) -> (Vec<Operation>, String) {
    let mut size = list.len().div_ceil(2);
    while size > 0 {
        let (mut at, before) = (0, list.len());
        while at < list.len() {
            let end = (at + size).min(list.len());
            let mut moved_up = list.clone();
            let gone: u64 = moved_up.drain(at..end).map(|operation| operation.after_ms).sum();
            let mut in_time = moved_up.clone();
            if let Some(next) = in_time.get_mut(at) {
                next.after_ms += gone;
            }
            let still = [in_time, moved_up].into_iter().find_map(|shorter| {
                let why = fails(&shorter)?;
                Some((shorter, why))
            });
            match still {
                Some(shorter) => (list, why) = shorter,
                None => at += size,
            }
        }
        if size > 1 || list.len() == before {
            size /= 2;
        }
    }
    (list, why)
}

/// Everybody stops doing things. What is left at one end only must go by itself; then everybody hangs up and leaves.
fn finish(world: &mut World) {
    world.faults = Faults::default();
    world.silence_peers();
    for phone in world.phones() {
        if !world.view(phone).is_connected() {
            // Refused when it is started already and about to connect by itself.
            let _ = world.command(phone, |core, now| core.start(now));
        }
    }
    // Reconnecting takes up to 36 s, the no-answer time is 60 s, a session 90 s, a transaction 32 s.
    world.run(260_000);
    one_sided(world);
    for phone in world.phones() {
        for call in world.calls(phone) {
            // It may have ended with the one before.
            let _ = world.hangup(phone, &call);
        }
    }
    world.run(100_000);
    for phone in world.phones() {
        let name = world.name(phone);
        assert!(world.calls(phone).is_empty(), "{name} still has calls: {:?}", world.calls(phone));
        assert_eq!(world.ledger(phone).calls().count(), 0, "{name} never deleted a session");
        assert_eq!(world.ledger(phone).pending(), 0, "{name} has commands of calls that are over");
        assert_eq!(world.open_media(phone), 0, "{name} has peer connections of calls that are over");
        // The keep-alive and the registration are left, and perhaps its REGISTER.
        let load = world.view(phone).load();
        let idle = load.calls + load.server_transactions == 0 && load.client_transactions <= 1 && load.timers <= 4;
        assert!(idle, "{name} holds {load:?} without a call {:?}", world.view(phone));
    }
    assert!(world.server_dialogs().is_none_or(|dialogs| dialogs == 0), "the server still has calls");
    for phone in world.phones() {
        let stopped = world.command(phone, |core, now| Ok(core.disconnect(now)));
        assert!(stopped.is_ok());
    }
    world.run(60_000);
    for phone in world.phones() {
        assert_eq!(world.ledger(phone).pending(), 0, "{} left commands unsettled", world.name(phone));
        assert_eq!(world.view(phone).load(), Load::default(), "{} holds something", world.name(phone));
    }
}

/// No call is alive at one end only. (A server that is no end passes Call-IDs on unchanged.)
fn one_sided(world: &World) {
    if let Some(dialogs) = world.server_dialogs() {
        let ends: usize = world.phones().map(|phone| world.calls(phone).len()).sum();
        assert_eq!(dialogs, ends, "the server and the phones do not have the same calls");
        return;
    }
    let ends = |wanted: &CallId| world.phones().filter(|phone| world.view(*phone).session(wanted).is_some()).count();
    for phone in world.phones() {
        for call in world.calls(phone).into_iter().filter(|call| !world.is_strange(call)) {
            let status = world.view(phone).session(&call).map(offhook_core::Session::status);
            assert!(ends(&call) >= 2, "{}: {call} is alive at one end only: {status:?}", world.name(phone));
        }
    }
}

fn perform(world: &mut World, operation: &Operation) {
    let phones: Vec<PhoneId> = world.phones().collect();
    let who = choose(&phones, operation.who);
    let whom = choose(&phones, operation.whom);
    let peers: Vec<PeerId> = world.peers().collect();
    let target = match pick(&peers, operation.whom / 64).filter(|_| operation.whom % 8 == 7) {
        // Transfers go to them as well.
        Some(peer) if operation.act != Act::Call => world.peer_name(peer).to_owned(),
        _ => world.name(whom).to_owned(),
    };
    let talking = |world: &World| {
        let calls = phones.iter().flat_map(|phone| {
            let confirmed = |call: &CallId| world.is_talking(*phone, call);
            world.calls(*phone).into_iter().filter(confirmed).map(|call| (*phone, call)).collect::<Vec<_>>()
        });
        calls.collect::<Vec<(PhoneId, CallId)>>()
    };
    // A refusal is an answer, too: what may be refused is said by the phone's own tests.
    let _ = match operation.act {
        Act::Call => world.call(who, &target).map(|_| ()),
        Act::CallNonsense => {
            let extra_headers = vec!["Broken\r\nHeader: x".to_owned()];
            let options = CallOptions { extra_headers, ..CallOptions::default() };
            let number = if operation.whom.is_multiple_of(2) { "not a number" } else { target.as_str() };
            world.command(who, |core, now| core.call(now, number, options).map(|(command, _)| command)).map(|_| ())
        }
        Act::CallPeer | Act::PeerCalls => {
            let Some(peer) = pick(&peers, operation.whom) else { return };
            if operation.act == Act::PeerCalls {
                let number = world.name(who).to_owned();
                world.call_as(peer, &number);
                return;
            }
            let number = world.peer_name(peer).to_owned();
            world.call(who, &number).map(|_| ())
        }
        Act::CallNobody => world.call(who, "nobody").map(|_| ()),
        Act::CallSelf => {
            let own = world.name(who).to_owned();
            world.call(who, &own).map(|_| ())
        }
        Act::Answer | Act::Reject => {
            let ringing: Vec<(PhoneId, CallId)> =
                phones.iter().filter_map(|phone| Some((*phone, world.ringing(*phone)?))).collect();
            let Some((phone, call)) = pick(&ringing, operation.who) else { return };
            match operation.act {
                Act::Answer => world.answer(phone, &call).map(|_| ()),
                _ => world.command(phone, |core, now| core.reject(now, &call)).map(|_| ()),
            }
        }
        Act::Hangup | Act::Terminate | Act::SetStatus | Act::StopTimer => {
            let all: Vec<(PhoneId, CallId)> = phones
                .iter()
                .flat_map(|phone| world.calls(*phone).into_iter().map(|call| (*phone, call)).collect::<Vec<_>>())
                .collect();
            let Some((phone, call)) = pick(&all, operation.who) else { return };
            match operation.act {
                Act::SetStatus => {
                    let name = Some(format!("N{}", operation.whom % 3));
                    let patch =
                        StatusPatch { name: name.clone(), is_conference: Some(false), ..StatusPatch::default() };
                    let fixed = StaticPatch { name, ..StaticPatch::default() };
                    world
                        .change(phone, |core, now| core.set_status(now, &call, patch))
                        .and_then(|()| world.change(phone, |core, now| core.set_static_status(now, &call, fixed, None)))
                }
                Act::StopTimer => world.stop_timer(phone, &call),
                Act::Terminate => {
                    let kinds = [TerminateType::Hangup, TerminateType::Reject, TerminateType::Terminate];
                    let kind = pick(&kinds, operation.whom).unwrap_or(TerminateType::Hangup);
                    world.command(phone, |core, now| core.terminate(now, &call, kind)).map(|_| ())
                }
                _ => world.hangup(phone, &call).map(|_| ()),
            }
        }
        Act::Reregister => world.command(who, |core, now| core.reregister(now, None)).map(|_| ()),
        Act::Devices => {
            let inputs = [Some((1, 1)), Some((1, 1)), Some((0, 0)), None];
            let permission = if operation.whom.is_multiple_of(5) { Permission::Denied } else { Permission::Granted };
            let devices = Devices { inputs: pick(&inputs, operation.whom).flatten(), permission };
            world.change(who, |core, _| {
                core.set_devices(devices);
                Ok(())
            })
        }
        Act::Cut => {
            world.cut(who, operation.whom % 30_000);
            Ok(())
        }
        Act::RestartServer => {
            world.restart_server(operation.whom % 20_000);
            Ok(())
        }
        Act::Stop => world.command(who, |core, now| Ok(core.disconnect(now))).map(|_| ()),
        Act::Start => {
            let stopped: Vec<PhoneId> = phones.iter().copied().filter(|p| !world.view(*p).is_connected()).collect();
            let Some(phone) = pick(&stopped, operation.who) else { return };
            world.command(phone, |core, now| core.start(now)).map(|_| ())
        }
        in_a_call => {
            let all = || {
                let calls = phones.iter().flat_map(|p| world.calls(*p).into_iter().map(|call| (*p, call)));
                calls.collect::<Vec<(PhoneId, CallId)>>()
            };
            // Now and then also what a call in that state must refuse.
            let among = if operation.whom.is_multiple_of(16) { all() } else { talking(world) };
            let Some((phone, call)) = pick(&among, operation.who) else { return };
            let tones = ["12,#", "A", "*0", "5x", ""];
            let tones = pick(&tones, operation.whom).unwrap_or("1");
            match in_a_call {
                Act::Consult => world.consult(phone, &call, &target).map(|_| ()),
                _ => world
                    .command(phone, |core, now| match in_a_call {
                        Act::Hold => core.hold(now, &call),
                        Act::Unhold => core.unhold(now, &call),
                        Act::Mute => core.mute(now, &call),
                        Act::Unmute => core.unmute(now, &call),
                        Act::Dtmf => core.dtmf(now, &call, tones),
                        Act::Info => core.send_info(now, &call, "text/plain", "hello"),
                        Act::BlindTransfer => core.blind_transfer(now, &call, &target),
                        Act::AttendedTransfer => {
                            let consultation =
                                core.sessions().find(|s| s.status().is_transfer).map(|s| s.call_id().clone());
                            core.attended_transfer(now, &consultation.unwrap_or_else(|| call.clone()))
                        }
                        Act::Conference => {
                            let calls: Vec<CallId> = core.sessions().map(|s| s.call_id().clone()).collect();
                            core.conference(now, &calls)
                        }
                        Act::HoldConference => core.hold_conference(now),
                        Act::StartRecord => core.start_record(now, &call),
                        Act::PauseRecord => core.pause_record(now, &call),
                        // What else makes an exchange, goes through the dialog, or ends it.
                        _ => match operation.whom % 7 {
                            0 => core.restart_ice(now, &call),
                            1 => core.send_message(now, &call, "text/plain", "hello"),
                            2 => core
                                .ask_for_video(now, &call, operation.who.is_multiple_of(2))
                                .and_then(|()| core.audio_to_video(now, &call)),
                            // Agrees if it is asked, else takes the video away.
                            3 => match core.agree_video(now, &call, true) {
                                Ok(()) => core.renegotiate(now, &call, None),
                                Err(_) => core.video_to_audio(now, &call),
                            },
                            4 => core.destroy_session(now, &call),
                            5 => core.renegotiate(now, &call, Some(operation.who.is_multiple_of(2))),
                            _ => core.renegotiate(now, &call, None),
                        },
                    })
                    .map(|_| ()),
            }
        }
    };
}

fn choose(phones: &[PhoneId], number: u64) -> PhoneId {
    pick(phones, number).expect("a storm has phones")
}

fn pick<T: Clone>(from: &[T], number: u64) -> Option<T> {
    let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
    from.get(usize::try_from(number % count).ok()?).cloned()
}
