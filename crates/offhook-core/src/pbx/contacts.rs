//! Who a number is: names and pictures, asked of the PBX and kept for a while.

use std::collections::VecDeque;

use offhook_sip::Millis;

/// Numbers that are kept.
const MOST: usize = 256;
/// Numbers that are asked for at once.
const MOST_ASKED: usize = 16;
/// How long what was found is kept, milliseconds.
const FOUND_MS: Millis = 600_000;
/// How long it is kept that nothing was found.
const UNKNOWN_MS: Millis = 60_000;
/// Longest number asked for, characters.
const MAX_NUMBER: usize = 64;

/// Who a number is, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Contact {
    pub(crate) name: Option<String>,
    /// Name of the picture's file.
    pub(crate) photo: Option<String>,
    /// Both were asked for and answered.
    pub(crate) complete: bool,
}

/// What is asked of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Name,
    Photo,
}

/// The numbers.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    /// The oldest first.
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    number: String,
    name: Part,
    photo: Part,
    at: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Asked,
    Known(Option<String>),
    /// It could not be had: not to be kept.
    Failed,
}

impl Contacts {
    /// What is known of a number, and whether it is to be asked for.
    pub(crate) fn look_up(&mut self, now: Millis, number: &str) -> (Contact, bool) {
        let nobody = (Contact { complete: true, ..Contact::default() }, false);
        if number.is_empty() || number == "anonymous" || number.chars().count() > MAX_NUMBER {
            return nobody;
        }
        self.entries.retain(|entry| !entry.is_stale(now));
        if let Some(entry) = self.entries.iter().find(|entry| entry.number == number) {
            return (entry.contact(), false);
        }
        if self.entries.iter().filter(|entry| !entry.is_complete()).count() >= MOST_ASKED {
            return nobody;
        }
        if self.entries.len() >= MOST {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { number: number.to_owned(), name: Part::Asked, photo: Part::Asked, at: now });
        (Contact::default(), true)
    }

    /// An answer came, or none (`Err`). What is known now.
    pub(crate) fn answered(
        &mut self,
        now: Millis,
        number: &str,
        ask: Ask,
        answer: Result<Option<String>, ()>,
    ) -> Option<Contact> {
        let at = self.entries.iter().position(|entry| entry.number == number)?;
        let entry = self.entries.get_mut(at)?;
        let part = match ask {
            Ask::Name => &mut entry.name,
            Ask::Photo => &mut entry.photo,
        };
        *part = answer.map_or(Part::Failed, Part::Known);
        entry.at = now;
        let contact = entry.contact();
        let failed = entry.name == Part::Failed || entry.photo == Part::Failed;
        if contact.complete && failed {
            self.entries.remove(at);
        }
        Some(contact)
    }
}

impl Entry {
    fn is_complete(&self) -> bool {
        self.name != Part::Asked && self.photo != Part::Asked
    }

    fn is_stale(&self, now: Millis) -> bool {
        let found = [&self.name, &self.photo].into_iter().any(|part| matches!(part, Part::Known(Some(_))));
        let life = if found { FOUND_MS } else { UNKNOWN_MS };
        self.is_complete() && now.saturating_sub(self.at) >= life
    }

    fn contact(&self) -> Contact {
        let known = |part: &Part| if let Part::Known(found) = part { found.clone() } else { None };
        Contact { name: known(&self.name), photo: known(&self.photo), complete: self.is_complete() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Option<String>, ()> {
        Ok(Some(text.to_owned()))
    }

    #[test]
    fn what_was_found_is_kept_ten_minutes_and_what_was_not_one() {
        let mut contacts = Contacts::default();
        assert!(contacts.look_up(0, "1001").1);
        assert!(!contacts.look_up(1, "1001").1, "it is being asked for");
        contacts.answered(100, "1001", Ask::Name, found("Ann"));
        let contact = contacts.answered(100, "1001", Ask::Photo, Ok(None)).expect("known");
        assert_eq!(contact, Contact { name: Some("Ann".to_owned()), photo: None, complete: true });
        assert_eq!(contacts.look_up(600_099, "1001"), (contact, false));
        assert!(contacts.look_up(600_100, "1001").1);

        contacts.look_up(0, "1002");
        contacts.answered(0, "1002", Ask::Name, Ok(None));
        contacts.answered(0, "1002", Ask::Photo, Ok(None));
        assert!(!contacts.look_up(59_999, "1002").1);
        assert!(contacts.look_up(60_000, "1002").1);
    }

    #[test]
    fn what_could_not_be_had_is_asked_for_again() {
        let mut contacts = Contacts::default();
        contacts.look_up(0, "1001");
        contacts.answered(0, "1001", Ask::Name, Err(()));
        assert!(!contacts.look_up(0, "1001").1, "the picture is still to come");
        contacts.answered(0, "1001", Ask::Photo, found("x.png"));
        assert!(contacts.look_up(0, "1001").1);
    }

    #[test]
    fn both_the_kept_and_the_asked_are_bounded() {
        let mut contacts = Contacts::default();
        let asked = (0..100).filter(|n: &u32| contacts.look_up(0, &n.to_string()).1).count();
        assert_eq!(asked, MOST_ASKED);
        let mut contacts = Contacts::default();
        for n in 0..1_000 {
            let number = n.to_string();
            contacts.look_up(0, &number);
            contacts.answered(0, &number, Ask::Name, found("x"));
            contacts.answered(0, &number, Ask::Photo, found("x"));
        }
        assert_eq!(contacts.entries.len(), MOST);
        assert!(!contacts.look_up(0, "").1 && !contacts.look_up(0, "anonymous").1);
        assert!(!contacts.look_up(0, &"1".repeat(65)).1);
    }
}
