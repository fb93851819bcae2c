//! Any bytes as a request head: no panic, no head before its last byte, and no answer that is not HTTP itself.

use crate::wire::{Response, Upgrade, parse_head};

/// Reads `data` as a request head, whole and in every prefix.
pub fn run(data: &[u8]) {
    // Every prefix is tried: more would only cost time.
    let data = &data[..data.len().min(2_048)];
    let max_bytes = 1_024;
    match parse_head(data, max_bytes) {
        Ok(None) => assert!(data.len() < max_bytes),
        Ok(Some((head, head_bytes))) => {
            assert!(head_bytes <= data.len() && head_bytes <= max_bytes);
            for end in 0..head_bytes {
                assert!(
                    matches!(parse_head(&data[..end], max_bytes), Ok(None)),
                    "a head was taken for whole or bad before its end"
                );
            }
            let length = head.content_length();
            assert!(length.is_ok() || !head.keep_alive());
            match head.upgrade() {
                Upgrade::No => {}
                Upgrade::WebSocket(request) => {
                    let mut answer = Vec::new();
                    request.answer(&mut answer);
                    check_answer(&answer, 101, 0);
                }
                Upgrade::Refused(fault) => check(&fault.response()),
            }
        }
        Err(fault) => check(&fault.response()),
    }
}

fn check(response: &Response) {
    let mut answer = Vec::new();
    response.write(&mut answer, false, false, None);
    check_answer(&answer, response.status, response.body.len());
}

/// Asserts that the answer is one head, as httparse sees it, and a body of the given size.
fn check_answer(answer: &[u8], status: u16, body_bytes: usize) {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(answer);
    assert_eq!(
        parsed,
        Ok(httparse::Status::Complete(answer.len() - body_bytes))
    );
    assert_eq!(response.code, Some(status));
}
