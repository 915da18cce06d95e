//! Which device is used for what: choices, defaults that change, devices that come and go.

use std::collections::HashSet;

use super::backend::{DeviceError, DeviceInfo, DeviceKind};

/// What a device is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Heard by the far ends.
    Microphone,
    /// Plays the calls, and the tones that belong to them.
    Speaker,
    /// Rings. Without a choice of its own, the speaker's device.
    Ringer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Microphone, Self::Speaker, Self::Ringer];

    /// The kind of device for it.
    pub fn kind(self) -> DeviceKind {
        match self {
            Self::Microphone => DeviceKind::Input,
            Self::Speaker | Self::Ringer => DeviceKind::Output,
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// What happened to devices.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// One was plugged in.
    Added(DeviceInfo),
    /// One was unplugged.
    Removed(DeviceInfo),
    /// The system's default is another one.
    DefaultChanged {
        /// Of this kind.
        kind: DeviceKind,
        /// The new one; `None` if there is none.
        device: Option<DeviceInfo>,
    },
    /// Another device is used from now on, because it was chosen, or is the new default, or is back.
    Switched {
        /// For this.
        role: Role,
        /// The device; `None` if there is none.
        device: Option<DeviceInfo>,
    },
    /// A device that was used is gone, or gives nothing any more. Calls go on, with the fallback.
    Lost {
        /// It was used for this.
        role: Role,
        /// It.
        device: DeviceInfo,
        /// What is used instead; `None` if there is no other.
        fallback: Option<DeviceInfo>,
        /// Why, in words.
        reason: String,
    },
    /// There may have been more than was read: the oldest were dropped.
    Missed(u64),
}

/// Knows the devices and who uses which. Decides; opens nothing.
#[derive(Debug, Default)]
pub(super) struct Roles {
    devices: Vec<DeviceInfo>,
    choices: [Option<String>; 3],
    used: [Option<DeviceInfo>; 3],
    /// Those that could not be opened, or stood still, by identity and kind. A list that lacks them clears them.
    broken: HashSet<(String, DeviceKind)>,
}

impl Roles {
    pub(super) fn devices(&self) -> &[DeviceInfo] {
        &self.devices
    }

    pub(super) fn used(&self, role: Role) -> Option<&DeviceInfo> {
        self.used.get(role.index()).and_then(Option::as_ref)
    }

    /// The devices that there are now.
    pub(super) fn found(&mut self, devices: Vec<DeviceInfo>, tell: &mut Vec<DeviceEvent>) {
        let before = std::mem::replace(&mut self.devices, devices);
        let is_in = |list: &[DeviceInfo], one: &DeviceInfo| list.iter().any(|other| same(other, one));
        for gone in before.iter().filter(|one| !is_in(&self.devices, one)) {
            tell.push(DeviceEvent::Removed(gone.clone()));
        }
        for new in self.devices.iter().filter(|one| !is_in(&before, one)) {
            tell.push(DeviceEvent::Added(new.clone()));
        }
        for kind in [DeviceKind::Input, DeviceKind::Output] {
            let (old, new) = (default_of(&before, kind), default_of(&self.devices, kind));
            if !before.is_empty() && old.map(|one| &one.id) != new.map(|one| &one.id) {
                tell.push(DeviceEvent::DefaultChanged { kind, device: new.cloned() });
            }
        }
        let devices = &self.devices;
        self.broken.retain(|(id, kind)| devices.iter().any(|one| one.id == *id && one.kind == *kind));
        self.settle("it was unplugged", tell);
    }

    /// Chooses a device by identity or name; `None`: the system's default, whichever that is.
    pub(super) fn choose(
        &mut self,
        role: Role,
        wanted: Option<&str>,
        tell: &mut Vec<DeviceEvent>,
    ) -> Result<(), DeviceError> {
        let choice = match wanted {
            None => None,
            Some(wanted) => Some(find(&self.devices, role.kind(), wanted)?.id.clone()),
        };
        if let Some(id) = &choice {
            // Whoever chooses it again wants it tried again.
            self.broken.remove(&(id.clone(), role.kind()));
        }
        if let Some(slot) = self.choices.get_mut(role.index()) {
            *slot = choice;
        }
        self.settle("another was chosen", tell);
        Ok(())
    }

    /// What is used gives nothing.
    pub(super) fn broke(&mut self, device: &DeviceInfo, reason: &str, tell: &mut Vec<DeviceEvent>) {
        self.broken.insert((device.id.clone(), device.kind));
        self.settle(reason, tell);
    }

    /// Those that gave nothing are tried again.
    pub(super) fn forgive(&mut self, tell: &mut Vec<DeviceEvent>) {
        if !self.broken.is_empty() {
            self.broken.clear();
            self.settle("it was not there", tell);
        }
    }

    /// The device that a role should have now.
    fn best(&self, role: Role) -> Option<&DeviceInfo> {
        let choice = |role: Role| self.choices.get(role.index()).and_then(Option::as_deref);
        let chosen = choice(role).or_else(|| choice(Role::Speaker).filter(|_| role == Role::Ringer));
        let mut those = self
            .devices
            .iter()
            .filter(|one| one.kind == role.kind() && !self.broken.contains(&(one.id.clone(), one.kind)));
        those
            .clone()
            .find(|one| Some(one.id.as_str()) == chosen)
            .or_else(|| those.clone().find(|one| one.is_default))
            .or_else(|| those.next())
    }

    fn settle(&mut self, reason: &str, tell: &mut Vec<DeviceEvent>) {
        for role in Role::ALL {
            let best = self.best(role).cloned();
            let Some(slot) = self.used.get_mut(role.index()) else { continue };
            if slot.as_ref().map(|one| &one.id) == best.as_ref().map(|one| &one.id) {
                continue;
            }
            let before = std::mem::replace(slot, best.clone());
            let lost = before.filter(|one| {
                !self.devices.iter().any(|other| same(other, one)) || self.broken.contains(&(one.id.clone(), one.kind))
            });
            tell.push(match lost {
                Some(device) => DeviceEvent::Lost { role, device, fallback: best, reason: reason.to_owned() },
                None => DeviceEvent::Switched { role, device: best },
            });
        }
    }
}

/// By identity, else by name.
pub(super) fn find<'a>(
    devices: &'a [DeviceInfo],
    kind: DeviceKind,
    wanted: &str,
) -> Result<&'a DeviceInfo, DeviceError> {
    let mut those = devices.iter().filter(|one| one.kind == kind);
    let by_id = those.clone().find(|one| one.id == wanted);
    by_id.or_else(|| those.clone().find(|one| one.name == wanted)).ok_or_else(|| {
        let known: Vec<_> = those.by_ref().map(|one| one.name.as_str()).collect();
        if known.is_empty() {
            return DeviceError::None(kind);
        }
        DeviceError::Unknown { kind, wanted: wanted.to_owned(), known: known.join(", ") }
    })
}

fn same(one: &DeviceInfo, other: &DeviceInfo) -> bool {
    one.id == other.id && one.kind == other.kind
}

fn default_of(devices: &[DeviceInfo], kind: DeviceKind) -> Option<&DeviceInfo> {
    devices.iter().find(|one| one.kind == kind && one.is_default)
}
