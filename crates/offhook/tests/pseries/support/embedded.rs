//! The embedded PBX, and what an app's backend and its administrator do with it.

use std::path::PathBuf;

use offhook::{Init, Operator};
use offhook_pbx::{Pbx, PbxBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::soon;

pub(crate) struct Embedded {
    pub(crate) pbx: Pbx,
}

impl Embedded {
    pub(crate) async fn start() -> Self {
        Self::of(Pbx::builder()).await
    }

    pub(crate) async fn of(builder: PbxBuilder) -> Self {
        Self { pbx: builder.start().await.expect("the PBX starts") }
    }

    /// Over TLS, with a signature of the open API.
    pub(crate) async fn init(&self, number: &str) -> Init {
        let url = self.pbx.https_url().expect("wss is on");
        Init::new(url, number, self.signature(number).await).ca_certificate(self.pbx.certificate_pem())
    }

    /// Logged in and registered.
    pub(crate) async fn operator(&self, number: &str) -> Operator {
        let init = self.init(number).await;
        let operator = soon("logging in", init.connect()).await.expect("logged in");
        soon("registering", operator.phone.connect()).await.expect("registered");
        operator
    }

    /// A login signature, as an app's backend gets it.
    pub(crate) async fn signature(&self, number: &str) -> String {
        let client = json!({ "username": self.pbx.client_id(), "password": self.pbx.client_secret().expose() });
        let token = self.ask("POST", "/openapi/v1.0/get_token", "", &client).await;
        let path =
            format!("/openapi/v1.0/sign/create?access_token={}", token["access_token"].as_str().expect("a token"));
        let signed = self.ask("POST", &path, "", &json!({ "username": number, "sign_type": "sdk" })).await;
        signed["data"]["sign"].as_str().expect("a signature").to_owned()
    }

    /// What the administrator does.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let header = format!("Authorization: Bearer {}\r\n", self.pbx.admin_token().expose());
        self.ask(method, &format!("/admin/v1/{path}"), &header, &body).await
    }

    async fn ask(&self, method: &str, path: &str, header: &str, body: &Value) -> Value {
        let address = self.pbx.ws_address().expect("ws is on");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{header}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut answer = String::new();
        soon(path, async {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            stream.write_all(request.as_bytes()).await.expect("it reads");
            stream.read_to_string(&mut answer).await.expect("it answers");
        })
        .await;
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert_eq!(value["errcode"], 0, "{path}: {value}");
        value
    }
}

/// Removed at the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("offhook-pseries-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.clone()
    }

    /// Waits for a recording that is whole.
    pub(crate) async fn wav(&self) {
        loop {
            let files = std::fs::read_dir(&self.0).expect("a directory");
            let whole = files.filter_map(Result::ok).any(|file| {
                let is_wav = file.path().extension().is_some_and(|extension| extension == "wav");
                is_wav && offhook::WavSource::open(file.path()).is_ok()
            });
            if whole {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
