//! Conferences: who hears whom.

use std::f64::consts::TAU;

use futures_util::StreamExt;
use offhook::{AudioSource, CallId, CallOptions, PcmOutput, Phone, PhoneError, Session, SessionEvent, ToneSpec};
use offhook_pbx::Pbx;

use crate::support::{Talk, pbx, phone, soon, talk, until};

const RATE: u32 = 8_000;
/// What we say in every call, then what each far end says, Hz.
const TONES: [f64; 5] = [450.0, 700.0, 950.0, 1_200.0, 1_450.0];

/// A far end of one of our calls.
struct Party {
    phone: Phone,
    ours: Session,
    theirs: Session,
    ear: PcmOutput,
}

fn quiet(hz: f64) -> AudioSource {
    AudioSource::Tone(ToneSpec::new(hz).level(-26.0))
}

/// Alice talks to so many others: two calls as any other, then consultation calls. Every second one is G.711.
async fn parties(count: usize) -> (Pbx, Phone, Vec<Party>) {
    let pbx = pbx().await;
    let alice = phone(&pbx, "1000").await;
    let mut parties: Vec<Party> = Vec::new();
    for n in 1..=count {
        let number = format!("100{n}");
        let phone = phone(&pbx, &number).await;
        let mut incoming = phone.incoming();
        let codecs = vec![if n % 2 == 0 { "PCMU" } else { "opus" }.to_owned()];
        let options = CallOptions { codecs, ..CallOptions::default() };
        let ours = match parties.first().filter(|_| n > 2) {
            Some(first) => soon(first.ours.consult(number, options)).await,
            None => soon(alice.call(number, options)).await,
        }
        .expect("calls");
        let theirs = soon(incoming.next()).await.expect("rings");
        soon(theirs.answer(CallOptions::default())).await.expect("answers");
        soon(ours.confirmed()).await.expect("is confirmed");
        drop(ours.play(quiet(TONES[0])));
        drop(theirs.play(quiet(TONES[n])));
        let ear = theirs.audio_output(RATE).expect("a rate");
        parties.push(Party { phone, ours, theirs, ear });
        // Calls are made a second apart.
        soon(until_talked_for_a_second(&parties[n - 1].ours)).await;
    }
    (pbx, alice, parties)
}

async fn until_talked_for_a_second(call: &Session) {
    let mut events = call.events();
    until(&mut events, |event| matches!(event, SessionEvent::UpdateTimer { timer, .. } if timer.call_duration >= 1))
        .await;
}

async fn until_held(call: &Session) {
    let mut events = call.events();
    if !call.status().is_hold {
        let held =
            |event: &SessionEvent| matches!(event, SessionEvent::StatusChange { new_status, .. } if new_status.is_hold);
        until(&mut events, held).await;
    }
}

fn ids(parties: &[Party]) -> Vec<CallId> {
    parties.iter().map(|party| party.ours.call_id().clone()).collect()
}

/// Listens until, for 200 ms, exactly these of [`TONES`] are heard.
async fn hears(ear: &mut PcmOutput, wanted: &[usize]) {
    let mut heard = Vec::new();
    let right = async {
        loop {
            let mut samples = [0_i16; RATE as usize / 5];
            assert_eq!(ear.read(&mut samples).await, samples.len(), "the call goes on");
            heard = TONES.iter().map(|hz| amplitude(&samples, *hz)).collect::<Vec<_>>();
            // A tone at −26 dBFS has a peak of 2,300.
            if heard
                .iter()
                .enumerate()
                .all(|(n, level)| if wanted.contains(&n) { *level > 1_100.0 } else { *level < 120.0 })
            {
                return;
            }
        }
    };
    if tokio::time::timeout(std::time::Duration::from_secs(20), right).await.is_err() {
        panic!("heard {heard:?} of {TONES:?}, wanted {wanted:?}");
    }
}

fn amplitude(samples: &[i16], hz: f64) -> f64 {
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), TAU * hz * n as f64 / f64::from(RATE));
        real += sample * angle.cos();
        imaginary += sample * angle.sin();
    }
    2.0 * (real * real + imaginary * imaginary).sqrt() / samples.len() as f64
}

/// Every far end hears us and all others but itself.
async fn all_hear_all(parties: &mut [Party], tones: &[usize]) {
    for (party, own) in parties.iter_mut().zip(tones) {
        let mut wanted: Vec<usize> = tones.iter().copied().filter(|tone| tone != own).collect();
        wanted.push(0);
        hears(&mut party.ear, &wanted).await;
    }
}

#[tokio::test]
async fn in_a_conference_of_three_everybody_hears_everybody_else_and_not_itself() {
    let (_pbx, alice, mut parties) = parties(2).await;
    soon(alice.conference(&ids(&parties))).await.expect("confers");
    for party in &parties {
        let status = party.ours.status();
        assert!(status.is_conference && !status.is_hold);
    }
    all_hear_all(&mut parties, &[1, 2]).await;
    // We hear each far end in its own call.
    for (n, party) in parties.iter().enumerate() {
        let mut ear = party.ours.audio_output(RATE).expect("a rate");
        hears(&mut ear, &[n + 1]).await;
    }
    // Muted towards one, the others are heard by it all the same.
    soon(parties[0].ours.mute()).await.expect("mutes");
    hears(&mut parties[0].ear, &[2]).await;
    hears(&mut parties[1].ear, &[0, 1]).await;
    // One leaves: the other call is as any other.
    soon(parties[1].theirs.hangup()).await.expect("hangs up");
    soon(parties[1].ours.ended()).await;
    hears(&mut parties[0].ear, &[]).await;
    soon(parties[0].ours.unmute()).await.expect("unmutes");
    hears(&mut parties[0].ear, &[0]).await;
    assert!(!parties[0].ours.status().is_conference);
}

#[tokio::test]
async fn in_a_conference_of_five_everybody_hears_everybody_else_and_a_member_that_leaves_is_gone() {
    let (_pbx, alice, mut parties) = parties(4).await;
    // Three first; the fourth call is brought in afterwards.
    soon(alice.conference(&ids(&parties)[..3])).await.expect("confers");
    all_hear_all(&mut parties[..3], &[1, 2, 3]).await;
    // It is held beside that: the conference does not wait for it.
    until_held(&parties[3].ours).await;
    assert!(!parties[3].ours.status().is_conference && parties[3].ours.status().is_hold);
    soon(alice.conference(&ids(&parties)[3..])).await.expect("brings in");
    all_hear_all(&mut parties, &[1, 2, 3, 4]).await;
    let gone = parties.remove(1);
    soon(gone.theirs.hangup()).await.expect("hangs up");
    drop(gone.phone);
    all_hear_all(&mut parties, &[1, 3, 4]).await;
    // The whole conference is held, and comes back.
    soon(alice.hold_conference()).await.expect("holds");
    assert!(parties.iter().all(|party| party.ours.status().is_hold));
    soon(alice.unhold_conference()).await.expect("resumes");
    all_hear_all(&mut parties, &[1, 3, 4]).await;
    // A far end that holds takes its voice and its hold music away, and hears nobody.
    soon(parties[0].theirs.hold()).await.expect("holds");
    hears(&mut parties[1].ear, &[0, 4]).await;
    soon(parties[0].theirs.unhold()).await.expect("resumes");
    all_hear_all(&mut parties, &[1, 3, 4]).await;
}

#[tokio::test]
async fn what_is_no_conference_is_refused() {
    let Talk { a, pbx: _pbx, alice, b: _b, bob: _bob } = talk().await;
    assert_eq!(soon(alice.conference(&[])).await, Err(PhoneError::ConferenceSize { calls: 0 }));
    let one = [a.call_id().clone()];
    assert_eq!(soon(alice.conference(&one)).await, Err(PhoneError::ConferenceSize { calls: 1 }));
    let unknown = [a.call_id().clone(), CallId::new("nobody")];
    assert_eq!(soon(alice.conference(&unknown)).await, Err(PhoneError::UnknownCall));
    assert!(matches!(soon(alice.hold_conference()).await, Err(PhoneError::WrongState { .. })));
}
