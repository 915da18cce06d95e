//! Clients that do anything at any time, with media that takes its time: nothing panics, nothing is left.

use offhook_media::MediaError;
use offhook_sip::{
    Accept, CallKey, ConnectionId, Credentials, Event, HeaderField, Invite, ModifyOutcome, NameAddr, Ring, Uri,
};

use super::network::{HELD, Network, SDP, VIDEO, Who, reinvite};
use crate::config::PbxConfig;
use crate::directory::SwitchChange;
use crate::extension::Extension;
use crate::features::{Conference, RingGroup, RingStrategy};
use crate::media::{LegId, MediaAction, MediaEvent};

const RUNS: u64 = 200;
const STEPS: usize = 100;
const NUMBERS: [&str; 16] = [
    "1000", "1001", "1001", "1002", "1003", "600", "601", "606", "607", "612", "4242", "7000", "7000", "8000", "6200",
    "*97",
];
/// Feature codes and numbers, whole and in part.
const DIGITS: [&str; 12] =
    ["*1", "*31001#", "*31002", "*3", "*31003#", "*37000#", "*36200#", "*0", "*031001#", "*03600#", "#", "7"];

/// xorshift64*: any sequence will do, as long as it is the same each time.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { of.get(self.roll(of.len())).copied() }
    }
}

#[test]
fn whatever_clients_do_nothing_is_left() {
    for seed in 1..=RUNS {
        let run = std::panic::catch_unwind(|| chaos(seed));
        assert!(run.is_ok(), "seed {seed}");
    }
}

/// Two devices that change their call whenever they like, with media that takes its time.
#[test]
fn whatever_two_devices_offer_both_have_the_same_video_in_the_end() {
    let mut offers = 0;
    for seed in 1..=RUNS {
        let run = std::panic::catch_unwind(|| changing(seed));
        offers += run.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(offers > RUNS as usize * 10, "{offers} offers of the PBX's own: too few meet one of a device's");
}

/// A device in a call.
struct Device {
    who: Who,
    call: CallKey,
    /// As it was agreed last.
    video: bool,
    /// What it was offered and has not answered.
    asked: Option<String>,
    /// Exchanges that it began, and those that are over.
    begun: usize,
    over: usize,
}

impl Device {
    fn offer(&mut self, net: &mut Network, sdp: &str) {
        let modify = reinvite(sdp);
        let sent = net.command(self.who, |agent, now| agent.modify(now, self.call, modify));
        self.begun += usize::from(sent.is_ok());
    }

    fn answer(&mut self, net: &mut Network, answer: Result<&str, u16>) {
        if self.asked.take().is_none() {
            return;
        }
        let answered = net.command(self.who, |agent, now| match answer {
            Ok(sdp) => agent.answer_offer(now, self.call, sdp.to_owned()),
            Err(status) => agent.refuse_offer(now, self.call, status),
        });
        if let (Ok(()), Ok(sdp)) = (answered, answer) {
            self.video = sdp == VIDEO;
        }
    }

    fn hear(&mut self, net: &mut Network) {
        for event in net.events(self.who) {
            match event {
                Event::RemoteOffer { offer, .. } => self.asked = offer,
                Event::RemoteOfferAbandoned { .. } => self.asked = None,
                Event::Modified { outcome, .. } => {
                    self.over += 1;
                    if let ModifyOutcome::Accepted { sdp: Some(sdp) } = outcome {
                        self.video = sdp == VIDEO;
                    }
                }
                Event::Terminated { termination, .. } => panic!("{termination:?}"),
                _ => {}
            }
        }
    }
}

/// Gives how many offers of its own the PBX has made.
fn changing(seed: u64) -> usize {
    let mut dice = Dice::new(seed);
    let mut net = Network::new();
    let phones = ["1000", "1001"].map(|number| net.phone(number));
    let (ours, theirs) = net.established(phones[0], phones[1]);
    let device = |who, call| Device { who, call, video: false, asked: None, begun: 0, over: 0 };
    let mut devices = [device(phones[0], ours), device(phones[1], theirs)];
    net.slow_down();
    for _ in 0..4 * STEPS {
        let device = &mut devices[dice.roll(2)];
        match dice.roll(8) {
            0..=1 => device.offer(&mut net, dice.pick(&[SDP, HELD, VIDEO, VIDEO]).unwrap_or(SDP)),
            2..=3 => {
                let is_video = device.asked.as_deref() == Some(VIDEO);
                let answer = if is_video && dice.roll(3) > 0 { VIDEO } else { SDP };
                // Who does not want to be without video cannot be helped.
                let refused = if is_video { [491, 500, 488][dice.roll(3)] } else { 491 };
                device.answer(&mut net, if dice.roll(4) > 0 { Ok(answer) } else { Err(refused) });
            }
            4 => net.advance(dice.roll(1_500) as u64),
            _ => drop(net.deliver()),
        }
        devices.iter_mut().for_each(|device| device.hear(&mut net));
        nobody_waits_in_vain(&net);
    }
    for _ in 0..20 {
        net.deliver_all();
        for device in &mut devices {
            device.hear(&mut net);
            let same = device.asked.clone().unwrap_or_default();
            device.answer(&mut net, Ok(&same));
        }
        net.advance(1_000);
    }
    for device in &mut devices {
        device.hear(&mut net);
        assert_eq!(device.begun, device.over, "an exchange is never over");
    }
    let has_video = |leg: LegId| net.switch.legs[&leg].video.is_some();
    let all = [devices[0].video, devices[1].video, has_video(net.open[1]), has_video(net.open[0])];
    assert!(all == [true; 4] || all == [false; 4], "{all:?}");
    let own = |action: &&MediaAction| matches!(action, MediaAction::CreateOffer { .. });
    let offers = net.media.iter().filter(own).count();
    net.slow = None;
    net.assert_nothing_left();
    offers
}

/// With everything that there is.
fn config() -> PbxConfig {
    let mut extensions = Extension::built_in();
    extensions[2] = extensions[2].clone().call_waiting(false);
    extensions[3] = extensions[3].clone().voicemail(true);
    let group = RingGroup::new("6200", "", ["1002", "1001"]).strategy(RingStrategy::InTurn);
    PbxConfig {
        extensions,
        data_dir: Some("data".into()),
        recordings: Some("calls".into()),
        conferences: vec![Conference::new("7000", ""), Conference::new("8000", "").pin("7")],
        ring_groups: vec![group.ring(std::time::Duration::from_secs(5)).then("1003")],
        ..PbxConfig::default()
    }
}

fn chaos(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut net = Network::with(config());
    let phones: Vec<Who> = ["1000", "1001", "1001", "1002"].map(|number| net.phone(number)).to_vec();
    let mut calls: Vec<Vec<CallKey>> = vec![Vec::new(); phones.len()];
    net.slow_down();
    for _ in 0..STEPS {
        let i = dice.roll(phones.len());
        let who = phones[i];
        let call = dice.pick(&calls[i]);
        match dice.roll(21) {
            0..=2 if net.is_connected(who) => {
                let number = NUMBERS[dice.roll(NUMBERS.len())];
                let with_offer = dice.roll(6) > 0;
                // Sometimes it takes the place of another call, or tries to.
                let replaces = call.filter(|_| dice.roll(4) == 0).and_then(|call| replaced(&mut net, who, call));
                if let Some(call) = dial(&mut net, who, i, number, with_offer, replaces) {
                    calls[i].push(call);
                }
            }
            3 => on(&mut net, who, call, |agent, now, call| {
                let sdp = seed.is_multiple_of(2).then(|| SDP.to_owned());
                let status = if sdp.is_some() { 183 } else { 180 };
                let _ = agent.ring(now, call, Ring { status, sdp, ..Ring::default() });
            }),
            4..=5 => on(&mut net, who, call, |agent, now, call| {
                let _ = agent.accept(
                    now,
                    call,
                    Accept { sdp: SDP.to_owned(), contact: contact(i), headers: Vec::new(), credentials: None },
                );
            }),
            6 => on(&mut net, who, call, |agent, now, call| {
                let _ = agent.reject(now, call, 486, Vec::new());
            }),
            7 => on(&mut net, who, call, |agent, now, call| {
                let _ = agent.hangup(now, call, None);
            }),
            8..=9 => {
                let offer = dice.pick(&[HELD, SDP, VIDEO, VIDEO]).unwrap_or(SDP);
                on(&mut net, who, call, |agent, now, call| {
                    let modify = reinvite(offer);
                    let _ = agent.modify(now, call, modify);
                });
            }
            10 => on(&mut net, who, call, |agent, now, call| {
                let _ = agent.request(now, call, "INFO", Vec::new(), Some(("text/plain".to_owned(), b"x".to_vec())));
            }),
            14 => {
                let to = format!("<sip:{}@localhost>", NUMBERS[dice.roll(NUMBERS.len())]);
                let other = dice.pick(&calls[i]);
                on(&mut net, who, call, |agent, now, call| {
                    let to = other.and_then(|other| replacing(agent, other)).unwrap_or(to);
                    let headers = offhook_sip::HeaderField::new("Refer-To", &to).into_iter().collect();
                    let _ = agent.request(now, call, "REFER", headers, None);
                });
            }
            15 | 16 => {
                if let Some(leg) = dice.pick(&net.open.clone()) {
                    net.dial(leg, DIGITS[dice.roll(DIGITS.len())]);
                }
            }
            17 => {
                let told: Vec<LegId> = net.prompts.keys().copied().collect();
                if let Some(leg) = dice.pick(&told) {
                    net.prompted(leg);
                }
            }
            18 => {
                if let Some(&message) = net.messages.keys().next() {
                    net.media_event(MediaEvent::MessageOver { message });
                }
            }
            // An extension is deleted, or there again.
            19 if dice.roll(5) == 0 => {
                let number = OWN[dice.roll(OWN.len())].to_owned();
                let extension =
                    config().extensions.into_iter().find(|known| known.number() == number && dice.roll(2) == 0);
                let is_deleted = extension.is_none() && dice.roll(2) == 0;
                net.change(SwitchChange::Extension { number, extension, is_other_password: false, is_deleted });
            }
            11 if net.is_connected(who) && dice.roll(2) == 0 => net.disconnect(who),
            11 if !net.is_connected(who) => {
                net.reconnect(who);
                net.register(who, 600, if dice.roll(4) == 0 { "wrong" } else { PASSWORDS[i] });
            }
            12 => net.advance(dice.roll(20_000) as u64),
            13 => {
                if let Some(leg) = dice.pick(&net.open.clone()) {
                    let events = [
                        MediaEvent::Connected { leg },
                        MediaEvent::Silent { leg },
                        MediaEvent::Broken { leg, error: MediaError::Closed },
                    ];
                    let event = events[dice.roll(events.len())].clone();
                    net.media_event(event);
                }
            }
            _ => {
                for _ in 0..dice.roll(4) {
                    net.deliver();
                }
            }
        }
        for (i, &who) in phones.iter().enumerate() {
            react(&mut net, who, &mut calls[i], &mut dice);
        }
        nobody_waits_in_vain(&net);
    }
    if seed.is_multiple_of(3) {
        net.stop();
    } else {
        come_to_rest(&mut net, &phones, &mut calls);
    }
    net.deliver_all();
    net.slow = None;
    net.assert_nothing_left();
}

const PASSWORDS: [&str; 4] = ["secret-1000", "secret-1001", "secret-1001", "secret-1002"];
const OWN: [&str; 4] = ["1000", "1001", "1001", "1002"];

fn replaced(net: &mut Network, who: Who, call: CallKey) -> Option<HeaderField> {
    net.command(who, |agent, _| {
        let view = agent.call(call)?;
        let value = format!("{};to-tag={};from-tag={}", view.call_id, view.remote_tag?, view.local_tag);
        HeaderField::new("Replaces", &value).ok()
    })
}

fn dial(
    net: &mut Network,
    who: Who,
    i: usize,
    number: &str,
    with_offer: bool,
    replaces: Option<HeaderField>,
) -> Option<CallKey> {
    let address = |user: &str| NameAddr::new(Uri::sip(user, "localhost").expect("a number"));
    let invite = Invite {
        target: Uri::sip(number, "localhost").expect("a number"),
        from: address(OWN[i]),
        to: address(number),
        contact: contact(i),
        call_id: None,
        route: Vec::new(),
        headers: replaces.into_iter().collect(),
        offer: with_offer.then(|| SDP.to_owned()),
        credentials: Some(Credentials::password(OWN[i], PASSWORDS[i])),
        no_answer_ms: Some(15_000),
    };
    net.command(who, |agent, now| agent.invite(now, ConnectionId(0), invite)).ok()
}

/// Half of the calls are named by their dialog.
fn replacing(agent: &offhook_sip::Agent, call: CallKey) -> Option<String> {
    let view = agent.call(call).filter(|_| call.0.is_multiple_of(2))?;
    let replaces = format!("{}%3Bto-tag%3D{}%3Bfrom-tag%3D{}", view.call_id, view.remote_tag?, view.local_tag);
    Some(format!("<sip:1001@localhost?Replaces={}>", replaces.replace('@', "%40")))
}

/// Does something to a call, if there is one; that it may be too late for it is the point.
fn on(net: &mut Network, who: Who, call: Option<CallKey>, act: impl FnOnce(&mut offhook_sip::Agent, u64, CallKey)) {
    if let Some(call) = call {
        net.command(who, |agent, now| act(agent, now, call));
    }
}

/// Who has asked for video is answered when somebody else has been.
fn nobody_waits_in_vain(net: &Network) {
    for (id, leg) in &net.switch.legs {
        let is_asked = || net.switch.legs.values().any(|other| other.asked.is_some_and(|(by, _)| by == *id));
        assert!(leg.waiting.is_none() || is_asked(), "{id:?}: {leg:?}");
    }
}

/// Everybody answers what is offered, as it is: then each call has video on both sides or on neither.
fn come_to_rest(net: &mut Network, phones: &[Who], calls: &mut [Vec<CallKey>]) {
    for _ in 0..10 {
        net.deliver_all();
        for (i, &who) in phones.iter().enumerate() {
            react(net, who, &mut calls[i], &mut Dice(0));
        }
        net.advance(2_000);
    }
    net.deliver_all();
    nobody_waits_in_vain(net);
    for call in net.switch.calls.values().filter(|call| call.is_free()) {
        let Some((caller, callee)) = call.caller.zip(call.winner) else { continue };
        let [a, b] = [caller, callee].map(|leg| &net.switch.legs[&leg]);
        let has_video = |leg: &crate::switch::call::Leg| leg.video.is_some();
        assert_eq!(has_video(a), has_video(b), "{a:?}, {b:?}");
    }
}

/// What a phone owes at once.
fn react(net: &mut Network, who: Who, calls: &mut Vec<CallKey>, dice: &mut Dice) {
    for event in net.events(who) {
        match event {
            Event::Incoming { call, .. } => calls.push(call),
            Event::Terminated { call, .. } => calls.retain(|&known| known != call),
            Event::RemoteOffer { call, offer, .. } => {
                let same = offer.unwrap_or_else(|| SDP.to_owned());
                let _ = net.command(who, |agent, now| match dice.roll(6) {
                    4 => agent.refuse_offer(now, call, 491),
                    5 => agent.refuse_offer(now, call, 488),
                    3 => agent.answer_offer(now, call, SDP.to_owned()),
                    _ => agent.answer_offer(now, call, same),
                });
            }
            Event::Request { transaction, .. } => {
                let _ = net.command(who, |agent, now| agent.respond(now, transaction, 200, Vec::new(), None));
            }
            Event::Accepted { call, sdp: Some(_), .. } => {
                // Only a call without an offer takes it.
                let _ = net.command(who, |agent, now| agent.ack(now, call, SDP.to_owned()));
            }
            _ => {}
        }
    }
}

fn contact(i: usize) -> NameAddr {
    NameAddr::new(Uri::parse(&format!("sip:device-{i}@client.invalid;transport=ws")).expect("a URI"))
}
