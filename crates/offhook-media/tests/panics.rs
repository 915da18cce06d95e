//! Code of the program's that panics: it is gone, and the call goes on. In a process of its own: what is printed of a panic (a backtrace) takes
//! the media's thread, which is that of every call, some hundred milliseconds, and other tests measure what is heard.

mod common;

use std::sync::Once;

use common::*;
use offhook_media::*;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Nothing is printed of panics on the media's threads: the two tests here share them.
fn quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() != Some("offhook-media") {
                usual(panic);
            }
        }));
    });
}

/// Panics as soon as it is used, and as it is dropped, which it tells.
struct Bad(mpsc::UnboundedSender<&'static str>, &'static str);

impl AudioSourceFn for Bad {
    fn fill(&mut self, _: u32, out: &mut [i16]) -> SourceState {
        out.fill(i16::MAX);
        panic!("the program's own fault")
    }
}

impl AudioSink for Bad {
    fn write(&mut self, _: u32, _: &[i16]) {
        panic!("the program's own fault")
    }
}

impl Tap for Bad {
    fn frame(&mut self, _: &TapFrame<'_>) {
        panic!("the program's own fault")
    }
}

impl Drop for Bad {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
        panic!("the program's own fault")
    }
}

#[tokio::test]
async fn a_source_a_sink_and_a_tap_that_panic_are_gone_and_the_call_goes_on() {
    quietly();
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    connect(&mut a, &mut b).await;
    let (sender, mut dropped) = mpsc::unbounded_channel();
    let bad = |what| Box::new(Bad(sender.clone(), what));
    let id = a.peer.set_source(AudioSource::Custom(bad("source")));
    a.wait(|event| (*event == PeerEvent::SourceEnded(id)).then_some(())).await;
    assert_eq!(timeout(LIMIT, dropped.recv()).await.expect("in time"), Some("source"));
    a.peer.set_sink(Some(bad("sink")));
    assert_eq!(timeout(LIMIT, dropped.recv()).await.expect("in time"), Some("sink"));
    a.peer.tap(*bad("tap"));
    assert_eq!(timeout(LIMIT, dropped.recv()).await.expect("in time"), Some("tap"));
    let mixer = Mixer::new();
    mixer.set_listener(Some(bad("listener")));
    a.peer.join(&mixer);
    assert_eq!(timeout(LIMIT, dropped.recv()).await.expect("in time"), Some("listener"));
    let (at_a, at_b) = (Heard::listen(&a), Heard::listen(&b));
    let said = speech(RATE, 1.5);
    a.peer.set_source(wav(&said, RATE));
    at_a.seconds(0.2).await;
    at_b.seconds(2.0).await;
    assert!(correlation(&said, &at_b.at(RATE)) > 0.9);
}

/// Panics even while its panic is cleaned up.
struct Worse;

impl AudioSourceFn for Worse {
    fn fill(&mut self, _: u32, _: &mut [i16]) -> SourceState {
        std::panic::panic_any(Worse)
    }
}

impl Drop for Worse {
    fn drop(&mut self) {
        panic!("the program's own fault")
    }
}

#[tokio::test]
async fn a_peer_connection_that_breaks_down_says_so() {
    quietly();
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    connect(&mut a, &mut b).await;
    a.peer.set_source(AudioSource::Custom(Box::new(Worse)));
    let failed = a.wait(|event| if let PeerEvent::Failed(error) = event { Some(error.clone()) } else { None }).await;
    assert_eq!(failed, MediaError::Crashed);
    assert_eq!(a.peer.stats().await.map(drop), Err(MediaError::Closed));
}
