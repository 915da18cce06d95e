//! Carries out what handles ask for.

use offhook_core::{CallId, CommandId, Now, Phone as Core, PhoneError};

use super::{Actor, Waiter, media};
use crate::command::{Act, Command, Reply};

impl Actor {
    pub(super) fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Start(reply) => self.settle_later(reply, |core| core.start(now)),
            Command::Disconnect(reply) => self.settle_later(reply, |core| Ok(core.disconnect(now))),
            Command::Call { parent, number, options, reply } => {
                if let Err(error) = media::check(&options, self.core.view().config(), &self.media) {
                    return reply.send(Err(error));
                }
                self.turn_with(
                    |core| match parent {
                        Some(parent) => core.consult(now, &parent, &number, options),
                        None => core.call(now, &number, options),
                    },
                    |this, result| match result {
                        Ok((command, call_id)) => drop(this.waiters.insert(command, Waiter::Call(reply, call_id))),
                        Err(error) => reply.send(Err(error)),
                    },
                );
            }
            Command::Reregister(credentials, reply) => {
                self.settle_later(reply, |core| core.reregister(now, credentials));
            }
            Command::SetCurrent(call_id, reply) => {
                self.settle_now(reply, |core| core.set_current_session(call_id.as_ref()));
            }
            Command::RtcSession(call_id, reply) => {
                reply.send(self.core.view().rtc_session(&call_id).ok_or(PhoneError::UnknownCall));
            }
            Command::DestroyPhone(reply) => {
                self.shared.destroy_phone();
                self.settle_later(reply, |core| Ok(core.disconnect(now)));
            }
            Command::Cdr(query, reply) => self.turn_with(
                |core| core.cdr_query(now, query),
                |this, result| match result {
                    Ok(command) => drop(this.waiters.insert(command, Waiter::Cdr(reply))),
                    Err(error) => reply.send(Err(error)),
                },
            ),
            Command::Logout(reply) => self.turn_with(
                |core| core.logout(now),
                |this, command| drop(this.waiters.insert(command, Waiter::Logout(reply))),
            ),
            // The task's loop does it.
            Command::Destroy(reply) => reply.send(Err(PhoneError::Stopped)),
            Command::Conference(call_ids, reply) => self.settle_later(reply, |core| core.conference(now, &call_ids)),
            Command::HoldConference(true, reply) => self.settle_later(reply, |core| core.hold_conference(now)),
            Command::HoldConference(false, reply) => self.settle_later(reply, |core| core.unhold_conference(now)),
            Command::SetRecordPermissions(permissions, reply) => {
                self.settle_now(reply, |core| {
                    core.set_record_permissions(now, permissions);
                    Ok(())
                });
            }
            Command::SetCallWaiting(allowed, reply) => {
                self.settle_now(reply, |core| {
                    core.set_call_waiting(allowed);
                    Ok(())
                });
            }
            Command::SetDevices(devices, reply) => {
                self.settle_now(reply, |core| {
                    core.set_devices(devices);
                    Ok(())
                });
            }
            Command::OfCall { call_id, act, reply } => self.act(now, call_id, act, reply),
        }
    }

    fn act(&mut self, now: Now, id: CallId, act: Act, reply: Reply) {
        #[cfg(feature = "devices")]
        let keys = self.media.devices.clone();
        match act {
            Act::Answer(options) => match media::check(&options, self.core.view().config(), &self.media) {
                Ok(()) => self.settle_later(reply, |core| core.answer(now, &id, options)),
                Err(error) => reply.send(Err(error)),
            },
            Act::Reject => self.settle_later(reply, |core| core.reject(now, &id)),
            Act::Terminate(kind) => self.settle_later(reply, |core| core.terminate(now, &id, kind)),
            Act::Hold(true) => self.settle_later(reply, |core| core.hold(now, &id)),
            Act::Hold(false) => self.settle_later(reply, |core| core.unhold(now, &id)),
            Act::Mute(true) => self.settle_later(reply, |core| core.mute(now, &id)),
            Act::Mute(false) => self.settle_later(reply, |core| core.unmute(now, &id)),
            Act::Dtmf(tones) => self.settle_later(reply, |core| {
                let sent = core.dtmf(now, &id, &tones);
                #[cfg(feature = "devices")]
                if let (Ok(_), Some(devices)) = (&sent, &keys) {
                    devices.keys(&tones.to_ascii_uppercase());
                }
                sent
            }),
            Act::SendInfo { content_type, body } => {
                self.settle_later(reply, |core| core.send_info(now, &id, &content_type, &body));
            }
            Act::BlindTransfer(number) => self.settle_later(reply, |core| core.blind_transfer(now, &id, &number)),
            Act::AttendedTransfer => self.settle_later(reply, |core| core.attended_transfer(now, &id)),
            Act::Renegotiate(video) => self.settle_later(reply, |core| core.renegotiate(now, &id, video)),
            Act::RestartIce => self.settle_later(reply, |core| core.restart_ice(now, &id)),
            Act::Video(true) => self.settle_later(reply, |core| core.audio_to_video(now, &id)),
            Act::Video(false) => self.settle_later(reply, |core| core.video_to_audio(now, &id)),
            Act::AskForVideo(ask) => self.settle_now(reply, |core| core.ask_for_video(now, &id, ask)),
            Act::AgreeVideo(agree) => self.settle_now(reply, |core| core.agree_video(now, &id, agree)),
            Act::SendMessage { content_type, body } => {
                self.settle_later(reply, |core| core.send_message(now, &id, &content_type, &body));
            }
            Act::SetVolume(volume) => self.settle_later(reply, |core| core.set_volume(now, &id, volume)),
            Act::Destroy => {
                if let Some(call) = self.shared.call(&id) {
                    call.events().silence();
                }
                self.settle_later(reply, |core| core.destroy_session(now, &id));
            }
            Act::Record(true) => self.settle_later(reply, |core| core.start_record(now, &id)),
            Act::Record(false) => self.settle_later(reply, |core| core.pause_record(now, &id)),
            Act::StopTimer => self.settle_now(reply, |core| core.stop_timer(now, &id)),
            Act::SetStatus(patch) => self.settle_now(reply, |core| core.set_status(now, &id, patch)),
            Act::SetStaticStatus(patch, manual) => {
                self.settle_now(reply, |core| core.set_static_status(now, &id, patch, manual));
            }
        }
    }

    pub(super) fn settle_later(&mut self, reply: Reply, act: impl FnOnce(&mut Core) -> Result<CommandId, PhoneError>) {
        self.turn_with(act, |this, result| match result {
            Ok(command) => drop(this.waiters.insert(command, Waiter::Reply(reply))),
            Err(error) => reply.send(Err(error)),
        });
    }

    fn settle_now(&mut self, reply: Reply, act: impl FnOnce(&mut Core) -> Result<(), PhoneError>) {
        self.turn_with(act, |_, result| reply.send(result));
    }
}
