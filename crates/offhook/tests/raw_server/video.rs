//! Two phones whose server passes everything on unread: video between them, as encoded pictures.

use futures_util::StreamExt;
use offhook::{CallOptions, PhoneError, Session, SessionEvent, VideoCodec, VideoFrame};
use tokio::sync::mpsc;

use crate::support::{Connection, Received, SOON, Server, soon};

/// Two registered phones, and all between them.
async fn pair() -> (offhook::Phone, offhook::Phone) {
    let server = Server::start().await;
    let (alice, bob) = (server.phone(), server.phone().user("1001").password("secret-1001"));
    let first = tokio::spawn(alice.connect());
    let one = server.registered().await;
    let alice = soon("registering", first).await.expect("no panic").expect("registers");
    let second = tokio::spawn(bob.connect());
    let two = server.registered().await;
    let bob = soon("registering", second).await.expect("no panic").expect("registers");
    let (to_one, from_two) = mpsc::unbounded_channel();
    let (to_two, from_one) = mpsc::unbounded_channel();
    tokio::spawn(pass_on(one, to_two, from_two));
    tokio::spawn(pass_on(two, to_one, from_one));
    // The port stays open as long as the test runs: nobody connects again.
    drop(server);
    (alice, bob)
}

/// One phone's side of the server.
async fn pass_on(
    mut connection: Connection,
    to: mpsc::UnboundedSender<String>,
    mut from: mpsc::UnboundedReceiver<String>,
) {
    loop {
        tokio::select! {
            message = connection.next() => match message {
                None => return,
                Some(message) if message.0.starts_with("REGISTER ") => {
                    connection.send(message.answer(200, "OK", "Expires: 600\r\n")).await;
                }
                Some(Received(text)) => {
                    // The other phone may have closed.
                    let _ = to.send(text);
                }
            },
            Some(text) = from.recv() => connection.send(text).await,
        }
    }
}

fn video() -> CallOptions {
    CallOptions { video: true, ..CallOptions::default() }
}

async fn talk(made: CallOptions, answered: CallOptions) -> (offhook::Phone, offhook::Phone, Session, Session) {
    let (alice, bob) = pair().await;
    let mut incoming = bob.incoming();
    let a = soon("calling", alice.call("1001", made)).await.expect("calls");
    let b = soon("ringing", incoming.next()).await.expect("rings");
    soon("answering", b.answer(answered)).await.expect("answers");
    soon("the call", a.confirmed()).await.expect("is confirmed");
    (alice, bob, a, b)
}

fn picture(n: u32) -> VideoFrame {
    let keyframe = n.is_multiple_of(5);
    let mut data = vec![if keyframe { 0x10 } else { 0x11 }];
    data.resize(3_000, n as u8);
    VideoFrame { codec: VideoCodec::Vp8, timestamp: n * 3_000, keyframe, data }
}

/// Pictures sent by the one until the other has got three in a row, which must be what was sent.
async fn sees(from: &Session, to: &Session) {
    let (input, mut output) = (from.video_input(), to.video_output());
    let sending = tokio::spawn(async move {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(33));
        for n in 0_u32.. {
            tick.tick().await;
            if !input.send(picture(n % 200)) {
                return;
            }
        }
    });
    for _ in 0..3 {
        let frame = soon("a picture", output.recv()).await.expect("the call goes on");
        assert_eq!(frame, picture(frame.timestamp / 3_000));
    }
    sending.abort();
}

#[tokio::test]
async fn who_waits_for_a_key_frame_to_be_asked_for_is_told_of_the_end() {
    let (_alice, _bob, a, b) = talk(video(), video()).await;
    let input = a.video_input();
    let waiting = tokio::spawn(async move { while input.keyframe_requested().await {} });
    soon("hanging up", b.hangup()).await.expect("hangs up");
    soon("the end", waiting).await.expect("no panic");
    // Nor does one who comes later wait.
    while soon("the end", a.video_input().keyframe_requested()).await {}
}

#[tokio::test]
async fn pictures_go_both_ways_in_a_video_call_and_are_reported() {
    let (_alice, _bob, a, b) = talk(video(), video()).await;
    assert!(a.status().is_video && b.status().is_video);
    sees(&a, &b).await;
    sees(&b, &a).await;
    let mut events = a.events();
    let mut tracks = 0;
    let report = soon("a report", async {
        loop {
            match events.next().await.expect("goes on") {
                SessionEvent::StreamAdded { .. } => tracks += 1,
                // An earlier one may be of before the first picture of the far end.
                SessionEvent::CallReport { call_report, .. }
                    if call_report.lks_video_codec == "VP8"
                        && call_report.lks_video_rx.parse::<u64>().is_ok_and(|received| received > 0) =>
                {
                    return call_report;
                }
                _ => {}
            }
        }
    })
    .await;
    assert_eq!(tracks, 2, "audio and video");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    assert!(number(&report.lks_video_rx) > 0 && number(&report.lks_video_tx) > 0, "{report:?}");
}

#[tokio::test]
async fn video_is_added_when_the_far_end_agrees_and_refused_when_nobody_is_asked() {
    let (_alice, _bob, a, b) = talk(CallOptions::default(), CallOptions::default()).await;
    let refused = soon("the refusal", a.audio_to_video()).await;
    assert!(matches!(refused, Err(PhoneError::Refused { status: 488, .. })), "{refused:?}");
    assert!(!a.status().is_video && !b.status().is_video);
    let (asked, mut requests) = mpsc::unbounded_channel();
    let agree = move |request: offhook::VideoRequest| {
        let asked = asked.clone();
        async move {
            let _ = asked.send((request.call_id, request.name));
            true
        }
    };
    soon("setting", b.agree_change_video(agree)).await.expect("sets");
    soon("the agreement", a.audio_to_video()).await.expect("is agreed");
    let request = requests.recv().await.expect("was asked");
    assert_eq!(request, (b.call_id().clone(), b.status().name));
    assert!(a.status().is_video && b.status().is_video);
    sees(&a, &b).await;
    soon("taking it away", b.video_to_audio()).await.expect("is agreed");
    assert!(!a.status().is_video && !b.status().is_video);
    // Not asked any more.
    soon("setting", b.refuse_change_video()).await.expect("sets");
    assert!(soon("the refusal", a.audio_to_video()).await.is_err());
}

#[tokio::test]
async fn a_call_that_takes_the_place_of_another_refuses_video_at_once_until_it_is_asked_about_too() {
    let (alice, bob, a, b) = talk(CallOptions::default(), CallOptions::default()).await;
    soon("setting", b.agree_change_video(|_| async { true })).await.expect("sets");
    let mut incoming = alice.incoming();
    let transfer = a.blind_transfer("1002");
    let next = soon("the call of the transferred", incoming.next()).await.expect("rings");
    soon("answering", next.answer(CallOptions::default())).await.expect("answers");
    soon("the transfer", transfer).await.expect("succeeds");
    soon("the end", b.ended()).await;
    let refused = soon("the refusal", next.audio_to_video()).await;
    assert!(matches!(refused, Err(PhoneError::Refused { status: 488, .. })), "{refused:?}");
    let [taking] = &bob.sessions()[..] else { panic!("one call goes on") };
    soon("setting", taking.agree_change_video(|_| async { true })).await.expect("sets");
    soon("the agreement", next.audio_to_video()).await.expect("is agreed");
}

#[tokio::test]
async fn somebody_asked_who_panics_has_refused() {
    let (_alice, _bob, a, b) = talk(CallOptions::default(), CallOptions::default()).await;
    soon("setting", b.agree_change_video(|_| async { panic!("the program's own fault") })).await.expect("sets");
    let refused = tokio::time::timeout(SOON, a.audio_to_video()).await.expect("is settled");
    assert!(matches!(refused, Err(PhoneError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_new_output_of_pictures_asks_the_sender_for_nothing_and_the_end_closes_it() {
    let (_alice, _bob, a, b) = talk(video(), video()).await;
    let mut first = b.video_output();
    let mut second = b.video_output();
    assert_eq!(soon("its end", first.recv()).await, None, "another took its place");
    soon("hanging up", a.hangup()).await.expect("hangs up");
    assert_eq!(soon("the end", second.recv()).await, None);
    assert!(!a.video_input().send(picture(0)), "the call is over");
}
