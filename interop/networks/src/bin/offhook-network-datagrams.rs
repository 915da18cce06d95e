//! Numbered datagrams that a test has sent between network namespaces: see `Remote`.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = std::env::args().nth(1).expect("a configuration");
    offhook_interop_networks::serve_datagrams(&config).await;
}
