//! Lines out of bytes: the same lines however the bytes are cut, bounds, pauses, and memory that stays within them.

use peerhub::wire::{LineTooLong, Lines};
use std::borrow::Cow;

type Line = Result<String, LineTooLong>;

fn owned(line: Result<Cow<'_, [u8]>, LineTooLong>) -> Line {
    line.map(|line| String::from_utf8(line.into_owned()).expect("the lines are ASCII"))
}

/// All lines out of these pieces, up to the first error.
fn lines_of(pieces: &[&[u8]], line_bytes_max: usize) -> Vec<Line> {
    let mut lines = Lines::default();
    let mut heard = Vec::new();
    for piece in pieces {
        let mut feed = lines.feed(piece, line_bytes_max);
        while let Some(line) = feed.next() {
            heard.push(owned(line));
            if line_was_too_long(&heard) {
                return heard;
            }
        }
    }
    heard
}

fn line_was_too_long(heard: &[Line]) -> bool {
    heard.last() == Some(&Err(LineTooLong))
}

/// Expects these lines however the bytes are cut: whole, at every place, and everywhere.
fn expect(bytes: &[u8], line_bytes_max: usize, expected: &[Result<&str, LineTooLong>]) {
    let expected: Vec<Line> = expected
        .iter()
        .map(|line| line.map(str::to_owned))
        .collect();
    let shown = String::from_utf8_lossy(bytes);
    assert_eq!(lines_of(&[bytes], line_bytes_max), expected, "{shown:?}");
    for at in 0..=bytes.len() {
        let (one, other) = bytes.split_at(at);
        let heard = lines_of(&[one, other], line_bytes_max);
        assert_eq!(heard, expected, "{shown:?} cut at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(lines_of(&single, line_bytes_max), expected, "{shown:?}");
}

#[test]
fn lines_end_with_lf_or_cr_lf() {
    expect(b"", 10, &[]);
    expect(b"one\n", 10, &[Ok("one")]);
    expect(
        b"one\r\ntwo\nthree\r\n",
        10,
        &[Ok("one"), Ok("two"), Ok("three")],
    );
    expect(b"one\nunfinished", 10, &[Ok("one")]);
}

#[test]
fn empty_lines_are_no_messages() {
    expect(b"\n\r\n\n\none\n\r\n\ntwo\n\n", 10, &[Ok("one"), Ok("two")]);
}

#[test]
fn one_carriage_return_belongs_to_the_end() {
    expect(b"a\rb\n", 10, &[Ok("a\rb")]);
    expect(b"a\r\r\n", 10, &[Ok("a\r")]);
    expect(b"\ra\n\r\r\n", 10, &[Ok("\ra"), Ok("\r")]);
}

#[test]
fn the_bound_counts_a_line_without_its_end() {
    expect(
        b"12345\n12345\r\n1\n",
        5,
        &[Ok("12345"), Ok("12345"), Ok("1")],
    );
    expect(b"123456\n1\n", 5, &[Err(LineTooLong)]);
    expect(b"1\n123456\r\n1\n", 5, &[Ok("1"), Err(LineTooLong)]);
    // Six bytes may still be five and the first half of the end.
    expect(b"12345\r", 5, &[]);
    expect(b"12345\r\r\n", 5, &[Err(LineTooLong)]);
    expect(b"1234567", 5, &[Err(LineTooLong)]);
}

#[test]
fn a_pause_leaves_the_rest_to_be_fed_again() {
    let bytes = b"one\ntwo\r\n\nthree\nunfinished";
    let mut lines = Lines::default();
    let mut heard = Vec::new();
    let mut rest = &bytes[..];
    let mut pauses = Vec::new();
    loop {
        let mut feed = lines.feed(rest, 100);
        let Some(line) = feed.next() else { break };
        heard.push(owned(line).expect("no line is too long"));
        let left = feed.pause();
        pauses.push(left);
        rest = &rest[rest.len() - left..];
    }
    assert_eq!(heard, ["one", "two", "three"]);
    assert_eq!(
        pauses,
        [bytes.len() - 4, bytes.len() - 9, "unfinished".len()]
    );
    let mut feed = lines.feed(b" no more\n", 100);
    let last = owned(feed.next().expect("the line is whole"));
    assert_eq!(last, Ok("unfinished no more".to_owned()));
}

#[test]
fn between_two_lines_nothing_is_held() {
    let mut lines = Lines::default();
    assert_eq!(lines.held_bytes(), 0);
    for (piece, count, holds) in [
        ("{\"a\":", 0, true),
        ("1}\n{}\n", 2, false),
        ("{}\r", 0, true),
        ("\n", 1, false),
    ] {
        let mut feed = lines.feed(piece.as_bytes(), 100);
        let heard = std::iter::from_fn(|| feed.next())
            .filter(Result::is_ok)
            .count();
        assert_eq!(heard, count, "{piece:?}");
        assert_eq!(lines.held_bytes() > 0, holds, "{piece:?}");
    }
}

#[test]
fn an_endless_line_holds_no_more_than_the_bound() {
    let line_bytes_max = 1_000_000;
    let mut lines = Lines::default();
    let piece = [b'x'; 777];
    let mut fed_bytes = 0;
    let mut growths = 0;
    let mut held_bytes = 0;
    loop {
        fed_bytes += piece.len();
        let mut feed = lines.feed(&piece, line_bytes_max);
        match feed.next() {
            None => {}
            Some(line) => {
                assert_eq!(line, Err(LineTooLong));
                break;
            }
        }
        assert!(lines.held_bytes() <= line_bytes_max + 1);
        if lines.held_bytes() > held_bytes {
            held_bytes = lines.held_bytes();
            growths += 1;
        }
    }
    assert!(fed_bytes > line_bytes_max + 1 && fed_bytes <= line_bytes_max + 1 + piece.len());
    assert_eq!(lines.held_bytes(), 0, "what was too long is forgotten");
    // 777 bytes doubled until they are a million: its bytes are copied a bounded number of times.
    assert!(growths <= 12, "{growths} times");
}

#[test]
fn without_a_bound_that_matters_any_line_passes() {
    expect(b"one\n", usize::MAX, &[Ok("one")]);
}
