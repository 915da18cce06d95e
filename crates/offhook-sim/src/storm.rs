//! Random operations by everybody, under faults, from a seed; and the smallest list of them that still fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use offhook_core::{CallId, Load, SessionTimer};

use crate::random::Random;
use crate::world::{Broken, Faults, PhoneId, World};

/// How a storm is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Phones.
    pub phones: usize,
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
    /// messages that come twice and out of order, every third with faults in the media.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let (lossy, confused) = (seed % 4 == 1, seed % 4 == 3);
        let faults = Faults {
            loss: if lossy { 15 } else { 0 },
            duplication: if confused { 30 } else { 0 },
            reordering: if confused { 30 } else { 0 },
            media: if seed % 3 == 2 { 20 } else { 0 },
        };
        Self {
            phones: 3 + usize::try_from(seed % 4).unwrap_or(0),
            operations: 120,
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
    Answer,
    Reject,
    Hangup,
    Hold,
    Unhold,
    Mute,
    Unmute,
    Dtmf,
    Info,
    Renegotiate,
    BlindTransfer,
    Consult,
    AttendedTransfer,
    Cut,
    RestartServer,
    Stop,
    Start,
}

/// How often each: out of the sum.
const WEIGHTS: [(Act, u64); 20] = [
    (Act::Call, 26),
    (Act::CallNobody, 1),
    (Act::CallSelf, 1),
    (Act::Answer, 24),
    (Act::Reject, 2),
    (Act::Hangup, 10),
    (Act::Hold, 6),
    (Act::Unhold, 6),
    (Act::Mute, 1),
    (Act::Unmute, 1),
    (Act::Dtmf, 2),
    (Act::Info, 2),
    (Act::Renegotiate, 3),
    (Act::BlindTransfer, 4),
    (Act::Consult, 5),
    (Act::AttendedTransfer, 4),
    (Act::Cut, 3),
    (Act::RestartServer, 1),
    (Act::Stop, 1),
    (Act::Start, 3),
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
            let after_ms = match random.below(10) {
                0..=3 => random.below(40),
                4..=7 => random.below(1_500),
                8 => random.below(10_000),
                _ => random.below(40_000),
            };
            let act = act.map_or(Act::Call, |(act, _)| *act);
            Operation { after_ms, act, who: random.below(1 << 32), whom: random.below(1 << 32) }
        })
        .collect()
}

/// Runs a list of operations, and then everything to its end.
///
/// # Panics
/// A phone breaks a promise.
#[must_use]
pub fn run(seed: u64, plan: Plan, operations: &[Operation]) -> Outcome {
    let mut world = World::new(seed);
    for number in 0..plan.phones {
        // Short sessions: what is left at one end only is gone within minutes.
        world.phone_with(&format!("{}", 1000 + number), |config| {
            config.session_timer = SessionTimer { enabled: true, expires_s: 90, min_se_s: 90 };
            config.register_expires_s = 120;
            config.no_answer_ms = 60_000;
        });
    }
    world.faults = plan.faults;
    world.trace = plan.tell;
    world.broken = plan.broken;
    for operation in operations {
        world.run(operation.after_ms);
        perform(&mut world, operation);
    }
    finish(&mut world);
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
    let list = operations(seed, plan);
    match failure(seed, plan, &list) {
        Ok(outcome) => Ok(outcome),
        Err(first) => {
            let (shortest, why) = minimise(seed, plan, list, first);
            if plan.trace {
                let _ = failure(seed, Plan { tell: true, ..plan }, &shortest);
            }
            let lines: Vec<String> = shortest.iter().map(|operation| format!("    {operation:?}")).collect();
            Err(format!(
                "seed {seed}: {why}\n  replay: offhook-sim --seed {seed} --calls 1\n  the {} operations it takes:\n{}",
                shortest.len(),
                lines.join("\n")
            ))
        }
    }
}

fn failure(seed: u64, plan: Plan, list: &[Operation]) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| run(seed, plan, list))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic".to_owned())
    })
}

/// Leaves out what the failure does not need: halves, quarters … single ones.
fn minimise(seed: u64, plan: Plan, mut list: Vec<Operation>, mut why: String) -> (Vec<Operation>, String) {
    let mut size = list.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < list.len() {
            let mut shorter = list.clone();
            shorter.drain(at..(at + size).min(list.len()));
            match failure(seed, plan, &shorter) {
                Err(still) => {
                    list = shorter;
                    why = still;
                }
                Ok(_) => at += size,
            }
        }
        size /= 2;
    }
    (list, why)
}

/// Everybody stops doing things. What is left at one end only must go by itself; then everybody hangs up and leaves.
fn finish(world: &mut World) {
    world.faults = Faults::default();
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
    }
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

/// No call is alive at one end only. (The server passes Call-IDs on unchanged.)
fn one_sided(world: &World) {
    let ends = |wanted: &CallId| world.phones().filter(|phone| world.view(*phone).session(wanted).is_some()).count();
    for phone in world.phones() {
        for call in world.calls(phone) {
            let status = world.view(phone).session(&call).map(offhook_core::Session::status);
            assert!(ends(&call) >= 2, "{}: {call} is alive at one end only: {status:?}", world.name(phone));
        }
    }
}

fn perform(world: &mut World, operation: &Operation) {
    let phones: Vec<PhoneId> = world.phones().collect();
    let who = choose(&phones, operation.who);
    let whom = choose(&phones, operation.whom);
    let target = world.name(whom).to_owned();
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
        Act::Hangup => {
            let all: Vec<(PhoneId, CallId)> = phones
                .iter()
                .flat_map(|phone| world.calls(*phone).into_iter().map(|call| (*phone, call)).collect::<Vec<_>>())
                .collect();
            let Some((phone, call)) = pick(&all, operation.who) else { return };
            world.hangup(phone, &call).map(|_| ())
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
            let Some((phone, call)) = pick(&talking(world), operation.who) else { return };
            match in_a_call {
                Act::Consult => world.consult(phone, &call, &target).map(|_| ()),
                _ => world
                    .command(phone, |core, now| match in_a_call {
                        Act::Hold => core.hold(now, &call),
                        Act::Unhold => core.unhold(now, &call),
                        Act::Mute => core.mute(now, &call),
                        Act::Unmute => core.unmute(now, &call),
                        Act::Dtmf => core.dtmf(now, &call, "12,#"),
                        Act::Info => core.send_info(now, &call, "text/plain", "hello"),
                        Act::BlindTransfer => core.blind_transfer(now, &call, &target),
                        Act::AttendedTransfer => {
                            let consultation =
                                core.sessions().find(|s| s.status().is_transfer).map(|s| s.call_id().clone());
                            core.attended_transfer(now, &consultation.unwrap_or_else(|| call.clone()))
                        }
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
