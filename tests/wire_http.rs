//! Request heads cut at every byte, every fault, the WebSocket handshake, and answers byte for byte.

use peerhub::wire::{Head, HttpFault, Response, Upgrade, WebSocketRequest, parse_head};

const HEAD_BYTES_MAX: usize = 16 << 10;

/// The head of a request that is known to be sound.
fn head(request: &str) -> Head<'_> {
    let (head, head_bytes) = parse_head(request.as_bytes(), HEAD_BYTES_MAX)
        .expect("a sound head")
        .expect("a whole head");
    assert_eq!(head_bytes, request.len());
    head
}

fn status_of(request: &[u8]) -> Option<u16> {
    parse_head(request, HEAD_BYTES_MAX)
        .err()
        .map(|fault| fault.status)
}

/// A handshake with some header fields replaced, by name, or taken out where the value is empty.
fn handshake(changes: &[(&str, &str)]) -> String {
    let fields = [
        ("Host", "hub"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", ""),
        ("Origin", ""),
        ("Content-Length", ""),
        ("Transfer-Encoding", ""),
    ];
    let line = changes
        .iter()
        .find(|(name, _)| *name == "line")
        .map_or("GET /?a=1 HTTP/1.1", |(_, line)| line);
    let mut request = format!("{line}\r\n");
    for (name, value) in fields {
        let changed = changes.iter().find(|(changed, _)| *changed == name);
        let value = changed.map_or(value, |(_, value)| value);
        if !value.is_empty() {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    request + "\r\n"
}

fn opened(changes: &[(&str, &str)]) -> WebSocketRequest {
    match head(&handshake(changes)).upgrade() {
        Upgrade::WebSocket(request) => request,
        Upgrade::No | Upgrade::Refused(_) => panic!("not opened: {changes:?}"),
    }
}

fn refused(changes: &[(&str, &str)]) -> HttpFault {
    match head(&handshake(changes)).upgrade() {
        Upgrade::Refused(fault) => fault,
        Upgrade::No | Upgrade::WebSocket(_) => panic!("not refused: {changes:?}"),
    }
}

#[test]
fn a_head_is_whole_at_its_last_byte() {
    let requests = [
        "GET / HTTP/1.1\r\nHost: hub\r\n\r\n",
        "\r\n\r\nPOST /api?x HTTP/1.1\r\nhost:hub\r\nContent-Length: 5\r\n\r\n",
        "GET / HTTP/1.0\n\n",
        "GET / HTTP/1.1\nHost: hub\n\r\n",
    ];
    for request in requests {
        let bytes = [request.as_bytes(), b"GET / "].concat();
        for end in 0..request.len() {
            let parsed = parse_head(&bytes[..end], HEAD_BYTES_MAX);
            assert!(matches!(parsed, Ok(None)), "{request:?} up to {end}");
        }
        for end in request.len()..=bytes.len() {
            let parsed = parse_head(&bytes[..end], HEAD_BYTES_MAX);
            assert!(
                matches!(parsed, Ok(Some((_, used))) if used == request.len()),
                "{request:?} up to {end}"
            );
        }
    }
}

#[test]
fn parts_of_a_head() {
    let head = head(
        "GET /a%2Fb?c=d&e HTTP/1.1\r\nHost: hub\r\nX-Two: first\r\nx-two: second\r\nX-Raw: \u{e4}\r\n\r\n",
    );
    assert_eq!(
        (head.method, head.path, head.query),
        ("GET", "/a%2Fb", Some("c=d&e"))
    );
    assert_eq!(head.version, 1);
    assert_eq!(head.header("hOST"), Some(&b"hub"[..]));
    assert_eq!(head.header_text("X-TWO"), Some("first"));
    assert_eq!(head.header_text("x-raw"), Some("\u{e4}"));
    assert_eq!(head.header("absent"), None);
    assert_eq!(head.content_length(), Ok(None));
    assert_eq!(head.upgrade(), Upgrade::No);
}

#[test]
fn faults_have_their_statuses() {
    let many = |count: usize| {
        let fields = "X: y\r\n".repeat(count);
        format!("GET / HTTP/1.1\r\nHost: hub\r\n{fields}\r\n").into_bytes()
    };
    let long = |head_bytes: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: hub\r\nX: \r\n\r\n".len();
        let value = "a".repeat(head_bytes - rest);
        format!("GET / HTTP/1.1\r\nHost: hub\r\nX: {value}\r\n\r\n").into_bytes()
    };
    let cases: [(&[u8], Option<u16>); 22] = [
        (&many(63), None),
        (&many(64), Some(431)),
        (&long(HEAD_BYTES_MAX), None),
        (&long(HEAD_BYTES_MAX + 1), Some(431)),
        (&vec![b'a'; HEAD_BYTES_MAX - 1], None),
        (&vec![b'a'; HEAD_BYTES_MAX], Some(431)),
        (&vec![b'\n'; HEAD_BYTES_MAX], Some(431)),
        (b"GET / HTTP/1.1\r\n\r\n", Some(400)),
        (b"GET / HTTP/1.0\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Some(400)),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Some(400)),
        (b"GET / HTTP/2.0\r\n\r\n", Some(505)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(505)),
        (b"GET / HTTP/1.2\r\n\r\n", Some(505)),
        (b"GET / HTPT/1.1\r\n\r\n", Some(400)),
        (b"GET /\r\n\r\n", Some(400)),
        (b"GET nowhere HTTP/1.1\r\nHost: hub\r\n\r\n", Some(400)),
        (b"G(T / HTTP/1.1\r\nHost: hub\r\n\r\n", Some(400)),
        (b"GET / HTTP/1.1\r\nHost : hub\r\n\r\n", Some(400)),
        (b"GET / HTTP/1.1\r\nHost: hub\r\n folded\r\n\r\n", Some(400)),
        (b"GET / HTTP/1.1\r\nHost: h\0b\r\n\r\n", Some(400)),
        (b"\x00\x01\x02\n\n", Some(400)),
    ];
    for (request, status) in cases {
        let shown = request[..request.len().min(60)].escape_ascii();
        assert_eq!(status_of(request), status, "{shown}");
    }
}

#[test]
fn what_is_no_http_is_told_so_by_its_first_byte() {
    assert_eq!(status_of(&[0x16, 3, 1]), Some(400), "TLS");
    assert_eq!(status_of(b"{"), Some(400), "JSON lines");
    assert_eq!(status_of(b"\r\n\0"), Some(400));
    assert_eq!(status_of(b"\r\nG"), None);
    assert_eq!(status_of(b"!"), None);
}

#[test]
fn lengths_of_bodies() {
    let cases = [
        ("", Ok(None)),
        ("Content-Length: 0\r\n", Ok(Some(0))),
        (
            "content-length: 18446744073709551615\r\n",
            Ok(Some(u64::MAX)),
        ),
        ("Content-Length: 18446744073709551616\r\n", Err(400)),
        ("Content-Length: +1\r\n", Err(400)),
        ("Content-Length: -1\r\n", Err(400)),
        ("Content-Length: 1, 1\r\n", Err(400)),
        ("Content-Length:\r\n", Err(400)),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", Err(400)),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", Err(400)),
        ("Transfer-Encoding: chunked\r\n", Err(411)),
        ("Content-Length: 1\r\nTransfer-Encoding: x\r\n", Err(411)),
    ];
    for (fields, length) in cases {
        let request = format!("POST /api HTTP/1.1\r\nHost: hub\r\n{fields}\r\n");
        let head = head(&request);
        let found = head.content_length().map_err(|fault| fault.status);
        assert_eq!(found, length, "{fields:?}");
        assert_eq!(
            head.keep_alive(),
            length.is_ok(),
            "no request follows a body without end"
        );
    }
}

#[test]
fn connections_live_on_by_the_rules() {
    let cases = [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ];
    for (version, fields, lives_on) in cases {
        let request = format!("GET / HTTP/{version}\r\nHost: hub\r\n{fields}\r\n");
        assert_eq!(
            head(&request).keep_alive(),
            lives_on,
            "{version} {fields:?}"
        );
    }
}

#[test]
fn an_origin_that_cannot_be_told_is_nobodys() {
    let cases: [(&[u8], Option<&str>); 6] = [
        (b"", None),
        (b"Origin: http://page\r\n", Some("http://page")),
        (b"oRIGIN:  http://page  \r\n", Some("http://page")),
        (b"Origin:\r\n", Some("")),
        (b"Origin: http://\xff\r\n", Some("null")),
        (
            b"Origin: http://page\r\nOrigin: http://page\r\n",
            Some("null"),
        ),
    ];
    for (fields, expected) in cases {
        let request = [b"GET / HTTP/1.1\r\nHost: hub\r\n", fields, b"\r\n"].concat();
        let (head, _) = parse_head(&request, 4_096).unwrap().expect("a whole head");
        assert_eq!(head.origin(), expected, "{}", fields.escape_ascii());
    }
}

#[test]
fn a_handshake_is_answered_byte_for_byte() {
    // Key and answer are those of RFC 6455 section 1.3.
    let request = opened(&[
        ("Origin", "http://page"),
        ("Sec-WebSocket-Protocol", "chat , superchat"),
    ]);
    assert_eq!(request.origin.as_deref(), Some("http://page"));
    let mut out = b"before".to_vec();
    request.answer(&mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "beforeHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
    let mut out = Vec::new();
    opened(&[]).answer(&mut out);
    assert!(!String::from_utf8_lossy(&out).contains("Protocol:"));
}

#[test]
fn handshakes_in_unusual_dress_are_taken() {
    let cases: [&[(&str, &str)]; 5] = [
        &[("Upgrade", "WebSocket")],
        &[("Upgrade", "h2c, websocket")],
        &[("Connection", "keep-alive, UPGRADE")],
        &[("Content-Length", "0")],
        &[("line", "GET http://hub/?x HTTP/1.1")],
    ];
    for changes in cases {
        opened(changes);
    }
    let plain = handshake(&[("Upgrade", "h2c")]);
    assert_eq!(head(&plain).upgrade(), Upgrade::No);
    let plain = handshake(&[("Upgrade", "")]);
    assert_eq!(head(&plain).upgrade(), Upgrade::No);
}

#[test]
fn bad_handshakes_are_refused() {
    let cases: [(&[(&str, &str)], u16); 13] = [
        (&[("line", "POST / HTTP/1.1")], 400),
        (&[("line", "GET / HTTP/1.0")], 400),
        (&[("Connection", "")], 400),
        (&[("Connection", "keep-alive")], 400),
        (&[("Sec-WebSocket-Key", "")], 400),
        (&[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j")], 400),
        (&[("Sec-WebSocket-Key", "not Base64, 24 bytes ==")], 400),
        (&[("Sec-WebSocket-Version", "")], 400),
        (&[("Sec-WebSocket-Version", "8")], 426),
        (&[("Sec-WebSocket-Version", "13, 8")], 426),
        (&[("Sec-WebSocket-Protocol", "a b")], 400),
        (&[("Content-Length", "1")], 400),
        (&[("Transfer-Encoding", "chunked")], 411),
    ];
    for (changes, status) in cases {
        assert_eq!(refused(changes).status, status, "{changes:?}");
    }
    let doubled = handshake(&[]).replace("Origin", "").replace(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    assert!(matches!(head(&doubled).upgrade(), Upgrade::Refused(fault) if fault.status == 400));

    let mut out = Vec::new();
    let fault = refused(&[("Sec-WebSocket-Version", "8")]);
    fault.response().write(&mut out, false, true, None);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 45\r\n\
         X-Content-Type-Options: nosniff\r\nSec-WebSocket-Version: 13\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Connection: keep-alive\r\n\r\nOnly version 13 of WebSocket is spoken here.\n"
    );
}

#[test]
fn answers_have_bodies_only_where_they_may() {
    let response = |status| Response {
        headers: vec![("ETag", "\"x\"".into())],
        ..Response::text(status, "hello")
    };
    let mut out = b"before".to_vec();
    response(200).write(&mut out, false, true, Some("today"));
    assert_eq!(
        String::from_utf8_lossy(&out),
        "beforeHTTP/1.1 200 OK\r\nDate: today\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\
         X-Content-Type-Options: nosniff\r\nETag: \"x\"\r\nConnection: keep-alive\r\n\r\nhello"
    );
    let mut out = Vec::new();
    response(200).write(&mut out, true, false, None);
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains("Content-Length: 5\r\n"), "{text}");
    assert!(text.ends_with("Connection: close\r\n\r\n"), "{text}");
    for status in [204, 304] {
        let mut out = Vec::new();
        response(status).write(&mut out, false, true, None);
        let text = String::from_utf8_lossy(&out);
        assert!(!text.contains("Content-"), "{text}");
        assert!(text.contains("ETag: \"x\"\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }
}

#[test]
fn random_bytes_never_panic() {
    let sound = handshake(&[("Origin", "http://page")]).into_bytes();
    // A xorshift generator: any seed but zero.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let mut read = 0;
    for _ in 0..20_000 {
        let mut bytes = sound.clone();
        for _ in 0..1 + random() % 3 {
            let at = random() % bytes.len();
            bytes[at] = if random() % 2 == 0 {
                random() as u8
            } else {
                b"\r\n :,/?=*"[random() % 9]
            };
        }
        if let Ok(Some((head, head_bytes))) = parse_head(&bytes, 1_000) {
            assert!(head_bytes <= bytes.len());
            let mut out = Vec::new();
            match head.upgrade() {
                Upgrade::WebSocket(request) => request.answer(&mut out),
                Upgrade::Refused(fault) => fault.response().write(&mut out, false, true, None),
                Upgrade::No => {}
            }
            read += 1;
        }
    }
    assert!(read > 1_000, "only {read} heads could be read");
}
