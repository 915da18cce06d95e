//! A phone that a test in another network namespace commands: see `Remote`.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = std::env::args().nth(1).expect("a configuration");
    offhook_interop_networks::serve_phone(&config).await;
}
