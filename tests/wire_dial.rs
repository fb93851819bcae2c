//! The client's side of a WebSocket: the answer to a handshake, and frames of a server, cut at every byte.

mod support;

use peerhub::wire::dial::{DialFault, Target, read_answer};
use peerhub::wire::{Incoming, Parser, Session, SessionFault};
use support::Dice;
use support::test_peer::server_frame;
use tungstenite::handshake::derive_accept_key;

/// The nonce of the example in RFC 6455 section 1.3.
const NONCE: [u8; 16] = *b"the sample nonce";

fn answer() -> String {
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        .into()
}

#[test]
fn a_request_is_what_a_server_takes() {
    let target = Target::parse("ws://[::1]:8000/a?b=c").expect("a URL");
    let mut request = Vec::new();
    target.write_request(NONCE, &mut request);
    let request = String::from_utf8(request).expect("ASCII");
    assert!(
        request.starts_with("GET /a?b=c HTTP/1.1\r\nHost: [::1]:8000\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        "{request}"
    );
    // Judged by the hub's own other half.
    let (head, bytes) = peerhub::wire::parse_head(request.as_bytes(), 4096)
        .expect("a sound request")
        .expect("a whole one");
    assert_eq!(bytes, request.len());
    let peerhub::wire::Upgrade::WebSocket(handshake) = head.upgrade() else {
        panic!("no handshake: {request}");
    };
    assert_eq!(
        handshake.accept,
        derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==")
    );
    let mut answer = Vec::new();
    handshake.answer(&mut answer);
    assert_eq!(read_answer(&answer, NONCE, 4096), Ok(Some(answer.len())));
}

#[test]
fn an_answer_is_whole_at_its_last_byte() {
    let answer = answer();
    let more = format!("{answer}more");
    for bytes in 0..answer.len() {
        assert_eq!(
            read_answer(&answer.as_bytes()[..bytes], NONCE, 4096),
            Ok(None),
            "{bytes}"
        );
    }
    for bytes in answer.len()..=more.len() {
        let read = read_answer(&more.as_bytes()[..bytes], NONCE, 4096);
        assert_eq!(read, Ok(Some(answer.len())), "{bytes}");
    }
}

#[test]
fn answers_that_open_nothing() {
    let answer = answer();
    let cases = [
        ("HTTP/1.1 101", "HTTP/1.1 200", DialFault::Status(200)),
        ("HTTP/1.1 101", "HTTP/1.1 503", DialFault::Status(503)),
        ("HTTP/1.1 101", "HTTP/2 101", DialFault::NotHttp),
        ("HTTP/1.1 101", "HTTP/1.1 1o1", DialFault::NotHttp),
        ("HTTP/1.1", "SSH-2.0", DialFault::NotHttp),
        ("Upgrade: WebSocket", "Upgrade: h2c", DialFault::Handshake),
        ("keep-alive, Upgrade", "keep-alive", DialFault::Handshake),
        ("xOo=", "xOp=", DialFault::Handshake),
        ("Sec-WebSocket-Accept", "X-Accept", DialFault::Handshake),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Accept: x\r\n\r\n",
            DialFault::Handshake,
        ),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Protocol: x\r\n\r\n",
            DialFault::Handshake,
        ),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Extensions: x\r\n\r\n",
            DialFault::Handshake,
        ),
        ("\r\n\r\n", "\r\n: x\r\n\r\n", DialFault::NotHttp),
    ];
    for (from, to, fault) in cases {
        let other = answer.replacen(from, to, 1);
        assert_ne!(other, answer);
        assert_eq!(
            read_answer(other.as_bytes(), NONCE, 4096),
            Err(fault),
            "{to:?}"
        );
    }
    let harmless = answer.replacen(
        "\r\n\r\n",
        "\r\nServer: x\r\nSec-WebSocket-Extensions: \r\n\r\n",
        1,
    );
    assert_eq!(
        read_answer(harmless.as_bytes(), NONCE, 4096),
        Ok(Some(harmless.len()))
    );
}

#[test]
fn a_head_is_bounded() {
    let answer = answer();
    let bytes = answer.as_bytes();
    assert_eq!(
        read_answer(bytes, NONCE, bytes.len()),
        Ok(Some(bytes.len()))
    );
    assert_eq!(
        read_answer(bytes, NONCE, bytes.len() - 1),
        Err(DialFault::NotHttp)
    );
    assert_eq!(read_answer(&bytes[..99], NONCE, 100), Ok(None));
    assert_eq!(
        read_answer(&bytes[..100], NONCE, 100),
        Err(DialFault::NotHttp)
    );
    let fields = "A: b\r\n".repeat(70);
    let many = answer.replacen("\r\n\r\n", &format!("\r\n{fields}\r\n"), 1);
    assert_eq!(
        read_answer(many.as_bytes(), NONCE, 4096),
        Err(DialFault::NotHttp)
    );
}

#[test]
fn any_bytes_are_an_answer_or_not() {
    let answer = answer();
    support::for_each_seed(2_000, |dice| {
        let mut bytes = answer.clone().into_bytes();
        for _ in 0..1 + dice.below(4) {
            let place = dice.below(bytes.len() as u64) as usize;
            bytes[place] = dice.below(256) as u8;
        }
        if let Ok(Some(head_bytes)) = read_answer(&bytes, NONCE, 4096) {
            assert!(head_bytes <= bytes.len());
        }
    });
}

/// What came, in words: messages lie in the input, and are compared when that is gone.
fn words(incoming: Incoming<'_>) -> String {
    format!("{incoming:?}")
}

/// What comes out of this input in pieces of these sizes, and what is replied, unmasked.
fn read(
    input: &[u8],
    cuts: impl Fn(usize) -> usize,
) -> (Vec<Result<String, SessionFault>>, Vec<Vec<u8>>) {
    let (parser, mut session) = (Parser::for_client(1_000), Session::default());
    let (mut came, mut replies) = (Vec::new(), Vec::new());
    let mut rest = input;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cuts(rest.len()).clamp(1, rest.len()));
        let mut piece = piece.to_vec();
        let mut feed = session.feed(parser, &mut piece, &mut replies);
        while let Some(incoming) = feed.next() {
            // Pings and fragments are not heard.
            if incoming != Ok(Incoming::Unheard) {
                came.push(incoming.map(words));
            }
        }
        rest = after;
    }
    let mut frames = Vec::new();
    let mut rest = &replies[..];
    while let [first, length, ..] = rest {
        assert!((0x80..0xfe).contains(length), "a client masks its replies");
        let length = usize::from(length & 0x7f);
        let (key, payload) = rest[2..6 + length].split_at(4);
        let payload = payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key);
        frames.push([*first].into_iter().chain(payload).collect());
        rest = &rest[6 + length..];
    }
    (came, frames)
}

#[test]
fn frames_of_a_server_cut_anywhere() {
    let input = [
        server_frame(0x81, "täxt".as_bytes()),
        server_frame(0x82, &[0xff, 0]),
        server_frame(0x89, b"ping"),
        server_frame(0x01, b"frag"),
        server_frame(0x89, b""),
        server_frame(0x80, b"ments"),
        server_frame(0x8a, b"pong"),
        server_frame(0x81, &[b'x'; 900]),
        server_frame(0x88, &[3, 0xe8]),
        server_frame(0x81, b"after the close"),
    ]
    .concat();
    let text = |text: &str| Ok(words(Incoming::Text(text)));
    let expected = [
        text("täxt"),
        Ok(words(Incoming::Binary(&[0xff, 0]))),
        text("fragments"),
        Ok(words(Incoming::Pong)),
        text(&"x".repeat(900)),
        Ok(words(Incoming::Close)),
    ];
    let replies = [b"\x8aping".to_vec(), b"\x8a".to_vec(), vec![0x88, 3, 0xe8]];
    for size in [1, 2, 3, 5, 7, 64, usize::MAX] {
        let (came, frames) = read(&input, |_| size);
        assert_eq!(came, expected, "in pieces of {size}");
        assert_eq!(frames, replies, "in pieces of {size}");
    }
    for first in 1..input.len() {
        let (came, _) = read(&input, |left| match left == input.len() {
            true => first,
            false => usize::MAX,
        });
        assert_eq!(came, expected, "cut at {first}");
    }
}

#[test]
fn what_a_server_may_not_send() {
    let cases: [(Vec<u8>, u16); 6] = [
        (vec![0x81, 0x81, 1, 2, 3, 4, b'a'], 1002),
        (server_frame(0xc1, b"a"), 1002),
        (server_frame(0x80, b"a"), 1002),
        (server_frame(0x89, &[0; 126]), 1002),
        (server_frame(0x81, &[0xff]), 1007),
        (server_frame(0x81, &[b'x'; 1_001]), 1009),
    ];
    for (bytes, code) in cases {
        for size in [1, usize::MAX] {
            let (came, _) = read(&bytes, |_| size);
            let codes: Vec<u16> = came
                .iter()
                .map(|incoming| incoming.as_ref().expect_err("a fault").close_code)
                .collect();
            assert_eq!(codes, [code], "{bytes:x?}");
        }
    }
}

#[test]
fn any_bytes_of_a_server_end_or_go_on() {
    support::for_each_seed(1_000, |dice: &mut Dice| {
        let count = dice.below(60);
        let bytes = dice.bytes(count);
        let whole = read(&bytes, |_| usize::MAX).0;
        let pieces = read(&bytes, |_| 1).0;
        assert_eq!(whole, pieces);
    });
}
