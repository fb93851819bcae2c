//! Any bytes as WebSocket frames: no panic, and the same messages, faults and replies however the bytes are cut.

use crate::wire::{Parser, Session, SessionFault};

/// The first byte of `data` seeds the cuts, the rest is what the peer sends.
pub fn run(data: &[u8]) {
    let Some((&seed, bytes)) = data.split_first() else {
        return;
    };
    let parser = Parser::new(MESSAGE_BYTES_MAX);
    let whole = talk(parser, std::iter::once(bytes));

    let mut cut_state = u64::from(seed) << 1 | 1;
    let mut rest = bytes;
    let cuts = std::iter::from_fn(|| {
        if rest.is_empty() {
            return None;
        }
        // Knuth's multiplier for a linear congruential generator; the upper bits are the random ones.
        cut_state = cut_state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let longest = if seed & 1 == 0 { 4 } else { 64 };
        let chunk_bytes = 1 + (cut_state >> 33) as usize % longest;
        let (chunk, after) = rest.split_at(chunk_bytes.min(rest.len()));
        rest = after;
        Some(chunk)
    });
    let cut = talk(parser, cuts);
    assert_eq!(whole, cut);
}

/// Everything that a session makes of the chunks, in words: messages lie in the input.
fn talk<'a>(
    parser: Parser,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Result<String, SessionFault>>, Vec<u8>) {
    let mut session = Session::default();
    let mut yielded = Vec::new();
    let mut replies = Vec::new();
    let mut fed_bytes = 0;
    for chunk in chunks {
        fed_bytes += chunk.len();
        let mut chunk = chunk.to_vec();
        let mut feed = session.feed(parser, &mut chunk, &mut replies);
        while let Some(incoming) = feed.next() {
            yielded.push(incoming.map(|incoming| format!("{incoming:?}")));
        }
        drop(feed);
        assert!(session.held_bytes() <= 4 * fed_bytes + SESSION_OVERHEAD_BYTES);
        assert!(session.is_mid_message() || session.held_bytes() == 0);
    }
    (yielded, replies)
}

/// Low, so that the bound is met often.
const MESSAGE_BYTES_MAX: usize = 300;

/// The boxes and the small read buffer of a session that joins fragments.
const SESSION_OVERHEAD_BYTES: usize = 2_048;
