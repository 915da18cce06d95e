//! `offhook pbx ctl`: changes a PBX while it runs.

pub mod args;
mod client;
mod show;

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::exit::{Failure, Reason};
use crate::output::{Output, print_line};
use args::{
    CdrStatus, ClientKind, ContactCommand, ContactFields, CtlArgs, CtlCommand, ExtensionCommand, ExtensionFields,
    SecretKind, SettingCommand, SettingFields, Switch,
};
use client::Client;

/// Asks the PBX, and prints its answer.
pub(crate) async fn run(args: CtlArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let (answer, text): (Value, fn(&Value) -> String) = match args.command {
        CtlCommand::Extension(command) => extension(&client, command).await?,
        CtlCommand::Contact(command) => contact(&client, command).await?,
        CtlCommand::Setting(command) => setting(&client, command).await?,
        CtlCommand::Secret { which, file } => {
            let name = if which == SecretKind::Admin { "admin_token" } else { "client_secret" };
            let secret = file.map(|file| client::first_line(&file, "--file")).transpose()?;
            let body = Value::Object(present([("secret", secret.map(Value::from))]));
            (client.ask(Method::POST, &format!("secrets/{name}"), Some(&body)).await?, show::secret)
        }
        CtlCommand::Logout { number, client: kind, r#type } => {
            let mut body = Map::from_iter([("type".to_owned(), json!(r#type))]);
            if let Some(kind) = kind {
                body.insert("client".to_owned(), json!(if kind == ClientKind::Web { "web" } else { "desktop" }));
            }
            let path = format!("extensions/{}/logout", encoded(&number));
            (client.ask(Method::POST, &path, Some(&Value::Object(body))).await?, show::logged_out)
        }
        CtlCommand::Status => (status(&client).await?, show::status),
        CtlCommand::Cdr { number, page, size, status, filter } => {
            let status = match status {
                None => 0,
                Some(CdrStatus::Inbound) => 1,
                Some(CdrStatus::Missed) => 2,
                Some(CdrStatus::Outbound) => 3,
            };
            let filter = encoded(filter.as_deref().unwrap_or_default());
            let query = format!("page={page}&page_size={size}&status={status}&number={filter}");
            let of = number.map(|number| format!("extensions/{}/", encoded(&number))).unwrap_or_default();
            let path = format!("{of}cdrs?{query}");
            (client.ask(Method::GET, &path, None).await?, show::cdrs)
        }
        CtlCommand::Report { number } => {
            let path = format!("extensions/{}/reports", encoded(&number));
            (client.ask(Method::GET, &path, None).await?, show::reports)
        }
        CtlCommand::Log { number } => {
            let path = format!("extensions/{}/log", encoded(&number));
            (client.ask(Method::GET, &path, None).await?, show::log)
        }
    };
    match Output::new(args.json) {
        Output::Json => print_line(&answer.to_string()),
        Output::Text => print_line(&text(&answer)),
    }
    Ok(())
}

type Shown = (Value, fn(&Value) -> String);

async fn extension(client: &Client, command: ExtensionCommand) -> Result<Shown, Failure> {
    let of = |number: &str| format!("extensions/{}", encoded(number));
    let enabled = |on: bool| json!({ "enabled": on });
    Ok(match command {
        ExtensionCommand::List => (client.ask(Method::GET, "extensions", None).await?, show::extensions),
        ExtensionCommand::Show { number } => (client.ask(Method::GET, &of(&number), None).await?, show::extension),
        ExtensionCommand::Add { number, fields } => {
            let mut body = extension_fields(fields)?;
            body.insert("number".to_owned(), json!(number));
            let made = if body.contains_key("password") { None } else { Some(random_password()?) };
            if let Some(made) = &made {
                body.insert("password".to_owned(), json!(made));
            }
            let mut answer = client.ask(Method::POST, "extensions", Some(&Value::Object(body))).await?;
            if let (Some(made), Some(answer)) = (made, answer.as_object_mut()) {
                answer.insert("password".to_owned(), json!(made));
            }
            (answer, show::extension)
        }
        ExtensionCommand::Set { number, fields, stay_logged_in } => {
            let mut body = extension_fields(fields)?;
            // A password is often changed because somebody else knows it.
            if body.contains_key("password") && !stay_logged_in {
                body.insert("log_out".to_owned(), json!(true));
            }
            something(
                &body,
                "--name, --password-file, --record, --call-waiting, --web-client, --desktop-client or --voicemail",
            )?;
            (client.ask(Method::PATCH, &of(&number), Some(&Value::Object(body))).await?, show::extension)
        }
        ExtensionCommand::Enable { number } => {
            (client.ask(Method::PATCH, &of(&number), Some(&enabled(true))).await?, show::extension)
        }
        ExtensionCommand::Disable { number } => {
            (client.ask(Method::PATCH, &of(&number), Some(&enabled(false))).await?, show::extension)
        }
        ExtensionCommand::Delete { number } => (client.ask(Method::DELETE, &of(&number), None).await?, show::deleted),
        ExtensionCommand::Reset { number } => {
            (client.ask(Method::POST, &format!("{}/reset", of(&number)), None).await?, show::extension)
        }
        ExtensionCommand::Photo { number, file } => {
            let path = format!("{}/photo", of(&number));
            match file {
                None => (client.ask(Method::DELETE, &path, None).await?, show::deleted),
                Some(file) => {
                    let picture = std::fs::read(&file).map_err(|e| {
                        let file = file.display();
                        let text = format!("{file}: {e}; name a PNG, JPEG or WebP picture that this user may read");
                        Failure::new(Reason::Usage, text)
                    })?;
                    let kind = "application/octet-stream";
                    (client.send(Method::PUT, &path, kind, picture.into()).await?, show::photo)
                }
            }
        }
    })
}

async fn contact(client: &Client, command: ContactCommand) -> Result<Shown, Failure> {
    Ok(match command {
        ContactCommand::List { owner, page } => {
            let owner = owner.map(|owner| format!("&owner={}", encoded(&owner))).unwrap_or_default();
            (client.ask(Method::GET, &format!("contacts?page={page}{owner}"), None).await?, show::contacts)
        }
        ContactCommand::Add { name, fields } => {
            let body = contact_fields(Some(name), fields);
            (client.ask(Method::POST, "contacts", Some(&Value::Object(body))).await?, show::contact)
        }
        ContactCommand::Set { id, name, fields } => {
            let body = contact_fields(name, fields);
            something(&body, "--name, --number, --company, --email, --remark or --owner")?;
            (client.ask(Method::PATCH, &format!("contacts/{id}"), Some(&Value::Object(body))).await?, show::contact)
        }
        ContactCommand::Delete { id } => {
            (client.ask(Method::DELETE, &format!("contacts/{id}"), None).await?, show::deleted)
        }
    })
}

async fn setting(client: &Client, command: SettingCommand) -> Result<Shown, Failure> {
    Ok(match command {
        SettingCommand::Show => (client.ask(Method::GET, "settings", None).await?, show::settings),
        SettingCommand::Set(fields) => {
            let body = setting_fields(fields);
            something(&body, "a setting to change; `setting set --help` lists them")?;
            (client.ask(Method::PATCH, "settings", Some(&Value::Object(body))).await?, show::settings)
        }
        SettingCommand::Reset => (client.ask(Method::POST, "settings/reset", None).await?, show::settings),
        SettingCommand::HotStandby => (client.ask(Method::POST, "hot_standby", None).await?, show::told),
    })
}

async fn status(client: &Client) -> Result<Value, Failure> {
    let load = client.ask(Method::GET, "load", None).await?;
    let calls = client.ask(Method::GET, "calls", None).await?;
    Ok(json!({ "load": load["load"], "calls": calls["calls"] }))
}

fn extension_fields(fields: ExtensionFields) -> Result<Map<String, Value>, Failure> {
    let password = match &fields.password_file {
        Some(path) => Some(client::first_line(path, "--password-file")?),
        None => std::env::var("OFFHOOK_EXTENSION_PASSWORD").ok().filter(|password| !password.is_empty()),
    };
    Ok(present([
        ("name", fields.name.map(Value::from)),
        ("password", password.map(Value::from)),
        ("record", fields.record.map(Value::from)),
        ("call_waiting", switch(fields.call_waiting)),
        ("web_client", switch(fields.web_client)),
        ("desktop_client", switch(fields.desktop_client)),
        ("voicemail", switch(fields.voicemail)),
    ]))
}

fn contact_fields(name: Option<String>, fields: ContactFields) -> Map<String, Value> {
    present([
        ("name", name.map(Value::from)),
        ("numbers", Some(fields.numbers).filter(|numbers| !numbers.is_empty()).map(Value::from)),
        ("company", fields.company.map(Value::from)),
        ("email", fields.email.map(Value::from)),
        ("remark", fields.remark.map(Value::from)),
        ("owner", fields.owner.map(Value::from)),
    ])
}

fn setting_fields(fields: SettingFields) -> Map<String, Value> {
    present([
        ("record_feature_code", fields.record_feature_code.map(Value::from)),
        ("nat_fqdn", switch(fields.nat_fqdn)),
        ("fqdn_domain", fields.fqdn_domain.map(Value::from)),
        ("turn_port", fields.turn_port.map(Value::from)),
        ("fqdn_licence", switch(fields.fqdn_licence)),
        ("video_licence", switch(fields.video_licence)),
        ("internal_client", switch(fields.internal_client)),
        ("sdk_plan", switch(fields.sdk_plan)),
    ])
}

fn switch(switch: Option<Switch>) -> Option<Value> {
    switch.map(|switch| Value::from(switch.is_on()))
}

fn present<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn something(fields: &Map<String, Value>, what: &str) -> Result<(), Failure> {
    if fields.is_empty() {
        return Err(Failure::new(Reason::Usage, format!("nothing to change: give {what}")));
    }
    Ok(())
}

/// 20 characters that are easy to read out: 100 bits.
fn random_password() -> Result<String, Failure> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|e| Failure::new(Reason::Failed, format!("no random numbers: {e}")))?;
    Ok(bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32))).map(|letter| char::from(*letter)).collect())
}

/// As a part of a URL.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut url = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    // A path of dots would be another path.
    if url.bytes().all(|byte| byte == b'.') { url.replace('.', "%2E") } else { url }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url_are_encoded() {
        assert_eq!(encoded("1000"), "1000");
        assert_eq!(encoded("a/b?c#d é"), "a%2Fb%3Fc%23d%20%C3%A9");
        assert_eq!(encoded(".."), "%2E%2E");
    }

    #[test]
    fn random_passwords_are_long_and_differ() {
        let (one, other) = (random_password().expect("random"), random_password().expect("random"));
        assert!(one.len() == 20 && one != other);
    }
}
