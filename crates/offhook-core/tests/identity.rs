//! Who the far end is: the header in every message that may carry it, and the manual mode.

mod common;

use common::{A, B, World};
use offhook_core::{CallId, StaticPatch};
use offhook_sip::{HeaderField, Modify, ModifyMethod};

fn header(name: &str, value: &str) -> Vec<HeaderField> {
    vec![HeaderField::new(name, value).expect("a header")]
}

fn shown(world: &World, who: usize, call: &CallId) -> (String, String) {
    let status = world.phone(who).session(call).expect("there").status();
    (status.name.clone(), status.number.clone())
}

fn bob() -> (String, String) {
    ("Bob".to_owned(), "1002".to_owned())
}

/// What the server says of itself in the middle of a call.
fn update(world: &mut World, method: ModifyMethod, headers: Vec<HeaderField>) {
    world.serve(|server, now| {
        let leg = server.leg_of(A);
        let offer =
            (method == ModifyMethod::Invite).then(|| common::sdp_with(50, 9, offhook_core::Direction::SendRecv));
        server.act(now, |agent| agent.modify(now, leg, Modify { method, offer, headers })).expect("changes");
    });
    world.run(500);
}

#[test]
fn without_any_header_the_far_end_is_the_one_of_from_or_the_one_dialled() {
    let mut world = World::with(|config| config.aor = config.aor.clone().with_display("Ann"));
    let (a, b) = world.ring();
    assert_eq!(shown(&world, A, &a), ("1001".to_owned(), "1001".to_owned()));
    assert_eq!(shown(&world, B, &b), ("Ann".to_owned(), "1000".to_owned()));
}

#[test]
fn the_initial_invite_and_the_ringing_carry_it_by_either_header() {
    for name in ["P-Asserted-Identity", "Remote-Party-ID"] {
        let mut world = World::new();
        world.serve(|server, _| server.headers = header(name, "\"Bob\" <sip:1002@pbx.example>;party=calling"));
        let (a, b) = world.ring();
        assert_eq!((shown(&world, A, &a), shown(&world, B, &b)), (bob(), bob()), "{name}");
    }
}

#[test]
fn the_200_carries_it() {
    let mut world = World::new();
    let (a, b) = world.ring();
    world.serve(|server, _| server.headers = header("Remote-Party-ID", "\"Bob\" <sip:1002@pbx.example>"));
    world.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
    world.run(500);
    assert_eq!(shown(&world, A, &a), bob());
}

#[test]
fn a_reinvite_and_an_update_carry_it() {
    for method in [ModifyMethod::Invite, ModifyMethod::Update] {
        let mut world = World::new();
        let (a, _) = world.talk();
        update(&mut world, method, header("P-Asserted-Identity", "\"Bob\" <sip:1002@pbx.example>"));
        assert_eq!(shown(&world, A, &a), bob(), "{method:?}");
        world.clear(A);
        update(&mut world, method, header("P-Asserted-Identity", "\"Bob\" <sip:1002@pbx.example>"));
        assert!(world.log(A).iter().all(|event| !event.starts_with("statusChange")), "nothing changed");
    }
}

#[test]
fn another_number_takes_the_picture_away_and_the_same_number_keeps_it() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let picture = || StaticPatch { avatar: Some("x.png".to_owned()), ..StaticPatch::default() };
    world.act(A, |phone, now| phone.set_static_status(now, &a, picture(), None)).expect("sets");
    update(&mut world, ModifyMethod::Update, header("Remote-Party-ID", "\"Mr Smith\" <sip:1001@pbx.example>"));
    let avatar = |world: &World| world.phone(A).session(&a).expect("there").status().avatar.clone();
    assert_eq!(avatar(&world), "x.png");
    update(&mut world, ModifyMethod::Update, header("Remote-Party-ID", "<sip:1002@pbx.example>"));
    assert_eq!((avatar(&world).as_str(), shown(&world, A, &a).0.as_str()), ("", "1002"));
}

#[test]
fn in_manual_mode_name_picture_and_company_stay_and_the_number_follows() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let mine = StaticPatch {
        name: Some("Mine".to_owned()),
        avatar: Some("x.png".to_owned()),
        company: Some("Bell".to_owned()),
    };
    world.act(A, |phone, now| phone.set_static_status(now, &a, mine.clone(), Some(true))).expect("sets");
    update(&mut world, ModifyMethod::Update, header("Remote-Party-ID", "\"Bob\" <sip:1002@pbx.example>"));
    let status = world.phone(A).session(&a).expect("there").status().clone();
    let kept = status.static_status();
    assert_eq!((Some(kept.name), Some(kept.avatar), Some(kept.company)), (mine.name, mine.avatar, mine.company));
    assert_eq!(status.number, "1002");
}
