//! `offhook answer`.

use futures_util::{FutureExt as _, StreamExt as _};
use offhook::{AudioSource, CallOptions, EventStream, PhoneEvent, Session, WavSource};
use serde_json::{Value, json};

use crate::args::AnswerArgs;
use crate::devices::Chosen;
use crate::exit::{Failure, Reason};
use crate::ice;
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
        prepared = prepare(&args) => Some(prepared),
        () = interrupt.wait() => None,
    };
    let mut answered = Answered::default();
    let (line, result) = match prepared {
        Some(Ok((mut line, play))) => {
            let result = wait(&args, &mut line, play, teller, &mut interrupt, &mut answered).await;
            (Some(line), result)
        }
        Some(Err(failure)) => (None, Err(failure)),
        None => (None, Ok(())),
    };
    answered.tell(teller, &result);
    if let Some(line) = line {
        line.end().await;
    }
    result
}

/// What was answered until the command ends, however it does.
#[derive(Debug, Default)]
struct Answered {
    calls: u64,
    /// What came of the call that was the only one to be taken, for a program and for a human.
    only: Option<(Value, String)>,
}

impl Answered {
    /// The last line.
    fn tell(self, teller: Teller, result: &Result<(), Failure>) {
        let failure = result.as_ref().err();
        let calls = self.calls;
        let (summary, text) = self.only.unwrap_or_else(|| {
            // What went wrong before there was a call is told by the error.
            let text = if calls > 0 || failure.is_none() { format!("{calls} calls answered") } else { String::new() };
            (json!({ "event": "summary", "calls": calls }), text)
        });
        teller.summary(&told::with_outcome(summary, failure), text);
    }
}

async fn prepare(args: &AnswerArgs) -> Result<(Line, Option<WavSource>), Failure> {
    let options = ice::options(&args.ice)?;
    let play = sound::open(args.play.as_deref())?;
    sound::check_record(args.record.as_deref())?;
    let devices = Chosen::open(&args.sound).await?;
    Ok((connect(&args.server, options, offhook::DtmfMode::default(), devices).await?, play))
}

async fn wait(
    args: &AnswerArgs,
    line: &mut Line,
    play: Option<WavSource>,
    teller: Teller,
    interrupt: &mut Interrupt,
    answered: &mut Answered,
) -> Result<(), Failure> {
    let mut incoming = line.phone.incoming();
    let mut events = line.phone.events();
    loop {
        let session = tokio::select! {
            session = incoming.next() => session,
            Some(event) = events.next() => {
                teller.event(&event);
                continue;
            }
            () = interrupt.wait() => return Ok(()),
        };
        let Some(session) = session else {
            let by_itself = || Failure::new(Reason::Failed, "the phone stopped by itself");
            return Err(line.why_gone().unwrap_or_else(by_itself));
        };
        answered.calls += 1;
        let call = Call { args, session: &session, options: &line.options, teller };
        let taken = call.take(play.clone(), &mut events, &mut incoming, interrupt).await;
        if args.once {
            answered.only = Some((taken.summary, taken.text));
            return line.why_gone().or(taken.failure).map_or(Ok(()), Err);
        }
        let mut summary = taken.summary;
        if let Some(object) = summary.as_object_mut() {
            object.insert("event".to_owned(), "callSummary".into());
        }
        teller.summary(&summary, taken.text);
        // The next call may be better.
        if let Some(failure) = taken.failure {
            eprintln!("offhook: {failure}");
        }
        if taken.interrupted {
            return Ok(());
        }
    }
}

/// How a call left us.
struct Taken {
    summary: Value,
    text: String,
    failure: Option<Failure>,
    interrupted: bool,
}

struct Call<'a> {
    args: &'a AnswerArgs,
    session: &'a Session,
    options: &'a CallOptions,
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
        let Self { args, session, options, teller } = self;
        let status = session.status();
        teller.note("call", format!("{} calls", status.number));
        // The outcome of both is told by the events and the end of the call.
        // With devices, the microphone is what is sent without anything else.
        if args.echo || play.is_some() || !args.sound.devices {
            drop(session.play(if args.echo { AudioSource::Echo } else { sound::source(play) }));
        }
        drop(session.answer(CallOptions::clone(options)));

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
                    failure.get_or_insert_with(|| Failure::new(Reason::Timeout, "the call did not end in time"));
                    break;
                }
            }
        }
        // It is settled by now, unless it did not end in time.
        let end = session.ended().now_or_never();
        let quality = Quality::of(session, leaving).await;
        let recorded = record.finish().await;
        let failure = failure.or_else(|| of_end(end.as_ref()?, &status.number)).or_else(|| time.connection_lost());
        let (recorded, failure) = match (recorded, failure) {
            (Ok(path), failure) => (path, failure),
            (Err(error), failure) => (None, Some(failure.unwrap_or(error))),
        };
        let summary = told::of_call(session, end.as_ref(), time, recorded.as_deref(), failure.as_ref(), &quality);
        let text = told::of_call_text(end.as_ref(), time, recorded.as_deref(), &quality);
        Taken { summary, text, failure, interrupted }
    }
}
