//! Contacts: everybody's, and those of one extension.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Store, StoreError};

/// Contacts kept, of all together.
const MOST_CONTACTS: i64 = 50_000;

/// Numbers of one contact.
const MOST_NUMBERS: usize = 16;

/// Characters of a name or another text.
const MOST_CHARS: usize = 256;

/// Characters of a number.
const MOST_DIGITS: usize = 64;

/// A contact's name in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ContactId(pub(crate) i64);

/// Somebody with numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Contact {
    /// Whose it is; `None`: everybody's.
    pub(crate) owner: Option<String>,
    pub(crate) name: String,
    /// As they are written; compared without spaces and signs.
    pub(crate) numbers: Vec<String>,
    pub(crate) company: String,
    pub(crate) email: String,
    pub(crate) remark: String,
}

impl Store {
    /// Adds a contact.
    pub(crate) async fn add_contact(&self, contact: Contact) -> Result<ContactId, StoreError> {
        check(&contact)?;
        self.write(move |connection| {
            let count: i64 = connection.query_row("SELECT count(*) FROM contact", [], |row| row.get(0))?;
            if count >= MOST_CONTACTS {
                return Err(StoreError::Invalid(format!("there are {count} contacts already; delete some first")));
            }
            connection.execute(
                "INSERT INTO contact (owner, name, company, email, remark) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![contact.owner, contact.name, contact.company, contact.email, contact.remark],
            )?;
            let id = ContactId(connection.last_insert_rowid());
            insert_numbers(connection, id, &contact.numbers)?;
            Ok(id)
        })
        .await
    }

    /// Replaces a contact; says whether it was there.
    pub(crate) async fn set_contact(&self, id: ContactId, contact: Contact) -> Result<bool, StoreError> {
        check(&contact)?;
        self.write(move |connection| {
            let changed = connection.execute(
                "UPDATE contact SET owner = ?2, name = ?3, company = ?4, email = ?5, remark = ?6 WHERE id = ?1",
                params![id.0, contact.owner, contact.name, contact.company, contact.email, contact.remark],
            )?;
            if changed > 0 {
                connection.execute("DELETE FROM contact_number WHERE contact = ?1", [id.0])?;
                insert_numbers(connection, id, &contact.numbers)?;
            }
            Ok(changed > 0)
        })
        .await
    }

    /// Deletes a contact; says whether it was there.
    pub(crate) async fn delete_contact(&self, id: ContactId) -> Result<bool, StoreError> {
        self.write(move |connection| Ok(connection.execute("DELETE FROM contact WHERE id = ?1", [id.0])? > 0)).await
    }

    /// One contact.
    pub(crate) async fn contact(&self, id: ContactId) -> Result<Option<Contact>, StoreError> {
        self.read(move |connection| read(connection, id)).await
    }

    /// What an extension sees: its own contacts and everybody's, by name; `from` is how many to skip.
    pub(crate) async fn contacts(
        &self,
        extension: Option<&str>,
        from: u32,
        most: u32,
    ) -> Result<Vec<(ContactId, Contact)>, StoreError> {
        let extension = extension.map(str::to_owned);
        self.read(move |connection| {
            let mut statement = connection.prepare(
                "SELECT id FROM contact WHERE owner IS NULL OR owner = ?1 ORDER BY name, id LIMIT ?2 OFFSET ?3",
            )?;
            let ids = statement
                .query_map(params![extension, most.min(1_000), from], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            let found =
                ids.into_iter().map(|id| Ok(read(connection, ContactId(id))?.map(|found| (ContactId(id), found))));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// Who has this number: an extension's own contact before everybody's.
    pub(crate) async fn match_contact(
        &self,
        extension: &str,
        number: &str,
    ) -> Result<Option<(ContactId, Contact)>, StoreError> {
        let plain = plain(number);
        if plain.is_empty() {
            return Ok(None);
        }
        let extension = extension.to_owned();
        self.read(move |connection| {
            let id = connection
                .prepare(
                    "SELECT contact.id FROM contact_number JOIN contact ON contact.id = contact_number.contact
                     WHERE plain = ?1 AND (owner IS NULL OR owner = ?2) ORDER BY owner IS NULL, contact.id LIMIT 1",
                )?
                .query_row(params![plain, extension], |row| row.get(0))
                .optional()?;
            let Some(id) = id.map(ContactId) else { return Ok(None) };
            Ok(read(connection, id)?.map(|contact| (id, contact)))
        })
        .await
    }
}

fn insert_numbers(connection: &Connection, id: ContactId, numbers: &[String]) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare("INSERT INTO contact_number (contact, position, number, plain) VALUES (?1, ?2, ?3, ?4)")?;
    for (position, number) in (0_i64..).zip(numbers) {
        statement.execute(params![id.0, position, number, plain(number)])?;
    }
    Ok(())
}

fn read(connection: &Connection, id: ContactId) -> Result<Option<Contact>, StoreError> {
    let contact = connection
        .prepare("SELECT owner, name, company, email, remark FROM contact WHERE id = ?1")?
        .query_row([id.0], |row| {
            let (owner, name, company) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Contact { owner, name, numbers: Vec::new(), company, email: row.get(3)?, remark: row.get(4)? })
        })
        .optional()?;
    let Some(mut contact) = contact else { return Ok(None) };
    contact.numbers = connection
        .prepare("SELECT number FROM contact_number WHERE contact = ?1 ORDER BY position")?
        .query_map([id.0], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(contact))
}

fn check(contact: &Contact) -> Result<(), StoreError> {
    let fits = |text: &str| text.chars().count() <= MOST_CHARS && !text.chars().any(char::is_control);
    let Contact { name, numbers, company, email, remark, .. } = contact;
    if name.trim().is_empty() || ![name, company, email, remark].into_iter().all(|text| fits(text)) {
        let text = format!("a contact needs a name, and texts of up to {MOST_CHARS} printable characters");
        return Err(StoreError::Invalid(text));
    }
    let is_number = |number: &String| fits(number) && number.len() <= MOST_DIGITS && !plain(number).is_empty();
    if numbers.len() > MOST_NUMBERS || !numbers.iter().all(is_number) {
        let text = format!("a contact has up to {MOST_NUMBERS} numbers of up to {MOST_DIGITS} characters");
        return Err(StoreError::Invalid(text));
    }
    Ok(())
}

/// A number without what is written for the eye only.
fn plain(number: &str) -> String {
    number.chars().filter(|c| !c.is_whitespace() && !"-./()".contains(*c)).collect()
}
