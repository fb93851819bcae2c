//! WebSocket sessions: the same messages however the bytes are cut, every fault, and parsers that are lent around.

use peerhub::wire::{Incoming, Parser, Session, SessionFault};

/// What came, in words: messages lie in the input, and are compared when that is gone.
type Heard = Result<String, SessionFault>;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;

const MESSAGE_BYTES_MAX: usize = 200_000;

/// A masked frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        0..=125 => bytes.push(0x80 | payload.len() as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((payload.len() as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    bytes
}

fn words(incoming: Incoming<'_>) -> String {
    format!("{incoming:?}")
}

/// Pings and fragments are not heard.
fn heard(incoming: Result<Incoming<'_>, SessionFault>) -> Option<Heard> {
    (incoming != Ok(Incoming::Unheard)).then(|| incoming.map(words))
}

fn text(text: &str) -> Heard {
    Ok(words(Incoming::Text(text)))
}

fn binary(bytes: &[u8]) -> Heard {
    Ok(words(Incoming::Binary(bytes)))
}

/// Feeds one chunk and drains it.
fn feed(session: &mut Session, parser: Parser, chunk: &[u8], replies: &mut Vec<u8>) -> Vec<Heard> {
    let mut yielded = Vec::new();
    let mut chunk = chunk.to_vec();
    let mut feed = session.feed(parser, &mut chunk, replies);
    while let Some(incoming) = feed.next() {
        yielded.extend(heard(incoming));
    }
    assert!(feed.next().is_none(), "a drained feed stays empty");
    yielded
}

/// What a fresh session makes of the chunks: what it yields and what it replies.
fn talk(chunks: &[&[u8]]) -> (Vec<Heard>, Vec<u8>) {
    let parser = Parser::new(MESSAGE_BYTES_MAX);
    let mut session = Session::default();
    let mut replies = Vec::new();
    let mut yielded = Vec::new();
    for chunk in chunks {
        yielded.extend(feed(&mut session, parser, chunk, &mut replies));
    }
    (yielded, replies)
}

/// The code of the fault that ends what the bytes yield.
fn close_code(bytes: &[u8]) -> Option<u16> {
    match talk(&[bytes]).0.pop() {
        Some(Err(fault)) => Some(fault.close_code),
        Some(Ok(_)) | None => None,
    }
}

/// All kinds of frames, pings between fragments, and a close in the end.
fn long_talk() -> (Vec<u8>, Vec<Heard>, Vec<u8>) {
    let long = "ä".repeat(150);
    let bytes = [
        frame(FIN | TEXT, b"one"),
        frame(FIN | TEXT, b""),
        frame(FIN | PING, b"p1"),
        frame(FIN | PING, b"p2"),
        frame(FIN | BINARY, &[0, 255]),
        frame(FIN | PONG, b""),
        frame(TEXT, "a\u{e4}".as_bytes().split_at(2).0),
        frame(FIN | PING, b"p3"),
        frame(CONTINUATION, "a\u{e4}".as_bytes().split_at(2).1),
        frame(FIN | PONG, b"x"),
        frame(FIN | CONTINUATION, b"z"),
        frame(FIN | TEXT, long.as_bytes()),
        frame(BINARY, b""),
        frame(FIN | CONTINUATION, b"b"),
        frame(FIN | CLOSE, &[0x03, 0xe8, b'b', b'y', b'e']),
        frame(FIN | TEXT, b"too late"),
    ]
    .concat();
    let yielded = vec![
        text("one"),
        text(""),
        binary(&[0, 255]),
        Ok(words(Incoming::Pong)),
        Ok(words(Incoming::Pong)),
        text("aäz"),
        text(&long),
        binary(b"b"),
        Ok(words(Incoming::Close)),
    ];
    let replies = b"\x8a\x02p1\x8a\x02p2\x8a\x02p3\x88\x05\x03\xe8bye".to_vec();
    (bytes, yielded, replies)
}

#[test]
fn a_talk_reads_the_same_cut_at_every_byte() {
    let (bytes, yielded, replies) = long_talk();
    assert_eq!(talk(&[&bytes]), (yielded.clone(), replies.clone()));
    for at in 0..=bytes.len() {
        let (left, right) = bytes.split_at(at);
        assert_eq!(
            talk(&[left, right]),
            (yielded.clone(), replies.clone()),
            "cut at {at}"
        );
    }
    for step in 1..20 {
        let chunks: Vec<_> = bytes.chunks(step).collect();
        assert_eq!(
            talk(&chunks),
            (yielded.clone(), replies.clone()),
            "in steps of {step}"
        );
    }
}

#[test]
fn a_talk_reads_the_same_when_it_pauses_after_every_message() {
    let (bytes, expected, expected_replies) = long_talk();
    for piece_bytes in [7, 64, 1000, bytes.len()] {
        let parser = Parser::new(MESSAGE_BYTES_MAX);
        let mut session = Session::default();
        let (mut yielded, mut replies) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(piece_bytes) {
            let mut rest = piece.to_vec();
            while !rest.is_empty() {
                let mut feed = session.feed(parser, &mut rest, &mut replies);
                yielded.extend(feed.next().and_then(heard));
                let left = feed.pause();
                rest.drain(..rest.len() - left);
                if session.is_ended() {
                    break;
                }
            }
        }
        assert_eq!(yielded, expected, "in pieces of {piece_bytes}");
        assert_eq!(replies, expected_replies, "in pieces of {piece_bytes}");
    }
}

#[test]
fn two_sessions_in_the_middle_of_frames_do_not_mix() {
    let (bytes, yielded, replies) = long_talk();
    for step in [1, 2, 3, 7, 50] {
        let parser = Parser::new(MESSAGE_BYTES_MAX);
        let mut sessions = [Session::default(), Session::default()];
        let mut heard = [Vec::new(), Vec::new()];
        let mut replied = [Vec::new(), Vec::new()];
        // The second is one chunk behind the first, so that the two are never at the same place.
        let chunks: Vec<_> = bytes.chunks(step).collect();
        for turn in 0..=chunks.len() {
            for who in 0..2 {
                if let Some(chunk) = turn.checked_sub(who).and_then(|turn| chunks.get(turn)) {
                    let new = feed(&mut sessions[who], parser, chunk, &mut replied[who]);
                    heard[who].extend(new);
                }
            }
        }
        for who in 0..2 {
            assert_eq!(heard[who], yielded, "session {who}, steps of {step}");
            assert_eq!(replied[who], replies, "session {who}, steps of {step}");
        }
    }
}

#[test]
fn an_idle_session_holds_nothing() {
    let parser = Parser::new(MESSAGE_BYTES_MAX);
    let mut session = Session::default();
    let mut replies = Vec::new();
    let whole = frame(FIN | TEXT, &[b'a'; 1_000]);
    let fragments = [
        frame(TEXT, &[b'a'; 1_000]),
        frame(FIN | CONTINUATION, &[b'b'; 10]),
    ]
    .concat();
    for bytes in [&whole, &fragments] {
        for at in 1..bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert!(feed(&mut session, parser, left, &mut replies).is_empty());
            assert!(session.is_mid_message());
            assert!((1..10_000).contains(&session.held_bytes()));
            assert_eq!(feed(&mut session, parser, right, &mut replies).len(), 1);
            assert!(!session.is_mid_message());
            assert_eq!(session.held_bytes(), 0);
        }
    }
}

#[test]
fn memory_grows_with_the_bytes_and_not_with_the_declared_length() {
    for first in [FIN | BINARY, BINARY] {
        let parser = Parser::new(64 << 20);
        let mut session = Session::default();
        let mut replies = Vec::new();
        let mut start = vec![first, 0x80 | 127];
        start.extend((60u64 << 20).to_be_bytes());
        start.extend([1, 2, 3, 4, 5]);
        assert!(feed(&mut session, parser, &start, &mut replies).is_empty());
        assert!(
            session.held_bytes() < 200,
            "{} bytes held",
            session.held_bytes()
        );
    }
}

#[test]
fn a_large_message_comes_in_pieces_and_leaves_nothing() {
    let payload: Vec<u8> = (0..MESSAGE_BYTES_MAX).map(|index| index as u8).collect();
    let bytes = frame(FIN | BINARY, &payload);
    let parser = Parser::new(MESSAGE_BYTES_MAX);
    let mut session = Session::default();
    let mut replies = Vec::new();
    let mut yielded = Vec::new();
    for chunk in bytes.chunks(4_096) {
        yielded.extend(feed(&mut session, parser, chunk, &mut replies));
    }
    assert_eq!(yielded, [binary(&payload)]);
    assert_eq!(session.held_bytes(), 0);
    // In one piece, with a small message after it.
    let both = [bytes, frame(FIN | TEXT, b"after")].concat();
    let yielded = feed(&mut session, parser, &both, &mut replies);
    assert_eq!(yielded, [binary(&payload), text("after")]);
}

#[test]
fn faults_have_their_codes() {
    let unmasked = vec![FIN | TEXT, 1, b'a'];
    let too_long = frame(FIN | BINARY, &vec![0; MESSAGE_BYTES_MAX + 1]);
    let just_fits = frame(FIN | BINARY, &vec![0; MESSAGE_BYTES_MAX]);
    let half = vec![0; MESSAGE_BYTES_MAX / 2];
    let fragments_fit = [frame(BINARY, &half), frame(FIN | CONTINUATION, &half)].concat();
    let fragments_too_long = [
        frame(BINARY, &half),
        frame(CONTINUATION, &half),
        frame(FIN | CONTINUATION, &[0]),
    ]
    .concat();
    let cases: Vec<(&str, Vec<u8>, Option<u16>)> = vec![
        ("unmasked", unmasked, Some(1002)),
        (
            "first reserved bit",
            frame(FIN | 0x40 | TEXT, b"a"),
            Some(1002),
        ),
        (
            "second reserved bit",
            frame(FIN | 0x20 | TEXT, b"a"),
            Some(1002),
        ),
        (
            "third reserved bit",
            frame(FIN | 0x10 | TEXT, b"a"),
            Some(1002),
        ),
        ("reserved data opcode", frame(FIN | 0x3, b""), Some(1002)),
        ("reserved control opcode", frame(FIN | 0xb, b""), Some(1002)),
        ("fragmented ping", frame(PING, b""), Some(1002)),
        ("ping at the limit", frame(FIN | PING, &[0; 125]), None),
        ("ping too big", frame(FIN | PING, &[0; 126]), Some(1002)),
        ("close too big", frame(FIN | CLOSE, &[3; 126]), Some(1002)),
        (
            "close with half a code",
            frame(FIN | CLOSE, &[3]),
            Some(1002),
        ),
        (
            "close with a reason that is no UTF-8",
            frame(FIN | CLOSE, &[0x03, 0xe8, 0xff]),
            Some(1007),
        ),
        (
            "continuation of nothing",
            frame(FIN | CONTINUATION, b""),
            Some(1002),
        ),
        (
            "continuation without end of nothing",
            frame(CONTINUATION, b""),
            Some(1002),
        ),
        (
            "text within a text",
            [frame(TEXT, b"a"), frame(FIN | TEXT, b"b")].concat(),
            Some(1002),
        ),
        (
            "binary within a text",
            [frame(TEXT, b"a"), frame(BINARY, b"b")].concat(),
            Some(1002),
        ),
        ("no UTF-8", frame(FIN | TEXT, &[0xc0, 0x80]), Some(1007)),
        ("cut UTF-8", frame(FIN | TEXT, &[0xe2, 0x82]), Some(1007)),
        (
            "no UTF-8 in a fragment",
            frame(TEXT, &[b'a', 0xff]),
            Some(1007),
        ),
        (
            "cut UTF-8 in fragments",
            [frame(TEXT, &[0xe2]), frame(FIN | CONTINUATION, &[0x82])].concat(),
            Some(1007),
        ),
        ("message at the limit", just_fits, None),
        ("message too big", too_long, Some(1009)),
        ("fragments at the limit", fragments_fit, None),
        ("fragments too big", fragments_too_long, Some(1009)),
    ];
    for (what, bytes, code) in cases {
        assert_eq!(close_code(&bytes), code, "{what}");
        // What came before a fault is yielded, and nothing after it.
        let (yielded, _) = talk(&[
            &frame(FIN | TEXT, b"before"),
            &bytes,
            &frame(FIN | TEXT, b"after"),
        ]);
        assert_eq!(yielded[0], text("before"), "{what}");
        assert_eq!(yielded.contains(&text("after")), code.is_none(), "{what}");
        let run = [
            frame(FIN | TEXT, b"before"),
            bytes,
            frame(FIN | TEXT, b"after"),
        ]
        .concat();
        assert_eq!(talk(&[&run]).0, yielded, "{what}");
    }
}

#[test]
fn a_bad_header_faults_before_its_payload() {
    let too_long = [
        &[FIN | TEXT, 0x80 | 127][..],
        &u64::MAX.to_be_bytes(),
        &[1, 2, 3, 4],
    ]
    .concat();
    // The first fragment leaves room for less than the second declares.
    let second_too_long = [
        &frame(BINARY, &[0; 10])[..],
        &[FIN | CONTINUATION, 0x80 | 127],
        &(MESSAGE_BYTES_MAX as u64 - 9).to_be_bytes(),
        &[1, 2, 3, 4],
    ]
    .concat();
    let cases: [(&[u8], u16); 5] = [
        (&too_long, 1009),
        (&second_too_long, 1009),
        (&[FIN | TEXT, 100], 1002),
        (&[FIN | 0x40 | TEXT, 0x80 | 100, 1, 2, 3, 4], 1002),
        (&[PING, 0x80 | 100, 1, 2, 3, 4], 1002),
    ];
    for (header, code) in cases {
        assert_eq!(close_code(header), Some(code));
    }
}

/// A text whose first or only frame trickles in: the first of them that cannot be UTF-8 is the last that is read, wherever it
/// lies between the pieces in which the text is looked at.
#[test]
fn a_text_that_trickles_in_is_no_longer_read_than_it_is_utf_8() {
    for (good, bad) in [
        ("", &b"\xff"[..]),
        ("\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}", b"\xf4\x90"),
        (&"\u{1f600}x".repeat(300), b"\xed\xa0"),
        (&"a".repeat(510), b"\xe2\x28"),
    ] {
        let payload = [good.as_bytes(), bad, b"\x80 and so on"].concat();
        let (whole, fragment) = (frame(FIN | TEXT, &payload), frame(TEXT, &payload));
        let header_bytes = whole.len() - payload.len();
        let end = header_bytes + good.len() + bad.len();
        let steps = [1, 2, 3, 7, 512, end].into_iter();
        for (step, bytes) in steps.flat_map(|step| [(step, &whole), (step, &fragment)]) {
            let mut session = Session::default();
            let parser = Parser::new(MESSAGE_BYTES_MAX);
            let mut fed_bytes = 0;
            let fault = loop {
                let chunk = &bytes[fed_bytes..bytes.len().min(fed_bytes + step)];
                fed_bytes += chunk.len();
                if let Some(heard) = feed(&mut session, parser, chunk, &mut Vec::new()).pop() {
                    break heard.expect_err("no message is whole");
                }
            };
            assert_eq!(fault.close_code, 1007);
            assert!(fed_bytes >= end && fed_bytes < end + step, "{step}");
            assert_eq!(session.held_bytes(), 0);
        }
        let binary = frame(FIN | BINARY, &payload);
        let chunks: Vec<&[u8]> = binary.chunks(7).collect();
        assert_eq!(talk(&chunks).0.len(), 1, "binary frames may hold anything");
    }
}

#[test]
fn a_fault_does_not_reach_the_next_session() {
    let parser = Parser::new(MESSAGE_BYTES_MAX);
    let mut replies = Vec::new();
    let bad = [
        frame(FIN | TEXT, &[0xff]),
        frame(FIN | TEXT, b"of the bad one"),
    ]
    .concat();
    let mut offender = Session::default();
    let yielded = feed(&mut offender, parser, &bad, &mut replies);
    assert_eq!(yielded.len(), 1);
    assert!(offender.is_ended());
    let mut other = Session::default();
    let good = frame(FIN | TEXT, b"good");
    assert_eq!(
        feed(&mut other, parser, &good, &mut replies),
        [text("good")]
    );
    assert!(feed(&mut offender, parser, &good, &mut replies).is_empty());
}

#[test]
fn a_pong_is_there_when_the_input_is_used_up() {
    let parser = Parser::new(MESSAGE_BYTES_MAX);
    let mut pinger = Session::default();
    let mut replies = Vec::new();
    let ping = frame(FIN | PING, b"mine");
    for chunks in [vec![&ping[..]], ping.chunks(4).collect()] {
        replies.clear();
        for chunk in chunks {
            assert!(feed(&mut pinger, parser, chunk, &mut replies).is_empty());
        }
        assert_eq!(replies, b"\x8a\x04mine");
        let mut other_replies = Vec::new();
        let good = frame(FIN | TEXT, b"good");
        feed(&mut Session::default(), parser, &good, &mut other_replies);
        assert!(other_replies.is_empty());
    }
}

#[test]
fn a_dropped_feed_ends_its_session_and_no_other() {
    let parser = Parser::new(MESSAGE_BYTES_MAX);
    let mut replies = Vec::new();
    let mut bytes = frame(FIN | TEXT, b"again").repeat(5);
    let mut impatient = Session::default();
    let mut first = impatient.feed(parser, &mut bytes, &mut replies);
    assert_eq!(first.next(), Some(Ok(Incoming::Text("again"))));
    drop(first);
    assert!(impatient.is_ended());
    let mut other = Session::default();
    let good = frame(FIN | TEXT, b"good");
    assert_eq!(
        feed(&mut other, parser, &good, &mut replies),
        [text("good")]
    );
}

#[test]
fn closes_are_answered_by_the_rules() {
    let cases: [(&[u8], &[u8]); 6] = [
        (b"", b"\x88\x00"),
        (b"\x03\xe8", b"\x88\x02\x03\xe8"),
        (b"\x0f\xa0bye", b"\x88\x05\x0f\xa0bye"),
        // Codes that may not be sent are answered as protocol errors.
        (b"\x03\xed", b"\x88\x14\x03\xeaProtocol violation"),
        (b"\x03\xee", b"\x88\x14\x03\xeaProtocol violation"),
        (b"\x00\x00", b"\x88\x14\x03\xeaProtocol violation"),
    ];
    for (payload, reply) in cases {
        let (yielded, replies) = talk(&[&frame(FIN | CLOSE, payload)]);
        assert_eq!(yielded, [Ok(words(Incoming::Close))]);
        assert_eq!(replies, reply);
    }
}

#[test]
fn a_close_in_the_middle_of_a_message_gives_its_memory_back() {
    let parser = Parser::new(MESSAGE_BYTES_MAX);
    let mut session = Session::default();
    let mut replies = Vec::new();
    let bytes = [frame(TEXT, b"never finished"), frame(FIN | CLOSE, b"")].concat();
    let yielded = feed(&mut session, parser, &bytes, &mut replies);
    assert_eq!(yielded, [Ok(words(Incoming::Close))]);
    assert_eq!(session.held_bytes(), 0);
}

#[test]
fn nothing_follows_a_close_of_ours() {
    let parser = Parser::new(MESSAGE_BYTES_MAX);
    let mut session = Session::default();
    let mut replies = vec![0x88, 0];
    session.stop_replies();
    let bytes = [
        frame(FIN | PING, b"?"),
        frame(FIN | TEXT, b"on its way"),
        frame(FIN | CLOSE, b""),
    ]
    .concat();
    let yielded = feed(&mut session, parser, &bytes, &mut replies);
    assert_eq!(yielded, [text("on its way"), Ok(words(Incoming::Close))]);
    assert_eq!(replies, [0x88, 0]);
}

#[test]
fn random_bytes_never_panic_and_read_the_same_in_pieces() {
    // A xorshift generator: any seed but zero.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut faults = 0;
    let mut messages = 0;
    for round in 0..2_000 {
        let mut bytes = Vec::new();
        for _ in 0..random() % 6 {
            let payload: Vec<u8> = (0..random() % 200).map(|_| random() as u8 & 0x7f).collect();
            let first = [
                FIN | TEXT,
                FIN | PING,
                TEXT,
                FIN | CONTINUATION,
                CONTINUATION,
                FIN | BINARY,
            ][(random() % 6) as usize];
            bytes.extend(frame(first, &payload));
        }
        if round % 2 == 0 && !bytes.is_empty() {
            let at = random() as usize % bytes.len();
            bytes[at] = random() as u8;
        }
        let whole = talk(&[&bytes]);
        faults += whole.0.iter().filter(|found| found.is_err()).count();
        messages += whole.0.iter().filter(|found| found.is_ok()).count();
        let mut chunks = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((1 + random() as usize % 40).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        assert_eq!(talk(&chunks), whole, "round {round}: {bytes:02x?}");
    }
    assert!(faults > 100 && messages > 100, "{faults} and {messages}");
}

#[test]
fn every_frame_is_told_of() {
    let mut bytes = [
        frame(FIN | PING, b"p"),
        frame(TEXT, b"a"),
        frame(CONTINUATION, b""),
        frame(FIN | PING, b""),
        frame(FIN | CONTINUATION, b"b"),
    ]
    .concat();
    let (mut session, mut replies) = (Session::default(), Vec::new());
    let mut feed = session.feed(Parser::new(MESSAGE_BYTES_MAX), &mut bytes, &mut replies);
    for _ in 0..4 {
        assert_eq!(feed.next(), Some(Ok(Incoming::Unheard)));
    }
    assert_eq!(feed.next(), Some(Ok(Incoming::Text("ab"))));
    assert_eq!(feed.next(), None);
}
