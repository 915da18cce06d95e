//! The list of calls, as it is asked for and as it comes.

use offhook::{CdrOrder, CdrQuery, CdrSort, CdrStatus, PbxError};
use serde_json::json;

use crate::support::{Answer, Server, soon};

#[tokio::test]
async fn a_query_asks_for_what_it_says_and_gets_every_value() {
    let mut server = Server::start().await;
    let (operator, _subscription) = server.operator().await;
    let extension = json!({
        "ext_id": 13, "ext_num": "1001", "caller_id_name": "Bob", "photo": "bob.png", "status": "1", "presence_status": "away",
    });
    let row = json!({
        "id": 42, "date": "2026-11-26", "time": "07:30:00", "timestamp": 1_764_142_200, "number": "1001",
        "number_type": "extension", "extension": extension, "status": 3, "talk_duration": 17, "call_type": "internal",
        "uniqueid": "u-1", "disposition": "ANSWERED", "dcontext": "default", "caller_id": "1000", "clid": "Ann <1000>",
    });
    server.answer(
        "cdr/searchpersonal",
        [Answer::Json(json!({ "personal_cdr_list": [&row, { "id": 43 }], "total_number": 200 }))],
    );
    let query = CdrQuery {
        page: 2,
        size: 50,
        status: CdrStatus::Outbound,
        sort_by: CdrSort::Id,
        order_by: CdrOrder::Asc,
        filter: "10 0&1".to_owned(),
    };
    let page = soon("a page", operator.pbx.cdr_query(query)).await.expect("answered");
    let asked = server.request("cdr/searchpersonal", 1).await;
    let mut wanted = ["page=2", "page_size=50", "sort_by=id", "order_by=asc", "status=3", "number=10%200%261"];
    let mut found: Vec<&str> = asked.query.split('&').collect();
    wanted.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, wanted);

    assert_eq!((page.total_number, page.personal_cdr_list.len()), (200, 2));
    assert_eq!(serde_json::to_value(&page.personal_cdr_list[0]).expect("serialises"), row);
    assert_eq!(page.personal_cdr_list[1].extension, None);
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_not_asked() {
    let mut server = Server::start().await;
    let (operator, _subscription) = server.operator().await;
    for query in [
        CdrQuery::new(0, 10),
        CdrQuery::new(1, 0),
        CdrQuery::new(1, 1_001),
        CdrQuery { filter: "1".repeat(129), ..CdrQuery::new(1, 10) },
    ] {
        let outcome = operator.pbx.cdr_query(query).await;
        assert!(matches!(outcome, Err(PbxError::InvalidQuery { .. })), "{outcome:?}");
    }
    assert!(server.asked("cdr/searchpersonal").is_empty());
}

#[tokio::test]
async fn a_query_that_fails_says_how() {
    let mut server = Server::start().await;
    let (operator, _subscription) = server.operator().await;
    for (answer, code) in [
        (Answer::Json(json!({ "errcode": 5, "errmsg": "NO" })), -103),
        (Answer::Status(500, ""), -103),
        (Answer::Status(200, "<html>"), -103),
        (Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec()), -102),
    ] {
        server.answer("cdr/searchpersonal", [answer]);
        let error = soon("an error", operator.pbx.cdr_query(CdrQuery::new(1, 10))).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
    }
}
