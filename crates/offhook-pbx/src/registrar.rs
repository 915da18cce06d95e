//! The registrar: addresses of record and their bindings (RFC 3261 §10.3), as plain data.

use std::collections::BTreeMap;

use offhook_sip::message::{Headers, HeadersExt as _};
use offhook_sip::{ConnectionId, Millis, NameAddr};

/// Granted when nothing is asked for, seconds.
const DEFAULT_EXPIRES_S: u32 = 3600;

/// Where a device of an extension is reached.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Binding {
    /// Its Contact, without `expires`.
    pub(crate) contact: NameAddr,
    /// The connection that it registered on: calls to it go there (RFC 5626 §5.3).
    pub(crate) connection: ConnectionId,
    expires_at: Millis,
    call_id: String,
    cseq: u32,
}

/// What a REGISTER asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Registration {
    contacts: Contacts,
    expires_s: Option<u32>,
    call_id: String,
    cseq: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum Contacts {
    /// `Contact: *`
    All,
    /// None is a question for what there is.
    These(Vec<NameAddr>),
}

/// Why a REGISTER is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400
    Malformed(&'static str),
    /// 423 with Min-Expires.
    TooBrief(u32),
    /// 500: an older request than that which made the binding (§10.3 step 7).
    OutOfOrder,
    /// 503: too many bindings.
    TooMany,
}

/// Bounds of the registrar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) bindings: usize,
    pub(crate) min_expires_s: u32,
    pub(crate) max_expires_s: u32,
}

/// All bindings.
#[derive(Debug)]
pub(crate) struct Registrar {
    bounds: Bounds,
    extensions: BTreeMap<String, Vec<Binding>>,
}

impl Registration {
    /// Reads the headers of a REGISTER.
    pub(crate) fn read(headers: &Headers) -> Result<Self, Refusal> {
        let texts = headers.texts("Contact");
        let star = texts.iter().any(|text| text == "*");
        let expires_s = headers.text("Expires").map(|text| seconds(&text));
        let contacts = if star {
            // §10.3 step 6.
            if texts.len() != 1 || expires_s != Some(0) {
                return Err(Refusal::Malformed("Contact: * needs Expires: 0 and stands alone"));
            }
            Contacts::All
        } else {
            let contacts = headers.addresses("Contact");
            if contacts.len() < texts.len() || contacts.iter().any(|contact| !contact.uri().is_sip()) {
                return Err(Refusal::Malformed("a Contact is not a SIP address"));
            }
            Contacts::These(contacts)
        };
        let call_id = headers.text("Call-ID").ok_or(Refusal::Malformed("no Call-ID"))?;
        let cseq = headers.number("CSeq").ok_or(Refusal::Malformed("no CSeq"))?;
        Ok(Self { contacts, expires_s, call_id, cseq })
    }
}

impl Registrar {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, extensions: BTreeMap::new() }
    }

    /// Carries out a REGISTER, wholly or not at all.
    pub(crate) fn register(
        &mut self,
        now: Millis,
        extension: &str,
        connection: ConnectionId,
        registration: &Registration,
    ) -> Result<(), Refusal> {
        let mut bindings = self.extensions.get(extension).cloned().unwrap_or_default();
        match &registration.contacts {
            Contacts::All => {
                if bindings.iter().any(|binding| registration.is_older_than(binding)) {
                    return Err(Refusal::OutOfOrder);
                }
                bindings.clear();
            }
            // More than there is room for, even to take away; comparing them all would take long.
            Contacts::These(contacts) if contacts.len() > self.bounds.bindings => return Err(Refusal::TooMany),
            Contacts::These(contacts) => {
                for contact in contacts {
                    self.bind(now, connection, registration, contact, &mut bindings)?;
                }
            }
        }
        if bindings.len() > self.bounds.bindings {
            return Err(Refusal::TooMany);
        }
        if bindings.is_empty() {
            self.extensions.remove(extension);
        } else {
            self.extensions.insert(extension.to_owned(), bindings);
        }
        Ok(())
    }

    /// The bindings of an extension, newest last.
    pub(crate) fn bindings(&self, extension: &str) -> &[Binding] {
        self.extensions.get(extension).map_or(&[], Vec::as_slice)
    }

    /// The extensions that have bindings, and how many.
    pub(crate) fn registered(&self) -> impl Iterator<Item = (&str, usize)> {
        self.extensions.iter().map(|(number, bindings)| (number.as_str(), bindings.len()))
    }

    /// The Contacts for the 200, each with what is left of its time (§10.3 step 8).
    pub(crate) fn contacts(&self, now: Millis, extension: &str) -> Vec<NameAddr> {
        let with_expires = |binding: &Binding| {
            let left_s = binding.expires_at.saturating_sub(now).div_ceil(1000);
            binding.contact.clone().with_param("expires", Some(&left_s.to_string())).ok()
        };
        self.bindings(extension).iter().filter_map(with_expires).collect()
    }

    /// Takes away the bindings of a lost connection; gives the extensions that had one.
    pub(crate) fn connection_lost(&mut self, connection: ConnectionId) -> Vec<String> {
        self.remove(|binding| binding.connection == connection)
    }

    /// Takes away the bindings whose time is up; gives the extensions that had one.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<String> {
        self.remove(|binding| binding.expires_at <= now)
    }

    /// Takes away the bindings of an extension; gives it, if it had one.
    pub(crate) fn forget(&mut self, extension: &str) -> Vec<String> {
        self.extensions.remove(extension).map(|_| extension.to_owned()).into_iter().collect()
    }

    /// When the next binding runs out.
    pub(crate) fn next_expiry(&self) -> Option<Millis> {
        self.extensions.values().flatten().map(|binding| binding.expires_at).min()
    }

    /// How many bindings there are.
    pub(crate) fn len(&self) -> usize {
        self.extensions.values().map(Vec::len).sum()
    }

    fn bind(
        &self,
        now: Millis,
        connection: ConnectionId,
        registration: &Registration,
        contact: &NameAddr,
        bindings: &mut Vec<Binding>,
    ) -> Result<(), Refusal> {
        let asked = contact.param("expires").map(seconds).or(registration.expires_s).unwrap_or(DEFAULT_EXPIRES_S);
        if asked != 0 && asked < self.bounds.min_expires_s {
            return Err(Refusal::TooBrief(self.bounds.min_expires_s));
        }
        let known = bindings.iter().position(|binding| is_same(&binding.contact, contact));
        if let Some(binding) = known.and_then(|i| bindings.get(i))
            && registration.is_older_than(binding)
        {
            return Err(Refusal::OutOfOrder);
        }
        if let Some(i) = known {
            bindings.remove(i);
        }
        if asked != 0 {
            let granted = asked.min(self.bounds.max_expires_s);
            bindings.push(Binding {
                contact: without_expires(contact),
                connection,
                expires_at: now + Millis::from(granted) * 1000,
                call_id: registration.call_id.clone(),
                cseq: registration.cseq,
            });
        }
        Ok(())
    }

    fn remove(&mut self, gone: impl Fn(&Binding) -> bool) -> Vec<String> {
        let mut touched = Vec::new();
        self.extensions.retain(|extension, bindings| {
            let before = bindings.len();
            bindings.retain(|binding| !gone(binding));
            if bindings.len() < before {
                touched.push(extension.clone());
            }
            !bindings.is_empty()
        });
        touched
    }
}

impl Registration {
    fn is_older_than(&self, binding: &Binding) -> bool {
        self.call_id == binding.call_id && self.cseq <= binding.cseq
    }
}

/// Whether both name the same device: the same instance and flow (RFC 5626 §5.2), or equivalent URIs.
fn is_same(a: &NameAddr, b: &NameAddr) -> bool {
    let flow = |contact: &NameAddr| {
        let instance = contact.param("+sip.instance")?.to_owned();
        Some((instance, contact.param("reg-id").map(str::to_owned)))
    };
    match (flow(a), flow(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.uri().equivalent(b.uri()),
    }
}

fn without_expires(contact: &NameAddr) -> NameAddr {
    let mut bare = NameAddr::new(contact.uri().clone());
    for name in ["+sip.instance", "reg-id"] {
        if let Some(value) = contact.param(name)
            && let Ok(with) = bare.clone().with_param(name, Some(value))
        {
            bare = with;
        }
    }
    bare
}

/// §20.19: what is no number means 3600; what is too large, the most.
fn seconds(text: &str) -> u32 {
    let digits = text.split([';', ' ', '\t']).next().unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().unwrap_or(u32::MAX)
    } else {
        DEFAULT_EXPIRES_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WS: ConnectionId = ConnectionId(1);

    fn registrar() -> Registrar {
        Registrar::new(Bounds { bindings: 2, min_expires_s: 60, max_expires_s: 600 })
    }

    fn registration(contacts: &[&str], expires_s: Option<u32>, cseq: u32) -> Registration {
        let contacts = contacts.iter().map(|text| NameAddr::parse(text).expect("an address")).collect();
        Registration { contacts: Contacts::These(contacts), expires_s, call_id: "call".to_owned(), cseq }
    }

    fn contacts(registrar: &Registrar, now: Millis) -> Vec<String> {
        registrar.contacts(now, "1000").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn bindings_come_refresh_and_run_out() {
        let mut registrar = registrar();
        let first = registration(&["<sip:a@x.invalid>"], Some(120), 1);
        registrar.register(0, "1000", WS, &first).expect("taken");
        assert_eq!(contacts(&registrar, 1000), ["<sip:a@x.invalid>;expires=119"]);
        let refresh = registration(&["<sip:a@x.invalid>"], None, 2);
        registrar.register(60_000, "1000", WS, &refresh).expect("taken");
        assert_eq!(contacts(&registrar, 60_000), ["<sip:a@x.invalid>;expires=600"], "at most what is allowed");
        assert_eq!(registrar.next_expiry(), Some(660_000));
        assert!(registrar.expire(659_999).is_empty());
        assert_eq!(registrar.expire(660_000), ["1000"]);
        assert_eq!(registrar.len(), 0);
    }

    #[test]
    fn a_contacts_own_expires_wins_and_zero_takes_it_away() {
        let mut registrar = registrar();
        let both = registration(&["<sip:a@x>;expires=100", "<sip:b@x>"], Some(200), 1);
        registrar.register(0, "1000", WS, &both).expect("taken");
        assert_eq!(contacts(&registrar, 0), ["<sip:a@x>;expires=100", "<sip:b@x>;expires=200"]);
        registrar.register(0, "1000", WS, &registration(&["<sip:a@x>"], Some(0), 2)).expect("taken");
        assert_eq!(contacts(&registrar, 0), ["<sip:b@x>;expires=200"]);
        let all = Registration { contacts: Contacts::All, ..registration(&[], Some(0), 3) };
        registrar.register(0, "1000", WS, &all).expect("taken");
        assert_eq!(registrar.len(), 0);
    }

    #[test]
    fn a_refused_registration_changes_nothing() {
        let mut registrar = registrar();
        registrar.register(0, "1000", WS, &registration(&["<sip:a@x>"], Some(100), 5)).expect("taken");
        let mut refused = |registration: &Registration| registrar.register(0, "1000", WS, registration);
        assert_eq!(refused(&registration(&["<sip:b@x>", "<sip:c@x>;expires=5"], None, 6)), Err(Refusal::TooBrief(60)));
        assert_eq!(refused(&registration(&["<sip:b@x>", "<sip:a@x>"], None, 5)), Err(Refusal::OutOfOrder));
        assert_eq!(refused(&registration(&["<sip:b@x>", "<sip:c@x>"], None, 6)), Err(Refusal::TooMany));
        assert_eq!(contacts(&registrar, 0), ["<sip:a@x>;expires=100"]);
    }

    #[test]
    fn a_device_that_reconnects_replaces_its_binding() {
        let mut registrar = registrar();
        let device = |user: &str| format!("<sip:{user}@x.invalid>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
        let again =
            |user: &str| Registration { call_id: user.to_owned(), ..registration(&[&device(user)], Some(100), 1) };
        registrar.register(0, "1000", WS, &again("a")).expect("taken");
        registrar.register(0, "1000", ConnectionId(2), &again("b")).expect("taken");
        assert_eq!(registrar.bindings("1000").len(), 1);
        assert!(registrar.connection_lost(WS).is_empty());
        assert_eq!(registrar.connection_lost(ConnectionId(2)), ["1000"]);
    }

    #[test]
    fn unreadable_seconds_mean_the_default() {
        assert_eq!((seconds("60"), seconds("x"), seconds("99999999999"), seconds("")), (60, 3600, u32::MAX, 3600));
    }
}
