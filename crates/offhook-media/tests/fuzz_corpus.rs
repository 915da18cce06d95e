//! The fuzz targets' corpora, as ordinary tests.

#[path = "../../../fuzz/harness/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/harness/sdp.rs"]
mod sdp;

#[test]
fn offers_are_answered_or_refused() {
    assert!(corpus::each("sdp_offer", sdp::offer).len() >= 30);
}

#[test]
fn answers_are_applied_or_refused() {
    assert!(corpus::each("sdp_answer", sdp::answer).len() >= 20);
}
