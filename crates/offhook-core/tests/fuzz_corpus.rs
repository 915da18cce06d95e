//! The fuzz target's corpus, as an ordinary test.

#[path = "../../../fuzz/harness/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/harness/script.rs"]
mod script;
#[path = "../../../fuzz/harness/sip_phone_input.rs"]
mod sip_phone_input;

#[test]
fn the_phone_survives_its_corpus() {
    let established = corpus::each("sip_phone_input", sip_phone_input::run);
    assert!(established.len() >= 75);
    // Without this the scripts could be refused at their first line and prove nothing.
    assert!(established.iter().sum::<usize>() >= 20, "{established:?}");
}
