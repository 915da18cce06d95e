//! What a call knows of the conference that it is in; [`phone::conference`](crate::phone) decides.

use super::{Outbox, Session};
use crate::media::MediaCommand;

/// A call's part in the conference.
#[derive(Debug, Default)]
pub(super) struct Membership {
    member: bool,
    mixed: bool,
    /// The server says that it is in a conference there.
    at_server: bool,
}

impl Membership {
    /// Of a call that is in no conference of ours.
    pub(super) fn at_server(at_server: bool) -> Self {
        Self { at_server, ..Self::default() }
    }

    pub(super) fn is_at_server(&self) -> bool {
        self.at_server
    }
}

impl Session {
    pub(crate) fn is_conferring(&self) -> bool {
        self.membership.member
    }

    /// The server says whether the call is in a conference there.
    pub(crate) fn set_conference_at_server(&mut self, out: &mut Outbox, conference: bool) {
        self.membership.at_server = conference;
        let conference = conference || self.membership.member;
        self.change(out, |status| status.is_conference = conference);
    }

    /// Makes the call a member or not, and its audio mixed or not; tells what changed.
    pub(crate) fn set_membership(&mut self, out: &mut Outbox, member: bool, mixed: bool) {
        if std::mem::replace(&mut self.membership.mixed, mixed) != mixed {
            out.media(&self.call_id, MediaCommand::SetConference(mixed));
        }
        if std::mem::replace(&mut self.membership.member, member) == member {
            return;
        }
        let conference = member || self.membership.at_server;
        self.change(out, |status| {
            status.is_conference = conference;
            if member {
                // It is not there for a transfer any more, and does not end with the call that it was made for.
                status.is_transfer = false;
                status.transfer_parent = None;
            }
        });
    }
}
