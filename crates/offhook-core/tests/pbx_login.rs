//! Logging in to a P-Series PBX: each request, what is made of its answer, and what each failure is called.

mod common;

use common::pbx::{Answer, Api, SIGNATURE, body_of, header, query_of};
use offhook_core::pbx::{
    ClientKind, Fault, HttpFailure, HttpId, HttpMethod, HttpResponse, InitParams, LoggedIn, Login, PbxError,
};
use offhook_core::{Driven, KeepAlive, Now, Phone, PhoneConfig, RecordMethod, RecordPermissions};
use serde_json::{Value, json};

fn log_in(script: impl FnOnce(&mut Api)) -> (Api, Result<LoggedIn, PbxError>) {
    let mut api = Api::new();
    script(&mut api);
    let result = api.log_in();
    (api, result)
}

fn config(script: impl FnOnce(&mut Api)) -> PhoneConfig {
    log_in(script).1.expect("logs in").config().clone()
}

fn code(script: impl FnOnce(&mut Api)) -> i32 {
    log_in(script).1.map(|_| 0).unwrap_or_else(|error| error.code())
}

/// How it fails, and that the token was given back.
fn code_after_login(script: impl FnOnce(&mut Api)) -> i32 {
    let (api, result) = log_in(script);
    assert_eq!(api.asked().last().map(String::as_str), Some("logout"), "the token is given back");
    assert_eq!(api.count("logout"), 1);
    result.expect_err("fails").code()
}

#[test]
fn the_requests_come_in_their_order_and_independent_ones_together() {
    let mut api = Api::new();
    let (took, result) = api.log_in_timed();
    result.expect("logs in");
    let asked = api.asked();
    assert_eq!(asked[..2], ["pbx/getproduct", "login"]);
    let mut settings = asked[2..].to_vec();
    settings.sort();
    assert_eq!(
        settings,
        [
            "dct/init",
            "extension/getpersonal",
            "extension/getpersonalglobal",
            "extension/getregisterinfo",
            "licenseservice/get",
        ]
    );
    assert_eq!(took, 30, "three round trips of 10 ms");
}

#[test]
fn getproduct_sends_the_host_and_no_token() {
    let (api, _) = log_in(|api| api.params.pbx_url = "https://PBX.example:8088/".to_owned());
    let request = api.last("pbx/getproduct");
    assert_eq!((request.method, query_of(request).as_str()), (HttpMethod::Get, "host=pbx.example%3A8088"));
    assert_eq!(header(request, "Authorization"), None);
}

#[test]
fn a_product_that_cannot_be_had_or_is_not_supported_is_minus_4() {
    assert_eq!(code(|api| api.fail("pbx/getproduct", HttpFailure::Timeout)), -4);
    assert_eq!(code(|api| api.set("pbx/getproduct", json!({"errcode": 1}))), -4);
    assert_eq!(code(|api| api.set("pbx/getproduct", json!({"errcode": 0}))), -4);
    assert_eq!(code(|api| api.set("pbx/getproduct", json!({"errcode": 0, "product": {"version": "1"}}))), -4);
    let html = Answer::Raw(200, b"<html>".to_vec());
    assert_eq!(code(|api| drop(api.answers.insert("pbx/getproduct".to_owned(), html))), -4);
    let (api, _) = log_in(|api| api.set("pbx/getproduct", json!({"errcode": 0})));
    assert_eq!(api.asked(), ["pbx/getproduct"], "nothing follows");
}

#[test]
fn login_sends_the_signature_and_its_source() {
    let (api, _) = log_in(|_| {});
    let request = api.last("login");
    assert_eq!(request.method, HttpMethod::Post);
    assert_eq!(header(request, "Content-Type"), Some("application/json"));
    assert_eq!(header(request, "Authorization"), None);
    let body = json!({"username": "ann", "password": SIGNATURE, "login_source": null, "login_jump": "sdk"});
    assert_eq!(body_of(request), body);
    let (api, _) = log_in(|api| api.params.user_agent = ClientKind::WebPc);
    assert_eq!(body_of(api.last("login"))["login_source"], "webpc");
}

#[test]
fn the_token_goes_bare_into_every_later_request() {
    let (api, result) = log_in(|_| {});
    let late = api.requests.iter().skip(2);
    assert!(late.clone().count() == 5 && late.clone().all(|r| header(r, "Authorization") == Some("token/1")));
    let phone = Phone::with_pbx(result.expect("logs in"));
    assert_eq!(phone.pbx().expect("has a PBX").token().expose(), "token/1");
}

#[test]
fn a_refused_login_has_a_code_for_each_reason() {
    assert_eq!(code(|api| api.set("login", json!({"errcode": 70136, "errmsg": "PLAN"}))), -110);
    assert_eq!(code(|api| api.set("login", json!({"errcode": "70136"}))), -110);
    assert_eq!(code(|api| api.set("login", json!({"errcode": 20004, "errmsg": "WRONG"}))), -103);
    assert_eq!(code(|api| api.set("login", json!({"errcode": 0}))), -103, "no token");
    let injected = json!({"errcode": 0, "access_token": "x\r\nHost: y"});
    assert_eq!(code(|api| api.set("login", injected)), -103, "no token that fits in a header");
    let unreachable = HttpFailure::Unreachable { detail: "refused".to_owned() };
    assert_eq!(code(|api| api.fail("login", unreachable)), -102);
    assert_eq!(code(|api| drop(api.answers.insert("login".to_owned(), Answer::Raw(503, vec![])))), -102);
    assert_eq!(code(|api| drop(api.answers.insert("login".to_owned(), Answer::Raw(404, vec![])))), -103);
    let (api, _) = log_in(|api| api.set("login", json!({"errcode": 20004})));
    assert_eq!(api.count("logout"), 0, "there is no token to give back");
}

#[test]
fn each_setting_that_cannot_be_had_ends_the_login_with_its_code() {
    for path in
        ["extension/getpersonalglobal", "licenseservice/get", "extension/getpersonal", "extension/getregisterinfo"]
    {
        assert_eq!(code_after_login(|api| api.set(path, json!({"errcode": 60001, "errmsg": "X"}))), -103, "{path}");
        let broken = HttpFailure::Broken { detail: "reset".to_owned() };
        assert_eq!(code_after_login(|api| api.fail(path, broken)), -102, "{path}");
        let (api, result) = log_in(|api| drop(api.answers.insert(path.to_owned(), Answer::Never)));
        assert_eq!(result.expect_err("times out").code(), -102, "{path}");
        assert_eq!(api.count("logout"), 1);
    }
}

#[test]
fn a_login_is_over_in_bounded_time_whatever_hangs() {
    let mut api = Api::new();
    api.latency = [("pbx/getproduct", 9_900), ("login", 9_900)].map(|(p, ms)| (p.to_owned(), ms)).into();
    api.answers.insert("extension/getpersonal".to_owned(), Answer::Never);
    api.answers.insert("logout".to_owned(), Answer::Never);
    let (took, result) = api.log_in_timed();
    assert_eq!(result.expect_err("fails").code(), -102);
    assert!((19_800..=33_000).contains(&took), "{took}");
}

#[test]
fn no_extension_is_minus_104() {
    assert_eq!(code_after_login(|api| api.set("extension/getpersonal", json!({"errcode": 0}))), -104);
    let no_number = json!({"errcode": 0, "extension": {"id": 1, "enb_web_client": 1}});
    assert_eq!(code_after_login(|api| api.set("extension/getpersonal", no_number)), -104);
}

#[test]
fn in_mode_en_the_kind_of_client_must_be_enabled() {
    let disable = |field: &'static str, client| {
        move |api: &mut Api| {
            api.params.user_agent = client;
            api.change("extension/getpersonal", &format!("/extension/{field}"), json!(0));
        }
    };
    assert_eq!(code_after_login(disable("enb_web_client", ClientKind::WebClient)), -106);
    assert_eq!(code_after_login(disable("enb_desktop_client", ClientKind::WebPc)), -106);
    assert_eq!(code(disable("enb_web_client", ClientKind::WebPc)), 0);
    assert_eq!(code(disable("enb_desktop_client", ClientKind::WebClient)), 0);
    // The other mode's flag says nothing here.
    assert_eq!(code(|api| api.change("extension/getpersonalglobal", "/enb_internal_client", json!(0))), 0);
}

#[test]
fn in_mode_cn_the_internal_client_must_be_enabled() {
    let cn = |api: &mut Api| api.change("pbx/getproduct", "/product/base_oem_id", json!(1));
    assert_eq!(code(cn), 0);
    let disabled = |api: &mut Api| {
        cn(api);
        api.change("extension/getpersonalglobal", "/enb_internal_client", json!(0));
    };
    assert_eq!(code_after_login(disabled), -106);
    let others = |api: &mut Api| {
        cn(api);
        api.change("extension/getpersonal", "/extension/enb_web_client", json!(0));
    };
    assert_eq!(code(others), 0);
}

#[test]
fn dct_init_says_call_and_stops_nothing() {
    let (api, result) = log_in(|api| api.set("dct/init", json!({"errcode": 10001})));
    assert!(result.is_ok());
    let request = api.last("dct/init");
    assert_eq!((request.method, body_of(request)), (HttpMethod::Post, json!({"type": "call"})));
}

#[test]
fn the_phone_is_made_of_the_settings() {
    let (_, result) = log_in(|_| {});
    let logged_in = result.expect("logs in");
    assert_eq!(logged_in.base(), "https://pbx.example/api");
    assert_eq!(logged_in.sip_url(), "wss://pbx.example/ws?exten=1000");
    let config = logged_in.config();
    assert_eq!(config.aor.uri().to_string(), "sip:1000@pbx.example");
    assert_eq!(config.contact.as_ref().map(ToString::to_string).as_deref(), Some("sip:1000@pbx.example;nat;webclient"));
    assert_eq!(config.register_expires_s, 1_800);
    assert_eq!(config.register_headers, ["User-Agent-Access-Type: external_ip"]);
    assert_eq!(config.keep_alive, KeepAlive::Heartbeat { interval_ms: 30_000 });
    assert!(config.session_timer.enabled && config.session_timer.expires_s == 1_800);
    assert_eq!(config.no_answer_ms, 300_000);
    assert_eq!(config.record, RecordMethod::FeatureCode("*1".to_owned()));
    assert_eq!(config.record_permissions, RecordPermissions::All);
    assert_eq!(config.reconnect.max_attempts, None);
    assert_eq!(config.ice_servers[0].urls, ["stun:office.example:11009"]);
    let phone = Phone::with_pbx(logged_in);
    let pbx = phone.pbx().expect("has a PBX");
    assert_eq!(
        (pbx.extension_number(), pbx.extension_id(), pbx.extension_name(), pbx.username(), pbx.url()),
        ("1000", "17", "Ann Example", "ann", "https://pbx.example")
    );
    assert!(!phone.video_plan() && !phone.is_max_call());
}

#[test]
fn only_some_ways_to_the_pbx_are_behind_a_nat() {
    let contact = |access: Value| {
        let config = config(|api| api.change("pbx/getproduct", "/access_type", access));
        (config.contact.expect("one").to_string(), config.register_headers)
    };
    for nat in ["external_ip", "external_host", "ys_domain"] {
        let (contact, headers) = contact(json!(nat));
        assert_eq!(contact, "sip:1000@pbx.example;nat;webclient");
        assert_eq!(headers, [format!("User-Agent-Access-Type: {nat}")]);
    }
    assert_eq!(contact(json!("local")).0, "sip:1000@pbx.example;webclient");
    assert_eq!(contact(Value::Null), ("sip:1000@pbx.example;webclient".to_owned(), vec![]));
}

#[test]
fn ports_ipv6_and_plain_loopback_reach_the_phone() {
    let made = |url: &str| {
        let (_, result) = log_in(|api| api.params.pbx_url = url.to_owned());
        let logged_in = result.expect("logs in");
        (logged_in.base(), logged_in.sip_url(), logged_in.config().aor.uri().to_string())
    };
    let all = |base: &str, sip: &str, aor: &str| (base.to_owned(), sip.to_owned(), aor.to_owned());
    assert_eq!(made("http://127.0.0.1:8088/"), {
        all("http://127.0.0.1:8088/api", "ws://127.0.0.1:8088/ws?exten=1000", "sip:1000@127.0.0.1")
    });
    assert_eq!(made("https://[2001:db8::1]:8088"), {
        all("https://[2001:db8::1]:8088/api", "wss://[2001:db8::1]:8088/ws?exten=1000", "sip:1000@[2001:db8::1]")
    });
}

#[test]
fn stun_follows_the_plan_and_the_nat() {
    let stun = |script: &dyn Fn(&mut Api)| {
        config(|api| script(api)).ice_servers.into_iter().flat_map(|server| server.urls).collect::<Vec<_>>()
    };
    let global = "extension/getpersonalglobal";
    let cloud = |api: &mut Api| api.change("pbx/getproduct", "/product/platform_name", json!("p_cloudpbx"));
    assert_eq!(stun(&cloud), ["stun:cloud.example:11009"]);
    assert_eq!(stun(&|api| api.change(global, "/turn_port", json!("3478"))), ["stun:office.example:3478"]);
    assert_eq!(stun(&|api| api.change(global, "/turn_port", Value::Null)), ["stun:office.example:11009"], "default");
    assert!(stun(&|api| api.change(global, "/enable_nat_fqdn", json!(0))).is_empty());
    assert!(stun(&|api| api.change(global, "/fqdn_domain", json!(""))).is_empty());
    assert!(stun(&|api| api.change(global, "/fqdn_domain", json!("x?transport=tcp\r\n"))).is_empty());
}

#[test]
fn permissions_waiting_and_attempts_follow_settings_and_parameters() {
    let personal = |field: &'static str, value: i64| {
        config(move |api| api.change("extension/getpersonal", &format!("/extension/{field}"), json!(value)))
    };
    assert_eq!(personal("enb_ctl_record", 0).record_permissions, RecordPermissions::None);
    assert_eq!(personal("enb_ctl_record", 1).record_permissions, RecordPermissions::PauseResume);
    assert_eq!(personal("enb_ctl_record", 9).record_permissions, RecordPermissions::None, "unknown");
    assert!(!config(|api| api.params.disable_call_waiting = true).call_waiting);
    assert_eq!(config(|api| api.params.re_registry_phone_times = Some(3)).reconnect.max_attempts, Some(3));
    let code = config(|api| api.change("extension/getpersonalglobal", "/record_feature_code", json!("*99")));
    assert_eq!(code.record, RecordMethod::FeatureCode("*99".to_owned()));
}

#[test]
fn numbers_may_be_strings_and_settings_one_level_deeper() {
    let config = config(|api| {
        api.set("pbx/getproduct", json!({"errcode": "0", "product": {"base_oem_id": "7", "version": "37.1"}}));
        let extension = json!({"id": "x7", "number": 1000, "enb_ctl_record": "1", "enb_web_client": "1"});
        api.set("extension/getpersonal", json!({"errcode": 0, "extension": extension}));
        let global = json!({"record_feature_code": "*2", "enable_nat_fqdn": "1", "fqdn_domain": "office.example"});
        api.set("extension/getpersonalglobal", json!({"errcode": 0, "personal_global": global}));
        let register = common::pbx::register_info("secret");
        api.set("extension/getregisterinfo", json!({"errcode": 0, "data": register}));
    });
    assert_eq!(config.extension, "1000");
    assert_eq!(config.record, RecordMethod::FeatureCode("*2".to_owned()));
    assert_eq!(config.ice_servers[0].urls, ["stun:office.example:11009"]);
}

#[test]
fn register_info_without_a_user_or_password_makes_no_phone() {
    let half = json!({"errcode": 0, "registername": "1000"});
    assert_eq!(code_after_login(|api| api.set("extension/getregisterinfo", half)), -101);
    let number = json!("10\r\n00");
    assert_eq!(code_after_login(|api| api.change("extension/getpersonal", "/extension/number", number)), -101);
}

#[test]
fn urls_are_refused_before_anything_is_asked() {
    for (url, wanted) in [("pbx.example", -2), ("https://pbx.example/x", -2), ("http://pbx.example", -3)] {
        let (api, result) = log_in(|api| api.params.pbx_url = url.to_owned());
        let error = result.expect_err("refused");
        assert_eq!((error.code(), error.fault(), api.asked().len()), (wanted, Fault::Usage, 0), "{url}");
    }
}

#[test]
fn what_comes_late_or_twice_is_ignored() {
    let now = Now { mono: 1, wall: 1 };
    let mut login =
        Driven::new(Login::new(now, InitParams::new("a", "b", "https://pbx.example", [1; 32])).expect("fits"));
    let answer = || Ok(HttpResponse { status: 200, body: b"{\"errcode\":1}".to_vec().into() });
    let mut outputs = 0;
    login.turn(|login| login.handle_http(now, HttpId(99), answer()), |_| outputs += 1);
    login.turn(|login| login.handle_http(now, HttpId(1), answer()), |_| outputs += 1);
    let before = outputs;
    login.turn(|login| login.handle_http(now, HttpId(1), answer()), |_| outputs += 1);
    login.turn(|login| login.handle_timeout(Now { mono: 1_000_000, wall: 1 }), |_| outputs += 1);
    login.turn(|login| login.cancel(now), |_| outputs += 1);
    assert_eq!(outputs, before, "nothing follows the end");
}

#[test]
fn giving_up_gives_the_token_back() {
    let now = Now { mono: 1, wall: 1 };
    let mut login =
        Driven::new(Login::new(now, InitParams::new("a", "b", "https://pbx.example", [1; 32])).expect("fits"));
    let answer = |json: Value| Ok(HttpResponse { status: 200, body: json.to_string().into_bytes().into() });
    let product = answer(json!({"errcode": 0, "product": {"base_oem_id": 0}}));
    login.turn(|login| login.handle_http(now, HttpId(1), product), |_| {});
    let token = answer(json!({"errcode": 0, "access_token": "t"}));
    login.turn(|login| login.handle_http(now, HttpId(2), token), |_| {});
    let mut outputs = Vec::new();
    login.turn(|login| login.cancel(now), |output| outputs.push(format!("{output:?}")));
    assert!(outputs[0].contains("/v1.0/logout") && !outputs[0].contains("\"t\""), "{outputs:?}");
    let mut outputs = Vec::new();
    let done = answer(json!({"errcode": 0}));
    login.turn(|login| login.handle_http(now, HttpId(8), done), |output| outputs.push(format!("{output:?}")));
    assert!(outputs[0].contains("Destroyed"), "{outputs:?}");
}

#[test]
fn giving_up_while_the_login_is_on_its_way_gives_its_token_back() {
    let now = Now { mono: 1, wall: 1 };
    let answer = |json: Value| Ok(HttpResponse { status: 200, body: json.to_string().into_bytes().into() });
    for given in [true, false] {
        let params = InitParams::new("a", "b", "https://pbx.example", [1; 32]);
        let mut login = Driven::new(Login::new(now, params).expect("fits"));
        let mut told = Vec::new();
        let product = answer(json!({"errcode": 0, "product": {"base_oem_id": 0}}));
        login.turn(|login| login.handle_http(now, HttpId(1), product), |_| {});
        login.turn(|login| login.cancel(now), |output| told.push(format!("{output:?}")));
        login.turn(|login| login.cancel(now), |output| told.push(format!("{output:?}")));
        assert!(told.iter().all(|told| told.starts_with("Timeout")), "{told:?}");
        told.clear();
        let token = answer(json!({"errcode": if given { 0 } else { 1 }, "access_token": "t"}));
        login.turn(|login| login.handle_http(now, HttpId(2), token), |output| told.push(format!("{output:?}")));
        assert_eq!((told[0].contains("/v1.0/logout"), told[0].contains("Destroyed")), (given, !given), "{told:?}");
        told.clear();
        if given {
            let done = answer(json!({"errcode": 0}));
            login.turn(|login| login.handle_http(now, HttpId(3), done), |output| told.push(format!("{output:?}")));
            assert!(told[0].contains("Destroyed"), "{told:?}");
        }
    }
}

#[test]
fn nothing_secret_is_shown() {
    let (api, result) = log_in(|_| {});
    let logged_in = result.expect("logs in");
    let shown = format!("{:?} {logged_in:?} {:?}", api.requests, api.params);
    let phone = format!("{:?}", Phone::with_pbx(logged_in));
    for secret in [SIGNATURE, "token/1", "token%2F1"] {
        assert!(!shown.contains(secret) && !phone.contains(secret), "{secret}");
    }
}
