//! `offhook call --transfer-to`.

use std::cell::OnceCell;

use offhook::{CallOptions, PhoneError, Session, WavSource};

use crate::args::CallArgs;
use crate::exit::Failure;
use crate::server::{of_end, of_phone};
use crate::sound;
use crate::told::Teller;

/// Transfers the call when it has been up for `--transfer-after`. If nothing comes of it, the call goes on, and why is
/// kept in `refused`.
///
/// # Errors
/// What happens to the call that goes on.
pub(crate) async fn transfer(
    args: &CallArgs,
    session: &Session,
    options: &CallOptions,
    play: Option<&WavSource>,
    refused: &OnceCell<Failure>,
    teller: Teller,
) -> Result<(), PhoneError> {
    let (Some(after), Some(number)) = (args.transfer_after, &args.transfer_to) else { return Ok(()) };
    tokio::time::sleep(after).await;
    let outcome = if args.transfer_attended {
        attended(args, session, options, number, play).await
    } else {
        session.blind_transfer(number).await.map_err(|error| of_phone(&error, &args.server))
    };
    let Err(failure) = outcome else {
        // The far end is with the target: its hang-up ends this call.
        return std::future::pending().await;
    };
    let failure = Failure::new(failure.reason(), format!("not transferred to {number}: {failure}"));
    teller.note("notTransferred", failure.to_string());
    let _ = refused.set(failure);
    // A consultation leaves the call on hold, or about to be: the refusal may come before the hold is agreed, so the
    // status does not say it yet.
    if args.transfer_attended { session.unhold().await } else { Ok(()) }
}

/// Calls the target, and connects it once it has answered.
async fn attended(
    args: &CallArgs,
    session: &Session,
    options: &CallOptions,
    number: &str,
    play: Option<&WavSource>,
) -> Result<(), Failure> {
    let consultation =
        session.consult(number, options.clone()).await.map_err(|error| of_phone(&error, &args.server))?;
    if let Err(error) = consultation.confirmed().await {
        let end = consultation.ended().await;
        return Err(of_end(&end, number).unwrap_or_else(|| of_phone(&error, &args.server)));
    }
    drop(consultation.play(sound::source(play.cloned())));
    let outcome = consultation.attended_transfer().await;
    if outcome.is_err() {
        // Already over if the target has left meanwhile.
        let _ = consultation.hangup().await;
    }
    outcome.map_err(|error| of_phone(&error, &args.server))
}
