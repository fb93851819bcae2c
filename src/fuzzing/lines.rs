//! Any bytes as lines: the same lines however the bytes are cut and wherever the reading pauses, which are those that a
//! naive twin finds in the whole; and never more memory than one line may have.

use crate::wire::{LineTooLong, Lines};

/// The first byte of `data` seeds cuts and pauses, the second is the bound, the rest is what the peer sends.
///
/// # Panics
/// If the lines are not the twin's, or more is held than may be.
pub fn run(data: &[u8]) {
    let [seed, bound, bytes @ ..] = data else {
        return;
    };
    let (bytes, line_bytes_max) = (bytes.to_vec(), usize::from(bound % 32));
    let expected = twin(&bytes, line_bytes_max);
    let whole = talk(&bytes, line_bytes_max, || usize::MAX, || false);
    assert_eq!(whole, expected);
    for cut_bytes in [1, 2, 3] {
        assert_eq!(
            talk(&bytes, line_bytes_max, || cut_bytes, || false),
            expected
        );
    }
    let state = std::cell::Cell::new(u64::from(*seed) << 1 | 1);
    let chance = || {
        // Knuth's multiplier for a linear congruential generator; the upper bits are the random ones.
        let next = state
            .get()
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.set(next);
        (next >> 33) as usize
    };
    let cut = talk(
        &bytes,
        line_bytes_max,
        || 1 + chance() % 64,
        || chance() % 2 == 0,
    );
    assert_eq!(cut, expected);
}

type Line = Result<Vec<u8>, LineTooLong>;

/// The lines, out of the whole at once.
fn twin(bytes: &[u8], line_bytes_max: usize) -> Vec<Line> {
    let mut pieces: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let unfinished = pieces.pop().expect("a split has a last part");
    let mut lines = Vec::new();
    for piece in pieces {
        let line = piece.strip_suffix(b"\r").unwrap_or(piece);
        if line.len() > line_bytes_max {
            lines.push(Err(LineTooLong));
            return lines;
        }
        if !line.is_empty() {
            lines.push(Ok(line.to_vec()));
        }
    }
    // One more may be the carriage return of its end.
    if unfinished.len() > line_bytes_max + 1 {
        lines.push(Err(LineTooLong));
    }
    lines
}

/// The lines out of pieces of such sizes, with a pause after a line where `pauses` says so.
fn talk(
    bytes: &[u8],
    line_bytes_max: usize,
    piece_bytes: impl Fn() -> usize,
    pauses: impl Fn() -> bool,
) -> Vec<Line> {
    let mut lines = Lines::default();
    let mut heard = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(piece_bytes().min(rest.len()));
        let mut feed = lines.feed(piece, line_bytes_max);
        let mut left = 0;
        while let Some(line) = feed.next() {
            let is_error = line.is_err();
            heard.push(line.map(|line| line.into_owned()));
            if is_error {
                assert_eq!(lines.held_bytes(), 0, "the line is forgotten");
                return heard;
            }
            if pauses() {
                left = feed.pause();
                break;
            }
        }
        assert!(lines.held_bytes() <= line_bytes_max + 1);
        rest = &rest[piece.len() - left..];
        assert!(left > 0 || rest.len() == after.len());
    }
    heard
}
