//! A PBX in another network namespace: see `Remote`.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = std::env::args().nth(1).expect("a configuration");
    offhook_interop_networks::serve_pbx(&config).await;
}
