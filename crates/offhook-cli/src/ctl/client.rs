//! Requests to the admin API.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::args::CtlServer;
use crate::exit::{Failure, Reason};

/// For a whole request.
const TIME: Duration = Duration::from_secs(20);

/// The largest answer taken, bytes.
const MOST_ANSWER: usize = 16 << 20;

/// The token of a PBX on loopback that has no other.
const BUILT_IN_TOKEN: &str = "offhook-admin";

/// A PBX that can be asked.
pub(super) struct Client {
    url: String,
    host: String,
    port: u16,
    secure: Option<TlsConnector>,
    token: String,
}

impl Client {
    /// From what the command line and the environment say.
    pub(super) fn new(args: &CtlServer) -> Result<Self, Failure> {
        let usage = |text: String| Failure::new(Reason::Usage, text);
        let wrong = || usage(format!("--url {}: write https://host:port, or http://127.0.0.1:port", args.url));
        let uri: Uri = args.url.parse().map_err(|_| wrong())?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let has_path = uri.path_and_query().is_some_and(|path| path.as_str() != "/");
        let host = uri.host().filter(|host| !host.is_empty() && !has_path).ok_or_else(wrong)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_loopback =
            bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_secure && !is_loopback {
            return Err(usage(format!("--url {}: others could read the token: use https", args.url)));
        }
        if !is_secure && args.ca.is_some() {
            return Err(usage("--ca needs an https URL".to_owned()));
        }
        Ok(Self {
            url: args.url.clone(),
            port: uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            host: bare,
            secure: is_secure.then(|| connector(args.ca.as_deref())).transpose()?,
            token: token(args, is_loopback)?,
        })
    }

    /// Asks, and gives the answer without its `errcode`.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (kind, body) = match body {
            Some(body) => ("application/json", body.to_string().into()),
            None => ("application/json", Bytes::new()),
        };
        self.send(method, path, kind, body).await
    }

    /// The same with any body.
    pub(super) async fn send(&self, method: Method, path: &str, kind: &str, body: Bytes) -> Result<Value, Failure> {
        let failed = |e: hyper::http::Error| Failure::new(Reason::Usage, format!("the request cannot be made: {e}"));
        let authority = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let request = Request::builder()
            .method(method)
            .uri(format!("/admin/v1/{path}"))
            .header(HOST, format!("{authority}:{}", self.port))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, kind)
            .body(Full::new(body))
            .map_err(failed)?;
        let late = || {
            let text =
                format!("{} did not answer within {} s: is it a PBX? --url chooses another", self.url, TIME.as_secs());
            Failure::new(Reason::Timeout, text)
        };
        let answer = tokio::time::timeout(TIME, self.exchange(request)).await.unwrap_or_else(|_| Err(late()))?;
        self.read(answer)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Failure> {
        let unreachable = |e: std::io::Error| {
            let text = format!("cannot reach {}: {e}; is `offhook pbx` running there? --url chooses another", self.url);
            Failure::new(Reason::Unreachable, text)
        };
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        let Some(tls) = &self.secure else { return self.http(tcp, request).await };
        let untrusted = |detail: String| {
            let text = format!("TLS with {}: {detail}; give the PBX's certificate with --ca certificate.pem", self.url);
            Failure::new(Reason::Tls, text)
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|e| untrusted(e.to_string()))?;
        let tls = tls.connect(name, tcp).await.map_err(|e| untrusted(e.to_string()))?;
        self.http(tls, request).await
    }

    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failure> {
        let broken = |e: &dyn std::fmt::Display| {
            let text = format!("{} broke off: {e}; is it the address of a PBX?", self.url);
            Failure::new(Reason::Unreachable, text)
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|e| broken(&e))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MOST_ANSWER).collect().await.map_err(|e| broken(&e))?.to_bytes();
        connection.abort();
        Ok(Response::from_parts(parts, body))
    }

    fn read(&self, response: Response<Bytes>) -> Result<Value, Failure> {
        let status = response.status();
        let no_pbx = || {
            let text = format!("{} answered {status}, but not as the admin API of a PBX: check --url", self.url);
            Failure::new(Reason::Failed, text)
        };
        let mut answer: Value = serde_json::from_slice(response.body()).map_err(|_| no_pbx())?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let detail = text("detail");
        match status.as_u16() {
            200 if answer.get("errcode").and_then(Value::as_i64) == Some(0) => {
                if let Some(fields) = answer.as_object_mut() {
                    fields.retain(|name, _| name != "errcode" && name != "errmsg");
                }
                Ok(answer)
            }
            401 | 403 | 421 => {
                let text = format!(
                    "{} refused the admin token ({detail}): give --token-file FILE, or OFFHOOK_ADMIN_TOKEN",
                    self.url
                );
                Err(Failure::new(Reason::Authentication, text))
            }
            429 => {
                let seconds =
                    response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).unwrap_or("some");
                let text = format!("{} was given a wrong token too often: wait {seconds} s", self.url);
                Err(Failure::new(Reason::Authentication, text))
            }
            400 | 404 | 409 | 413 | 422 if !detail.is_empty() => Err(Failure::new(Reason::Usage, detail)),
            500.. => Err(Failure::new(Reason::Failed, format!("the PBX failed: {detail}"))),
            _ => Err(no_pbx()),
        }
    }
}

fn connector(ca: Option<&Path>) -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let usage = |text: String| Failure::new(Reason::Usage, format!("--ca {}: {text}", path.display()));
            let pem = std::fs::read(path).map_err(|e| usage(e.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|e| usage(e.to_string()))?;
                roots.add(certificate).map_err(|e| usage(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(usage("there is no PEM certificate in it".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let failed = |e: rustls::Error| Failure::new(Reason::Tls, format!("no TLS: {e}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn token(args: &CtlServer, is_loopback: bool) -> Result<String, Failure> {
    if let Some(path) = &args.token_file {
        return first_line(path, "--token-file");
    }
    match std::env::var("OFFHOOK_ADMIN_TOKEN") {
        Ok(token) if !token.is_empty() => Ok(token),
        _ if is_loopback => Ok(BUILT_IN_TOKEN.to_owned()),
        _ => Err(Failure::new(Reason::Usage, "no admin token: give --token-file FILE, or set OFFHOOK_ADMIN_TOKEN")),
    }
}

/// The first line of a file, which must not be empty.
pub(super) fn first_line(path: &Path, option: &str) -> Result<String, Failure> {
    let usage = |text: String| Failure::new(Reason::Usage, format!("{option} {}: {text}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| usage(e.to_string()))?;
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(usage("its first line is empty".to_owned())),
    }
}
