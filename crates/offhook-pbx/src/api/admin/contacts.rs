//! Contacts: everybody's, and those of one extension.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::answer::{Done, Errcode, Fault};
use super::super::request::Params;
use super::super::{Api, request};
use super::{Answer, Rest};
use crate::store::{Contact, ContactId};

/// GET `contacts`: everybody's, and with `owner=NUMBER` those of that extension too.
pub(super) async fn list(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let (page, size) = (params.number("page", 1..=1_000_000, 1)?, params.number("page_size", 1..=1000, 100)?);
    let from = (page - 1).saturating_mul(size);
    let contacts = api.directory.store().contacts(params.optional("owner"), from, size).await?;
    let list: Vec<Value> = contacts.iter().map(|(id, contact)| shown(*id, contact)).collect();
    Ok(Done::with(json!({ "contacts": list })))
}

/// What can be said of a contact; what is left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    #[serde(default, deserialize_with = "given")]
    owner: Option<Option<String>>,
    name: Option<String>,
    numbers: Option<Vec<String>>,
    company: Option<String>,
    email: Option<String>,
    remark: Option<String>,
}

/// `null` is an owner too: nobody, so the contact is everybody's.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Fields {
    fn applied(self, contact: Contact) -> Contact {
        Contact {
            owner: self.owner.unwrap_or(contact.owner),
            name: self.name.unwrap_or(contact.name),
            numbers: self.numbers.unwrap_or(contact.numbers),
            company: self.company.unwrap_or(contact.company),
            email: self.email.unwrap_or(contact.email),
            remark: self.remark.unwrap_or(contact.remark),
        }
    }
}

/// POST `contacts`.
pub(super) async fn add(State(api): State<Arc<Api>>, body: Body) -> Answer {
    let fields: Fields = request::json(&api, body).await?;
    let contact = fields.applied(Contact::default());
    api.check_owner(&contact)?;
    let id = api.directory.store().add_contact(contact).await?;
    api.show_contact(id).await
}

/// GET `contacts/ID`.
pub(super) async fn show(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    api.show_contact(contact_id(&id)?).await
}

/// PATCH `contacts/ID`.
pub(super) async fn change(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Body) -> Answer {
    let id = contact_id(&id)?;
    let fields: Fields = request::json(&api, body).await?;
    let store = api.directory.store();
    let contact = fields.applied(store.contact(id).await?.ok_or_else(unknown)?);
    api.check_owner(&contact)?;
    if !store.set_contact(id, contact).await? {
        return Err(unknown());
    }
    api.show_contact(id).await
}

/// DELETE `contacts/ID`.
pub(super) async fn delete(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    if api.directory.store().delete_contact(contact_id(&id)?).await? { Ok(Done::empty()) } else { Err(unknown()) }
}

impl Api {
    async fn show_contact(&self, id: ContactId) -> Answer {
        let contact = self.directory.store().contact(id).await?.ok_or_else(unknown)?;
        Ok(Done::with(json!({ "contact": shown(id, &contact) })))
    }

    fn check_owner(&self, contact: &Contact) -> Result<(), Rest> {
        match &contact.owner {
            Some(owner) if self.directory.now().extension(owner).is_none() => {
                Err(Fault::parameter("the owner must be an extension, or null: everybody").into())
            }
            _ => Ok(()),
        }
    }
}

fn shown(id: ContactId, contact: &Contact) -> Value {
    let Contact { owner, name, numbers, company, email, remark } = contact;
    json!({
        "id": id.0, "owner": owner, "name": name, "numbers": numbers,
        "company": company, "email": email, "remark": remark,
    })
}

fn contact_id(text: &str) -> Result<ContactId, Rest> {
    text.parse().map(ContactId).map_err(|_| unknown())
}

fn unknown() -> Rest {
    Fault::new(Errcode::NotFound, "there is no such contact; the list of contacts (`contact list`) has the ids").into()
}
