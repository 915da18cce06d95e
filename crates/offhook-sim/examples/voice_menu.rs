//! An application's own call flow, tested in virtual time: a voice menu that answers, listens for a digit and transfers.
//!
//! `cargo run -p offhook-sim --example voice_menu [SEED]`
//!
//! The menu below is written as an application writes it: events in, commands out. The test then lets callers use it under
//! faults (a cut network, a server restart, lost messages) for many seeds. No PBX, no network, no sleep.

use std::collections::BTreeMap;

use offhook_core::{CallId, PhoneEvent, SessionEvent};
use offhook_sim::{Faults, PhoneId, World};

/// The application under test.
#[derive(Default)]
struct Menu {
    calls: BTreeMap<CallId, State>,
    transferred: usize,
    returned: usize,
}

#[derive(PartialEq, Clone, Copy)]
enum State {
    Greeting,
    Transferring,
}

impl Menu {
    /// What happened at its phone; what it does about it.
    fn on(&mut self, world: &mut World, me: PhoneId, event: &PhoneEvent) {
        match event {
            // A refusal: the caller has hung up in this instant, or another call is being answered; it rings on.
            PhoneEvent::Incoming { .. } => self.answer_next(world, me),
            PhoneEvent::Session(SessionEvent::Confirmed { call_id }) => {
                self.calls.insert(call_id.clone(), State::Greeting);
                self.answer_next(world, me);
            }
            PhoneEvent::Session(SessionEvent::Dtmf { call_id, tone, .. }) => {
                let target = if *tone == '1' { "sales" } else { "nobody" };
                if self.calls.get(call_id) == Some(&State::Greeting) {
                    let begun = world.command(me, |phone, now| phone.blind_transfer(now, call_id, target));
                    if begun.is_ok() {
                        self.calls.insert(call_id.clone(), State::Transferring);
                    }
                }
            }
            PhoneEvent::Session(SessionEvent::TransferFailed { call_id, .. }) => {
                // Back to the menu.
                self.returned += 1;
                self.calls.insert(call_id.clone(), State::Greeting);
            }
            PhoneEvent::DeleteSession { call_id, .. } => {
                if self.calls.remove(call_id) == Some(State::Transferring) {
                    self.transferred += 1;
                }
                self.answer_next(world, me);
            }
            _ => {}
        }
    }

    fn answer_next(&self, world: &mut World, me: PhoneId) {
        if let Some(call) = world.ringing(me) {
            let _ = world.answer(me, &call);
        }
    }
}

/// One caller presses a digit; gives what became of it: (transferred, returned to the menu).
fn story(seed: u64, digit: &str, faults: Faults, trouble: impl Fn(&mut World, [PhoneId; 3])) -> (usize, usize) {
    let mut world = World::new(seed);
    let phones = [world.phone("menu"), world.phone("sales"), world.phone("caller")];
    let [menu, sales, caller] = phones;
    let mut app = Menu::default();
    world.faults = faults;
    let call = world.call(caller, "menu").expect("registered");
    for step in 0..1_200 {
        world.run(100);
        for event in world.take_events(menu) {
            app.on(&mut world, menu, &event);
        }
        if let Some(rings) = world.ringing(sales) {
            let _ = world.answer(sales, &rings);
        }
        match step {
            20 => {
                // Refused when the call did not get that far.
                let _ = world.command(caller, |phone, now| phone.dtmf(now, &call, digit));
            }
            30 => trouble(&mut world, phones),
            _ => {}
        }
    }
    for phone in phones {
        for call in world.calls(phone) {
            let _ = world.hangup(phone, &call);
        }
    }
    world.run(120_000);
    for phone in phones {
        assert!(world.calls(phone).is_empty(), "seed {seed}: {} still has a call", world.name(phone));
    }
    (app.transferred, app.returned)
}

fn main() {
    let first: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    assert_eq!(story(first, "1", Faults::default(), |_, _| {}), (1, 0), "1 is put through to sales");
    assert_eq!(story(first, "9", Faults::default(), |_, _| {}), (0, 1), "9 leads back to the menu");
    let lossy = Faults { loss: 20, duplication: 50, reordering: 50, ..Faults::default() };
    let mut put_through = 0;
    for seed in first..first + 200 {
        put_through += story(seed, "1", lossy, |_, _| {}).0;
        put_through += story(seed, "1", Faults::default(), |world, [menu, ..]| world.cut(menu, 4_000)).0;
        put_through += story(seed, "1", Faults::default(), |world, _| world.restart_server(3_000)).0;
    }
    println!("600 stories under faults: nothing hangs, nothing leaks; {put_through} callers were put through");
}
