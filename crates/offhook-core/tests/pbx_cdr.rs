//! Asking for the list of calls.

mod common;

use common::pbx::{Answer, query_of};
use common::{A, World};
use offhook_core::pbx::{CdrOrder, CdrPage, CdrQuery, CdrSort, CdrStatus, HttpFailure, PbxError};
use serde_json::{Value, json};

fn ask(world: &mut World, query: CdrQuery) -> Result<CdrPage, PbxError> {
    let command = world.act(A, |phone, now| phone.cdr_query(now, query))?;
    world.run(20_000);
    let (answered, result) = world.of_pbx().cdrs.pop().expect("answered");
    assert_eq!(answered, command);
    result
}

#[test]
fn every_part_of_a_query_is_sent() {
    let mut world = World::with_pbx(|_| {});
    ask(&mut world, CdrQuery::new(1, 20)).expect("asks");
    let sent = query_of(world.api.last("cdr/searchpersonal"));
    assert_eq!(sent, "page=1&page_size=20&sort_by=time&order_by=desc&status=0");
    let query = CdrQuery {
        status: CdrStatus::Missed,
        sort_by: CdrSort::Id,
        order_by: CdrOrder::Asc,
        filter: "a&b=1 é".to_owned(),
        ..CdrQuery::new(7, 1_000)
    };
    ask(&mut world, query).expect("asks");
    let sent = query_of(world.api.last("cdr/searchpersonal"));
    assert_eq!(sent, "page=7&page_size=1000&sort_by=id&order_by=asc&status=2&number=a%26b%3D1%20%C3%A9");
    for (status, number) in [(CdrStatus::Inbound, 1), (CdrStatus::Outbound, 3)] {
        ask(&mut world, CdrQuery { status, ..CdrQuery::new(1, 1) }).expect("asks");
        assert!(query_of(world.api.last("cdr/searchpersonal")).ends_with(&format!("status={number}")));
        assert_eq!(CdrStatus::from_number(number), Some(status));
    }
}

#[test]
fn a_query_that_makes_no_sense_is_refused() {
    let mut world = World::with_pbx(|_| {});
    let filter = "x".repeat(129);
    let bad = [
        CdrQuery::new(0, 20),
        CdrQuery::new(1, 0),
        CdrQuery::new(1, 1_001),
        CdrQuery { filter, ..CdrQuery::new(1, 1) },
    ];
    for query in bad {
        assert!(matches!(ask(&mut world, query), Err(PbxError::InvalidQuery { .. })));
    }
    assert_eq!(world.api.count("cdr/searchpersonal"), 0);
}

#[test]
fn rows_are_typed_and_strings_are_taken_for_numbers() {
    let mut world = World::with_pbx(|_| {});
    let row = json!({
        "id": "12", "date": "2023-11-14", "time": "22:13:20", "timestamp": "1700000000", "number": 1001,
        "number_type": "extension", "status": "3", "talk_duration": "42", "call_type": "Internal",
        "uniqueid": "u-1", "disposition": "ANSWERED", "dcontext": "DLPN", "caller_id": "1000", "clid": "\"Ann\" <1000>",
        "extension": {
            "ext_id": 5, "ext_num": "1001", "caller_id_name": "Bob", "photo": "b.png", "status": 1,
            "presence_status": "available",
        },
    });
    let list = json!([row, 7, null, {}]);
    world.api.set("cdr/searchpersonal", json!({"errcode": 0, "personal_cdr_list": list, "total_number": "99"}));
    let page = ask(&mut world, CdrQuery::new(1, 20)).expect("answers");
    assert_eq!((page.total_number, page.personal_cdr_list.len()), (99, 2));
    // Every field, in its type, under the name that the contract has for it.
    let read = json!({
        "id": 12, "date": "2023-11-14", "time": "22:13:20", "timestamp": 1_700_000_000, "number": "1001",
        "number_type": "extension", "status": 3, "talk_duration": 42, "call_type": "Internal",
        "uniqueid": "u-1", "disposition": "ANSWERED", "dcontext": "DLPN", "caller_id": "1000", "clid": "\"Ann\" <1000>",
        "extension": {
            "ext_id": 5, "ext_num": "1001", "caller_id_name": "Bob", "photo": "b.png", "status": "1",
            "presence_status": "available",
        },
    });
    assert_eq!(serde_json::to_value(&page.personal_cdr_list[0]).expect("serialises"), read);
    assert_eq!(page.personal_cdr_list[1], Default::default(), "an empty row");
}

#[test]
fn no_more_rows_are_taken_than_were_asked_for() {
    let mut world = World::with_pbx(|_| {});
    let rows: Vec<Value> = (0..50).map(|id| json!({"id": id})).collect();
    world.api.set("cdr/searchpersonal", json!({"errcode": 0, "personal_cdr_list": rows}));
    let page = ask(&mut world, CdrQuery::new(1, 10)).expect("answers");
    assert_eq!((page.personal_cdr_list.len(), page.total_number), (10, 10));
}

#[test]
fn failures_are_typed() {
    let mut world = World::with_pbx(|_| {});
    world.api.set("cdr/searchpersonal", json!({"errcode": 60001, "errmsg": "NO"}));
    assert_eq!(ask(&mut world, CdrQuery::new(1, 1)).map_err(|e| e.code()), Err(-103));
    world.api.fail("cdr/searchpersonal", HttpFailure::TooLarge);
    assert_eq!(ask(&mut world, CdrQuery::new(1, 1)).map_err(|e| e.code()), Err(-102));
    world.api.answers.insert("cdr/searchpersonal".to_owned(), Answer::Never);
    assert_eq!(ask(&mut world, CdrQuery::new(1, 1)).map_err(|e| e.code()), Err(-102));
    world.api.answers.insert("cdr/searchpersonal".to_owned(), Answer::Raw(200, b"<html>".to_vec()));
    assert_eq!(ask(&mut world, CdrQuery::new(1, 1)).map_err(|e| e.code()), Err(-103));
    let empty = json!({"errcode": 0, "personal_cdr_list": "none"});
    world.api.set("cdr/searchpersonal", empty);
    assert_eq!(ask(&mut world, CdrQuery::new(1, 1)).map(|page| page.personal_cdr_list.len()), Ok(0));
}

#[test]
fn queries_that_wait_are_bounded_and_each_is_answered() {
    let mut world = World::with_pbx(|_| {});
    let asked: Vec<_> = (0..20).map(|_| world.act(A, |phone, now| phone.cdr_query(now, CdrQuery::new(1, 1)))).collect();
    assert_eq!(asked.iter().filter(|result| result.is_ok()).count(), 16);
    world.run(1_000);
    assert_eq!(world.of_pbx().cdrs.len(), 16);
    ask(&mut world, CdrQuery::new(1, 1)).expect("there is room again");
}
