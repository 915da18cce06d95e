//! A media peer in a process of its own, so that it can live in another network namespace: a line of JSON asks, one answers.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use offhook_media::{AudioSource, IceServer, Peer, PeerConfig, PeerEvent, ToneSpec, TransportPolicy, Wanted};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::Ear;

/// Longest wait for anything: a failure, not a rhythm.
const LIMIT: Duration = Duration::from_secs(20);

/// The end of it in the test.
#[derive(Debug)]
pub struct Remote {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Remote {
    /// Starts `program` in a namespace. `config` has `servers` (each with `url`, `username`, `credential`), `policy` and `tone`.
    pub fn start(program: &str, namespace: &str, config: &Value) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "ip", "netns", "exec", namespace, program, &config.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output }
    }

    /// Asks for something and gives the answer.
    pub fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.input, "{request}").and_then(|()| self.input.flush()).expect("the peer listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the peer answers");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{request}: {line:?}: {error}"));
        assert!(answer.get("error").is_none(), "{request}: {answer}");
        answer
    }

    /// An offer's text.
    pub fn offer(&mut self, restart: bool) -> String {
        text(&self.ask(&json!({"do": "offer", "restart": restart})))
    }

    /// The answer's text to an offer.
    pub fn answer(&mut self, offer: &str) -> String {
        text(&self.ask(&json!({"do": "answer", "sdp": offer})))
    }

    /// Takes the answer.
    pub fn apply(&mut self, answer: &str) {
        self.ask(&json!({"do": "apply", "sdp": answer}));
    }

    /// Waits until it is connected.
    pub fn connected(&mut self) {
        self.ask(&json!({"do": "connected"}));
    }

    /// Waits until it hears this tone; gives how long that took, ms.
    pub fn hears(&mut self, tone: f64) -> u64 {
        self.ask(&json!({"do": "hears", "tone": tone}))["ms"].as_u64().expect("ms")
    }

    /// Its statistics, once there is a pair in them.
    pub fn stats(&mut self) -> Value {
        self.ask(&json!({"do": "stats"}))["stats"].clone()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(answer: &Value) -> String {
    answer["sdp"].as_str().expect("a description").to_owned()
}

/// The end of it in the other process: answers until there is no more input.
pub async fn serve(config: &str) {
    let config: Value = serde_json::from_str(config).expect("a configuration");
    let servers: Vec<IceServer> = config["servers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|server| {
            let url = server["url"].as_str().expect("a URL");
            IceServer::parse(url, server["username"].as_str(), server["credential"].as_str()).expect("a server")
        })
        .collect();
    let policy = if config["policy"] == "relay" { TransportPolicy::Relay } else { TransportPolicy::All };
    let (peer, mut events) =
        Peer::spawn(PeerConfig::new("remote").ice_servers(servers).transport_policy(policy)).expect("media");
    let ear = Ear::default();
    peer.set_sink(Some(Box::new(ear.clone())));
    peer.set_source(AudioSource::Tone(ToneSpec::new(config["tone"].as_f64().expect("a tone"))));
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let request: Value = serde_json::from_str(&line).expect("a request");
        let sdp = || request["sdp"].as_str().unwrap_or_default().to_owned();
        let wanted = Wanted { ice_restart: request["restart"] == true, ..Wanted::default() };
        let answer = match request["do"].as_str().unwrap_or_default() {
            "offer" => described(peer.offer(wanted).await),
            "answer" => described(peer.answer(sdp(), Wanted::default()).await),
            "apply" => match peer.accept_answer(sdp()).await {
                Ok(()) => json!({}),
                Err(error) => json!({"error": error.to_string()}),
            },
            "connected" => {
                let wait = async {
                    while let Some(event) = events.recv().await {
                        match event {
                            PeerEvent::Connected => return json!({}),
                            PeerEvent::Failed(error) => return json!({"error": error.to_string()}),
                            _ => {}
                        }
                    }
                    json!({"error": "closed"})
                };
                tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| json!({"error": "not connected in time"}))
            }
            "hears" => hears(&ear, request["tone"].as_f64().unwrap_or_default()).await,
            "stats" => stats(&peer).await,
            other => json!({"error": format!("what is {other}?")}),
        };
        println!("{answer}");
    }
}

fn described(made: Result<String, offhook_media::MediaError>) -> Value {
    made.map_or_else(|error| json!({"error": error.to_string()}), |sdp| json!({"sdp": sdp}))
}

async fn hears(ear: &Ear, tone: f64) -> Value {
    ear.forget();
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if ear.share(tone) > 0.9 {
            return json!({"ms": begun.elapsed().as_millis() as u64});
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    json!({"error": format!("{} of what is heard is {tone} Hz", ear.share(tone))})
}

async fn stats(peer: &Peer) -> Value {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        match peer.stats().await {
            Ok(stats) if stats.candidate_pair.is_some() => return json!({"stats": stats}),
            Ok(_) => {}
            Err(error) => return json!({"error": error.to_string()}),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    json!({"error": "no pair"})
}

/// What the test asks, line by line.
pub(crate) fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
