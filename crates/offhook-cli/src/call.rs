//! `offhook call`.

use std::cell::OnceCell;
use std::future::Future;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use offhook::{CallOptions, PhoneError, Session, WavSource};

use crate::args::CallArgs;
use crate::devices::Chosen;
use crate::exit::{Failure, Reason};
use crate::ice;
use crate::quality::{Leaving, Quality};
use crate::server::{Line, connect, of_end, of_phone};
use crate::signal::{Interrupt, until};
use crate::sound::{self, Record};
use crate::told::{self, CallTime, Teller};
use crate::transfer::transfer;

/// How long `--hold-after` holds.
const HOLD: Duration = Duration::from_secs(2);

/// Calls a number and does what the options say.
pub(crate) async fn run(args: CallArgs) -> Result<(), Failure> {
    let mut interrupt = Interrupt::install();
    let teller = Teller::new(args.json);
    let prepared = tokio::select! {
        prepared = prepare(&args) => prepared,
        () = interrupt.wait() => Err(Failure::new(Reason::Interrupted, "interrupted before the call")),
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
    let result = call(&args, &mut line, play, teller, &mut interrupt).await;
    line.end().await;
    result
}

/// Everything that can be wrong before somebody's telephone rings.
async fn prepare(args: &CallArgs) -> Result<(Line, Option<WavSource>), Failure> {
    let options = ice::options(&args.ice)?;
    let play = sound::open(args.play.as_deref())?;
    sound::check_record(args.record.as_deref())?;
    let devices = Chosen::open(&args.sound).await?;
    Ok((connect(&args.server, options, args.dtmf_mode, devices).await?, play))
}

async fn call(
    args: &CallArgs,
    line: &mut Line,
    play: Option<WavSource>,
    teller: Teller,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let mut events = line.phone.events();
    let session = match line.phone.call(&args.number, line.options.clone()).await {
        Ok(session) => session,
        Err(error) => {
            let failure = of_phone(&error, &args.server);
            if args.json {
                teller.summary(&told::of_nothing(&failure), "");
            }
            return Err(failure);
        }
    };
    let mut record = Record::new(args.record.as_deref(), args.sound.devices);
    let mut time = CallTime::default();
    let mut failure = None;
    let mut interrupted = false;
    let mut leaving: Option<Leaving> = None;
    let not_transferred = OnceCell::new();
    let options = line.options.clone();
    let script = script(args, &session, &options, play, &not_transferred, teller);
    tokio::pin!(script);
    let mut playing = true;
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else { break };
                time.see(&event, &session);
                if let Err(unwritable) = record.see(&event, &session) {
                    failure = Some(unwritable);
                    playing = false;
                    leaving.get_or_insert_with(|| Leaving::hang_up(&session));
                }
                teller.event(&event);
                if told::is_last(&event, &session) {
                    break;
                }
            }
            result = &mut script, if playing => {
                playing = false;
                if let Err(error) = result {
                    failure = Some(of_phone(&error, &args.server));
                }
                leaving.get_or_insert_with(|| Leaving::hang_up(&session));
            }
            () = interrupt.wait(), if !interrupted => {
                interrupted = true;
                playing = false;
                leaving.get_or_insert_with(|| Leaving::hang_up(&session));
            }
            () = until(leaving.as_ref().map(|leaving| leaving.until)) => {
                failure.get_or_insert_with(|| Failure::new(Reason::Timeout, "the call did not end in time"));
                break;
            }
        }
    }
    // It is settled by now, unless it did not end in time.
    let end = session.ended().now_or_never();
    let quality = Quality::of(&session, leaving).await;
    let recorded = record.finish().await;
    let mut failure = line
        .why_gone()
        .or(failure)
        .or_else(|| of_end(end.as_ref()?, &args.number))
        .or_else(|| time.connection_lost())
        .or_else(|| not_transferred.get().cloned());
    if interrupted && end.is_some_and(|end| !end.was_established) {
        failure = Some(Failure::new(Reason::Interrupted, format!("interrupted before {} answered", args.number)));
    }
    let (recorded, failure) = match (recorded, failure) {
        (Ok(path), failure) => (path, failure),
        (Err(error), failure) => (None, Some(failure.unwrap_or(error))),
    };
    teller.summary(
        &told::of_call(&session, end.as_ref(), time, recorded.as_deref(), failure.as_ref(), &quality),
        told::of_call_text(end.as_ref(), time, recorded.as_deref(), &quality),
    );
    failure.map_or(Ok(()), Err)
}

/// What is done in the call. When it is over, the call is to be ended; it is never over if the far end is to end it.
async fn script(
    args: &CallArgs,
    session: &Session,
    options: &CallOptions,
    play: Option<WavSource>,
    not_transferred: &OnceCell<Failure>,
    teller: Teller,
) -> Result<(), PhoneError> {
    if session.confirmed().await.is_err() {
        // The reason is in the end of the call.
        return std::future::pending().await;
    }
    let file = play.is_some();
    let transfer = transfer(args, session, options, play.as_ref(), not_transferred, teller);
    // With devices, the microphone is what is sent without a file.
    let playback = (file || !args.sound.devices).then(|| session.play(sound::source(play.clone())));
    let tones = optional(args.dtmf.as_ref().map(|tones| session.dtmf(tones.as_str())));
    let hold = async {
        let Some(after) = args.hold_after else { return Ok(()) };
        tokio::time::sleep(after).await;
        session.hold().await?;
        tokio::time::sleep(HOLD).await;
        session.unhold().await
    };
    let work = async { tokio::try_join!(tones, hold, transfer).map(drop) };
    match args.duration {
        Some(duration) => {
            let stay = async {
                tokio::time::sleep(duration).await;
                Ok(())
            };
            let until_error = async {
                work.await?;
                std::future::pending().await
            };
            tokio::select! { end = stay => end, error = until_error => error }
        }
        None if file && args.record.is_none() => {
            let played = async {
                if let Some(playback) = playback {
                    playback.await;
                }
            };
            let ((), done) = tokio::join!(played, work);
            done
        }
        None => {
            work.await?;
            std::future::pending().await
        }
    }
}

async fn optional<E>(command: Option<impl Future<Output = Result<(), E>>>) -> Result<(), E> {
    match command {
        Some(command) => command.await,
        None => Ok(()),
    }
}
