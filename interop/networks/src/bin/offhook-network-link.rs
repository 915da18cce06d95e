//! A bad path between two network namespaces: `offhook-network-link LEFT RIGHT SCENARIO SEED`, with the names of two that exist
//! and of a scenario of `offhook-netem` (`loss-5`, `jitter-100`, `outage-300`, `mobile` …). They are 10.7.0.1 and 10.7.0.2 to
//! each other. It ends with its input; each line of that is answered with what has passed.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    offhook_interop_networks::serve_link(&arguments).await;
}
