//! The fuzz targets' corpora, as ordinary tests.

#[path = "../../../fuzz/harness/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/harness/pbx_input.rs"]
mod pbx_input;
#[path = "../../../fuzz/harness/script.rs"]
mod script;

#[test]
fn the_server_survives_its_corpus() {
    let established = corpus::each("pbx_input", pbx_input::run);
    assert!(established.len() >= 70);
    // Without this the scripts could be refused at their first line and prove nothing.
    assert!(established.iter().sum::<usize>() >= 19, "{established:?}");
}

#[test]
fn scripts_take_tags_from_what_was_sent() {
    use script::Step::{Command, Message, Wait};

    let sent = "SIP/2.0 200 OK\r\nTo: <sip:3@pbx.test>;tag=abc\r\n\r\n";
    let filled = script::fill_in(b"To: {To}\r\nX: {To;tag} {Nothing} {", sent);
    assert_eq!(filled, b"To: <sip:3@pbx.test>;tag=abc\r\nX: abc {Nothing} {");

    let steps = script::steps(b"A\r\n%% wait 5\r\nB\r\n%%\r\n%% do 2\r\n%% nonsense\r\n");
    assert_eq!(steps, [Message(b"A\r\n".to_vec()), Wait(5), Message(b"B\r\n".to_vec()), Command(2)]);
}
