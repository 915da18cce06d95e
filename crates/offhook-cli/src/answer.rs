//! `offhook answer`.

use futures_util::StreamExt as _;
use offhook::{AudioSource, CallOptions, EventStream, PhoneEvent, Session, WavSource};
use serde_json::json;

use crate::args::AnswerArgs;
use crate::devices::Chosen;
use crate::exit::{Failure, Reason};
use crate::quality::{Leaving, Quality};
use crate::server::{Line, connect, of_end};
use crate::signal::{Interrupt, until};
use crate::sound::{self, Record};
use crate::told::{self, CallTime, Teller};

/// Answers calls until Ctrl-C, or one of them.
pub(crate) async fn run(args: AnswerArgs) -> Result<(), Failure> {
    let mut interrupt = Interrupt::install();
    let teller = Teller::new(args.json);
    let prepared = tokio::select! {
        prepared = prepare(&args) => prepared,
        () = interrupt.wait() => return Ok(()),
    };
    let (mut line, play) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            if args.json {
                teller.summary(&told::of_nothing(&failure), "");
            }
            return Err(failure);
        }
    };
    let result = wait(&args, &mut line, play, teller, &mut interrupt).await;
    line.end().await;
    result
}

async fn prepare(args: &AnswerArgs) -> Result<(Line, Option<WavSource>), Failure> {
    let play = sound::open(args.play.as_deref())?;
    sound::check_record(args.record.as_deref())?;
    let devices = Chosen::open(&args.sound).await?;
    Ok((connect(&args.server, offhook::DtmfMode::default(), devices).await?, play))
}

async fn wait(
    args: &AnswerArgs,
    line: &mut Line,
    play: Option<WavSource>,
    teller: Teller,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let mut incoming = line.phone.incoming();
    let mut events = line.phone.events();
    let mut calls = 0_u64;
    loop {
        let session = tokio::select! {
            session = incoming.next() => session,
            Some(event) = events.next() => {
                teller.event(&event);
                continue;
            }
            () = interrupt.wait() => break,
        };
        let Some(session) = session else {
            let by_itself = || Failure::new(Reason::Failed, "the phone stopped by itself");
            return Err(line.why_gone().unwrap_or_else(by_itself));
        };
        calls += 1;
        let call = Call { args, session: &session, teller };
        let ended = call.take(play.clone(), &mut events, &mut incoming, interrupt).await;
        match ended {
            // Its summary is printed.
            Taken::Interrupted if args.once => return Ok(()),
            Taken::Interrupted => break,
            Taken::Ended(result) if args.once => return line.why_gone().map_or(result, Err),
            // The next call may be better.
            Taken::Ended(Err(failure)) => eprintln!("offhook: {failure}"),
            Taken::Ended(Ok(())) => {}
        }
    }
    let summary = json!({ "event": "summary", "ok": true, "calls": calls, "exit_code": 0 });
    teller.summary(&summary, format!("{calls} calls answered"));
    Ok(())
}

/// How a call left us.
enum Taken {
    Ended(Result<(), Failure>),
    Interrupted,
}

struct Call<'a> {
    args: &'a AnswerArgs,
    session: &'a Session,
    teller: Teller,
}

impl Call<'_> {
    /// Answers the call and stays in it to its end; others that come meanwhile hear that we are busy.
    async fn take(
        &self,
        play: Option<WavSource>,
        events: &mut EventStream<PhoneEvent>,
        incoming: &mut EventStream<Session>,
        interrupt: &mut Interrupt,
    ) -> Taken {
        let Self { args, session, teller } = self;
        let status = session.status();
        teller.note("call", format!("{} calls", status.number));
        // The outcome of both is told by the events and the end of the call.
        // With devices, the microphone is what is sent without anything else.
        if args.echo || play.is_some() || !args.sound.devices {
            drop(session.play(if args.echo { AudioSource::Echo } else { sound::source(play) }));
        }
        drop(session.answer(CallOptions::default()));

        let mut record = Record::new(args.record.as_deref(), args.sound.devices);
        let mut time = CallTime::default();
        let mut failure = None;
        let mut interrupted = false;
        let mut leaving: Option<Leaving> = None;
        loop {
            tokio::select! {
                // The end of this call first: who calls after it is not to hear that we are busy.
                biased;
                event = events.next() => {
                    let Some(event) = event else { break };
                    time.see(&event, session);
                    if let Err(unwritable) = record.see(&event, session) {
                        failure = Some(unwritable);
                        leaving.get_or_insert_with(|| Leaving::hang_up(session));
                    }
                    teller.event(&event);
                    if told::is_last(&event, session) {
                        break;
                    }
                }
                Some(other) = incoming.next() => {
                    teller.note("busy", format!("{} calls too: busy", other.status().number));
                    drop(other.reject());
                }
                () = interrupt.wait(), if !interrupted => {
                    interrupted = true;
                    leaving.get_or_insert_with(|| Leaving::hang_up(session));
                }
                () = until(leaving.as_ref().map(|leaving| leaving.until)) => {
                    return failure.map_or(Taken::Interrupted, |failure| Taken::Ended(Err(failure)));
                }
            }
        }
        let end = session.ended().await;
        let quality = Quality::of(session, leaving).await;
        let recorded = record.finish().await;
        let failure = failure.or_else(|| of_end(&end, &status.number)).or_else(|| time.connection_lost());
        let (recorded, failure) = match (recorded, failure) {
            (Ok(path), failure) => (path, failure),
            (Err(error), failure) => (None, Some(failure.unwrap_or(error))),
        };
        let mut summary = told::of_call(session, &end, time, recorded.as_deref(), failure.as_ref(), &quality);
        if !args.once
            && let Some(object) = summary.as_object_mut()
        {
            object.insert("event".to_owned(), "callSummary".into());
        }
        teller.summary(&summary, told::of_call_text(&end, time, recorded.as_deref(), &quality));
        if interrupted { Taken::Interrupted } else { Taken::Ended(failure.map_or(Ok(()), Err)) }
    }
}
