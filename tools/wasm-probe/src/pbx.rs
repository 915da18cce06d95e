//! The same scene with a P-Series PBX: logging in, a call with its look-up, notifications, and the end that one of them brings.

use offhook_core::pbx::{
    HttpFailure, HttpId, HttpRequest, HttpResponse, InitParams, LoggedIn, Login, LoginOutput, SubscriptionInput,
};
use offhook_core::{CallOptions, Driven, Input, Now, Phone};

use crate::scene::Scene;

/// Plays the scene and gives everything both sides put out, a line each.
pub(crate) fn play() -> String {
    let Some(logged_in) = log_in() else { return "no login\n".to_owned() };
    let mut scene = Scene::new(Phone::with_pbx(logged_in));
    scene.phone(|phone, now| _ = phone.start(now));
    scene.pass(1_000);
    scene.phone(|phone, now| _ = phone.call(now, "600", CallOptions::default()));
    scene.pass(40_000);
    for text in [
        "heartbeat response",
        r#"{"type":20047,"msg":"{\"enb_ctl_record\":1}"}"#,
        r#"{"type":20010,"msg":"{}"}"#,
        r#"{"type":20007,"msg":"{}"}"#,
    ] {
        let input = || Input::Subscription(SubscriptionInput::Text(text.to_owned()));
        scene.phone(|phone, now| phone.handle_input(now, input()));
        scene.pass(7_000);
    }
    scene.pass(60_000);
    scene.transcript
}

/// What the PBX answers.
pub(crate) fn answer(request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
    const ANSWERS: [(&str, &str); 6] = [
        ("getproduct", r#"{"errcode":0,"product":{"base_oem_id":0,"version":"37.12.0.10"}}"#),
        ("login", r#"{"errcode":0,"access_token":"token"}"#),
        ("getpersonalglobal", r#"{"errcode":0,"record_feature_code":"*1"}"#),
        ("getpersonal", r#"{"errcode":0,"extension":{"id":1,"number":"1000","enb_web_client":1}}"#),
        // MD5 of 1000:pbx.test:secret.
        (
            "getregisterinfo",
            r#"{"errcode":0,"registername":"1000","registerpassword":"e271e1a8c3d094b71cee495d0c5fdfcb","realm":"pbx.test"}"#,
        ),
        ("matchall", r#"{"errcode":0,"name":"Echo"}"#),
    ];
    let path = request.path_and_query.split('?').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let body = ANSWERS.iter().find(|(known, _)| *known == name).map_or(r#"{"errcode":0}"#, |(_, body)| *body);
    Ok(HttpResponse { status: 200, body: body.as_bytes().to_vec().into() })
}

fn log_in() -> Option<LoggedIn> {
    let now = Now { mono: 0, wall: 1_700_000_000_000 };
    let params = InitParams::new("ann", "signature", "https://pbx.test", [4; 32]);
    let mut login = Driven::new(Login::new(now, params).ok()?);
    let mut asked: Vec<(HttpId, HttpRequest)> = Vec::new();
    let mut done = None;
    let mut sink = |output, asked: &mut Vec<(HttpId, HttpRequest)>| match output {
        LoginOutput::Http { id, request } => asked.push((id, request)),
        LoginOutput::Done(result) => done = result.ok(),
        _ => {}
    };
    login.turn(|_| (), |output| sink(output, &mut asked));
    while let Some((id, request)) = asked.pop() {
        login.turn(|login| login.handle_http(now, id, answer(&request)), |output| sink(output, &mut asked));
    }
    done.map(|logged_in| *logged_in)
}
