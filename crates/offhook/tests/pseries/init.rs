//! Logging in, and what comes of it.

use futures_util::StreamExt as _;
use offhook::{CdrQuery, ClientKind, Init, InitParams, Operator, PbxError, PbxOperator, PhoneEvent, RecordPermissions};
use serde_json::{Value, json};

use crate::support::{SECRET, Server, TOKEN, soon, until};

#[tokio::test]
async fn init_logs_in_reads_the_settings_and_makes_a_phone_that_is_not_started() {
    let mut server = Server::start().await;
    let (operator, subscription) = server.operator().await;
    let (phone, pbx) = (&operator.phone, &operator.pbx);

    assert_eq!((pbx.url(), pbx.username()), (server.url().as_str(), "1000"));
    assert_eq!((pbx.secret().expose(), pbx.token().expose()), (SECRET, TOKEN));
    assert_eq!((pbx.extension_number(), pbx.extension_id(), pbx.extension_name()), ("1000", "12", "Ann"));
    assert_eq!(phone.record_permissions(), RecordPermissions::All);
    assert!(!phone.video_plan());
    assert_eq!(subscription.asked.query, format!("access_token={TOKEN}"));

    let product = server.request("pbx/getproduct", 1).await;
    assert_eq!(product.header("authorization"), None);
    let login = server.request("login", 1).await;
    assert_eq!(login.method, "POST");
    let wanted = json!({ "username": "1000", "password": SECRET, "login_source": Value::Null, "login_jump": "sdk" });
    assert_eq!(login.body, wanted);
    for path in ["getpersonalglobal", "getpersonal", "getregisterinfo"].map(|name| format!("extension/{name}")) {
        assert_eq!(server.request(&path, 1).await.header("authorization"), Some(TOKEN), "{path}");
    }
    assert_eq!(server.request("dct/init", 1).await.body, json!({ "type": "call" }));

    // Nothing of SIP until it is started, and nobody who listens from here on misses anything.
    assert!(!phone.is_registered() && server.pbx.load().connections == 0);
    let mut events = phone.events();
    soon("registering", phone.connect()).await.expect("registered with the HA1 of the PBX");
    assert_eq!(until("the first event", &mut events, |_| true).await, PhoneEvent::Connected);
    assert!(phone.is_registered());
}

#[test]
fn handles_and_futures_can_go_to_any_thread() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    fn future<F: Future + Send + 'static>(_: fn(PbxOperator) -> F) {}
    shared::<Operator>();
    shared::<PbxOperator>();
    future(|pbx| pbx.cdr_query(CdrQuery::new(1, 10)));
    future(|pbx| pbx.logout());
    future(|pbx| async move { pbx.destroy().await });
    future(|pbx| Init::new(pbx.url(), pbx.username(), pbx.secret().clone()).connect());
}

#[tokio::test]
async fn init_with_the_parameters_of_the_contract() {
    let server = Server::plain().await;
    let url = server.url().replace("https", "http");
    let mut params = InitParams::new(url, "1000", SECRET);
    params.user_agent = ClientKind::WebPc;
    params.enable_log = false;
    let operator = soon("logging in", offhook::init(params)).await.expect("http is for loopback");
    assert_eq!(server.request("login", 1).await.body["login_source"], "webpc");
    soon("registering", operator.phone.connect()).await.expect("registered");
}

#[tokio::test]
async fn a_second_init_of_an_operator_is_refused() {
    let mut server = Server::start().await;
    let (operator, _subscription) = server.operator().await;
    let error = operator.pbx.init().expect_err("it is initialised");
    assert_eq!((error.code(), error), (-105, PbxError::AlreadyInitialized));
    soon("the end", operator.destroy()).await;
    assert_eq!(operator.pbx.init(), Err(PbxError::Destroyed));
    // Another pair can be made.
    soon("logging in", server.init().connect()).await.expect("logged in");
}

#[tokio::test]
async fn a_login_that_nobody_waits_for_any_more_is_given_back() {
    let server = Server::start().await;
    server.answer("extension/getpersonal", [crate::support::Answer::Never]);
    let connecting = tokio::spawn(server.init().connect());
    server.request("extension/getpersonal", 1).await;
    connecting.abort();
    assert_eq!(server.request("logout", 1).await.header("authorization"), Some(TOKEN));
    server.connections(0).await;
}

#[tokio::test]
async fn the_phone_alone_can_be_destroyed() {
    let mut server = Server::start().await;
    let (operator, _subscription) = server.operator().await;
    let mut events = operator.phone.events();
    soon("registering", operator.phone.connect()).await.expect("registered");
    soon("the phone's end", operator.phone.destroy()).await;
    assert!(operator.phone.connect().await.is_err());
    assert_eq!(soon("the stream's end", events.next()).await, None);
    soon("unregistered", server.pbx.load_when(|load| load.registrations == 0)).await.expect("the PBX lives");
    let query = CdrQuery::new(1, 10);
    soon("a query", operator.pbx.cdr_query(query)).await.expect("the PBX's operator goes on");
}
