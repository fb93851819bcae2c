//! Who may come in and from where: origins of pages, what pages may read, and clients behind proxies.
//!
//! Over sockets in memory, through the whole of the hub.

mod support;

use peerhub::Config;
use peerhub::config::ProxyProtocol;
use std::net::IpAddr;
use support::memory_socket::Wire;
use support::test_hub::TestHub;
use support::test_peer::{Heard, TestPeer};

const SOMEBODY: &str = "192.0.2.1";

fn quiet() -> Config {
    Config {
        nudge_interval_ms: 0,
        ping_interval_ms: 0,
        encryption_key: None,
        ..Config::default()
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn hub(config: Config) -> TestHub {
    config.check().expect("good settings");
    TestHub::new(config, 7)
}

fn allowing(origins: &[&str]) -> TestHub {
    hub(Config {
        allowed_origins: texts(origins),
        echo: true,
        ..quiet()
    })
}

fn trusting(proxies: &[&str], per_address: usize) -> TestHub {
    let mut config = quiet();
    config.trusted_proxies = texts(proxies);
    config.limits.connections_per_address = per_address;
    hub(config)
}

fn connect(hub: &mut TestHub, from: &str) -> Wire {
    let from: IpAddr = from.parse().expect("an address");
    hub.connect(from, usize::MAX).expect("there is room")
}

/// Lets everything arrive until the hub has nothing left to do.
fn settle(hub: &mut TestHub, wires: &[&Wire]) {
    hub.settle(|_| {
        let flying = wires.iter().any(|wire| wire.is_flying());
        wires.iter().for_each(|wire| wire.arrive(usize::MAX));
        flying
    });
}

/// The answer to one request, as text.
fn ask(hub: &mut TestHub, from: &str, line: &str, fields: &str, body: &str) -> String {
    let wire = connect(hub, from);
    wire.send(format!("{line} HTTP/1.1\r\nHost: hub\r\n{fields}\r\n{body}").as_bytes());
    settle(hub, &[&wire]);
    let answer = String::from_utf8(wire.receive(usize::MAX)).expect("an answer in text");
    wire.reset();
    settle(hub, &[&wire]);
    answer
}

/// The value of a header field of an answer, which has it at most once.
fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n").expect("a whole head");
    let mut values = head.lines().filter_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    });
    let value = values.next();
    assert_eq!(values.next(), None, "{name} is there twice: {answer}");
    value
}

/// Whether the answer says that it differs from page to page.
fn varies(answer: &str) -> bool {
    let vary = field(answer, "Vary").unwrap_or_default();
    vary.split(", ").any(|name| name == "Origin")
}

fn status(answer: &str) -> u16 {
    answer[9..12].parse().expect("an HTTP status")
}

/// Asks for an upgrade; the peer, if it is let in, or else the status.
fn upgrade(hub: &mut TestHub, from: &str, path: &str, fields: &str) -> Result<TestPeer, u16> {
    upgrade_after(hub, from, b"", path, fields)
}

/// The same with these bytes before the request.
fn upgrade_after(
    hub: &mut TestHub,
    from: &str,
    before: &[u8],
    path: &str,
    fields: &str,
) -> Result<TestPeer, u16> {
    let wire = connect(hub, from);
    wire.send(before);
    let mut peer = TestPeer::with_fields(wire.clone(), path, fields);
    settle(hub, &[&wire]);
    match peer.pump(usize::MAX).first() {
        Some(Heard::Refused(status)) => {
            let status = *status;
            settle(hub, &[&wire]);
            Err(status)
        }
        _ => {
            assert!(peer.is_open());
            Ok(peer)
        }
    }
}

/// Has the peer join a linkage and say where the others come from, in the order in which they came.
fn addresses(hub: &mut TestHub, peer: &mut TestPeer) -> Vec<String> {
    peer.say(r#"{"type":"retrievePeers","messageid":"list","content":{}}"#);
    settle(hub, &[peer.wire()]);
    let heard = peer.pump(usize::MAX);
    let list = heard.iter().find_map(|heard| match heard {
        Heard::Text(text) if text.contains(r#""messageid":"list""#) => Some(text),
        _ => None,
    });
    let list: serde_json::Value =
        serde_json::from_str(list.expect("the list")).expect("an answer in JSON");
    let peers = list["content"]["peers"].as_array().expect("a list");
    peers
        .iter()
        .map(|peer| {
            let address = peer["remoteAddress"].as_str();
            address.expect("an address").to_owned()
        })
        .collect()
}

fn join(hub: &mut TestHub, peer: &mut TestPeer) {
    peer.say(
        r#"{"type":"initiate","messageid":"join","content":{"userid":"","linkageKey":"all","tags":[],"properties":{},"options":{},"startTime":1}}"#,
    );
    settle(hub, &[peer.wire()]);
    peer.pump(usize::MAX);
}

#[test]
fn upgrades_of_every_dialect_ask_for_the_origin() {
    let mut hub = allowing(&["https://app.example.org", "https://*.example.net"]);
    let paths = [
        "/",
        "/echo",
        "/peero",
        "/peer-relay",
        "/peerjs?key=peerjs&id=a&token=b&version=1.5.5",
        "/anything",
    ];
    let refused = [
        "Origin: https://evil.example\r\n",
        "Origin: http://app.example.org\r\n",
        "Origin: https://app.example.org:8443\r\n",
        "Origin: https://example.net\r\n",
        "Origin: null\r\n",
        "Origin:\r\n",
        "Origin: https://app.example.org\r\nOrigin: https://evil.example\r\n",
        "Origin: https://evil.example\r\nOrigin: https://app.example.org\r\n",
    ];
    let allowed = [
        "",
        "Origin: https://app.example.org\r\n",
        "Origin: https://app.example.org:443\r\n",
        "Origin: https://a.b.example.net\r\n",
    ];
    for path in paths {
        for fields in refused {
            let before = hub.census();
            let answer = upgrade(&mut hub, SOMEBODY, path, fields);
            assert_eq!(answer.err(), Some(403), "{path} {fields}");
            assert_eq!(hub.census().refused, before.refused + 1);
        }
        for fields in allowed {
            let peer = upgrade(&mut hub, SOMEBODY, path, fields);
            assert!(peer.is_ok(), "{path} {fields}");
            let peer = peer.expect("it was let in");
            peer.wire().reset();
            settle(&mut hub, &[peer.wire()]);
        }
    }
    let mut open = allowing(&[]);
    for fields in refused {
        let peer = upgrade(&mut open, SOMEBODY, "/", fields);
        assert!(peer.is_ok(), "{fields}");
    }
}

#[test]
fn a_page_that_is_refused_hears_which_setting_does_it() {
    let mut hub = allowing(&["https://app.example.org"]);
    let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://evil.example\r\n";
    let answer = ask(&mut hub, SOMEBODY, "GET /", fields, "");
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("allow-origin"), "{answer}");
    assert_eq!(field(&answer, "Access-Control-Allow-Origin"), None);
    assert_eq!(field(&answer, "Connection"), Some("close"));
    // What is no text is no origin either.
    let wire = connect(&mut hub, SOMEBODY);
    wire.send(b"GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    wire.send(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://\xff\r\n\r\n");
    settle(&mut hub, &[&wire]);
    assert!(wire.receive(usize::MAX).starts_with(b"HTTP/1.1 403 "));
}

#[test]
fn what_pages_post_as_peerjs_clients_asks_for_the_origin_too() {
    let mut hub = allowing(&["https://app.example.org"]);
    let body = r#"{"type":"OFFER","dst":"b","payload":1}"#;
    let length = format!("Content-Length: {}\r\n", body.len());
    let cases = [
        ("", 200),
        ("Origin: https://app.example.org\r\n", 200),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
    ];
    for (origin, status) in cases {
        for what in ["id", "offer"] {
            let line = format!("POST /peerjs/a/t/{what}");
            let answer = ask(
                &mut hub,
                SOMEBODY,
                &line,
                &format!("{length}{origin}"),
                body,
            );
            let start = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&start), "{what} {origin}: {answer}");
        }
    }
    // They wait until their author's own socket opens; of those of other pages nothing does.
    let socket = |id: &str| format!("/peerjs?key=peerjs&id={id}&token=t");
    let mut other = upgrade(&mut hub, SOMEBODY, &socket("b"), "").expect("it is let in");
    let peer = upgrade(&mut hub, SOMEBODY, &socket("a"), "").expect("it is let in");
    settle(&mut hub, &[peer.wire(), other.wire()]);
    let offer = Heard::Text(r#"{"type":"OFFER","src":"a","dst":"b","payload":1}"#.to_owned());
    assert_eq!(other.pump(usize::MAX), [offer.clone(), offer]);
}

/// Requests for every kind of answer: the request line, further fields, the body, and the status.
const REQUESTS: [(&str, &str, &str, u16); 15] = [
    ("GET /", "", "", 200),
    ("GET /ok-peerconnection.js", "", "", 200),
    ("GET /healthz", "", "", 200),
    ("HEAD /healthz", "", "", 200),
    (
        "POST /api",
        "Content-Type: application/json\r\nContent-Length: 2\r\n",
        "{}",
        200,
    ),
    (
        "POST /api",
        "Content-Type: application/json\r\nContent-Length: 1\r\n",
        "{",
        400,
    ),
    ("POST /api", "Content-Length: 2\r\n", "{}", 415),
    ("GET /nothing/here", "", "", 404),
    ("DELETE /healthz", "", "", 405),
    ("POST /api", "Content-Length: 1000000\r\n", "", 413),
    ("POST /api", "Transfer-Encoding: chunked\r\n", "", 411),
    ("POST /api", "Content-Length: 1x\r\n", "", 400),
    ("GET /", "Upgrade: websocket\r\n", "", 400),
    (
        "GET /",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n",
        "",
        426,
    ),
    ("OPTIONS /healthz", "", "", 204),
];

#[test]
fn without_a_list_every_page_may_read_every_answer() {
    let mut hub = allowing(&[]);
    for (line, fields, body, expected) in REQUESTS {
        for origin in [
            "",
            "Origin: https://app.example.org\r\n",
            "Origin: null\r\n",
        ] {
            let fields = format!("{fields}{origin}");
            let answer = ask(&mut hub, SOMEBODY, line, &fields, body);
            assert_eq!(status(&answer), expected, "{line} {fields}");
            // PeerJS's base path is the start page's here, and answers as PeerServer does.
            let path = line.split(' ').next_back().expect("a path");
            let (named, vary) = match (path, origin) {
                ("/", "") => ("*", true),
                ("/", _) => (origin[8..].trim_end(), true),
                _ => ("*", false),
            };
            let found = field(&answer, "Access-Control-Allow-Origin");
            assert_eq!(found, Some(named), "{line} {fields}");
            assert_eq!(varies(&answer), vary, "{line} {fields}");
            assert_eq!(field(&answer, "Access-Control-Allow-Credentials"), None);
        }
    }
}

#[test]
fn with_a_list_only_its_pages_may_read_any_answer() {
    let mut hub = allowing(&["https://app.example.org", "http://*.example.net"]);
    for (line, fields, body, expected) in REQUESTS {
        for (origin, is_allowed) in [
            ("https://app.example.org", true),
            ("http://a.example.net", true),
            ("https://evil.example", false),
            ("null", false),
            ("", false),
        ] {
            let origin_field = match origin {
                "" => String::new(),
                _ => format!("Origin: {origin}\r\n"),
            };
            let fields = format!("{fields}{origin_field}");
            let answer = ask(&mut hub, SOMEBODY, line, &fields, body);
            assert_eq!(status(&answer), expected, "{line} {fields}");
            assert_eq!(
                field(&answer, "Access-Control-Allow-Origin"),
                is_allowed.then_some(origin),
                "{line} {fields}"
            );
            assert!(varies(&answer), "{line} {fields}");
        }
    }
}

#[test]
fn answers_when_there_is_no_place_or_no_time_are_readable_too() {
    let mut config = quiet();
    config.limits.connections = 1;
    config.allowed_origins = texts(&["https://app.example.org"]);
    let mut hub = hub(config);
    let origin = "Origin: https://app.example.org\r\n";
    let allowed = |answer: &str| {
        field(answer, "Access-Control-Allow-Origin") == Some("https://app.example.org")
    };
    let slow = connect(&mut hub, SOMEBODY);
    slow.send(
        format!("POST /api HTTP/1.1\r\nHost: hub\r\n{origin}Content-Length: 9\r\n\r\n{{")
            .as_bytes(),
    );
    settle(&mut hub, &[&slow]);
    let answer = ask(&mut hub, SOMEBODY, "GET /healthz", origin, "");
    assert_eq!(status(&answer), 503);
    assert!(allowed(&answer), "{answer}");
    hub.advance(quiet().handshake_timeout_ms + 10, |_| false);
    let answer = String::from_utf8(slow.receive(usize::MAX)).expect("an answer in text");
    assert_eq!(status(&answer), 408);
    assert!(allowed(&answer), "{answer}");
}

#[test]
fn preflights_say_what_may_be_asked() {
    const ASKED: &str = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type, X-Mine\r\n\
                         Access-Control-Request-Private-Network: true\r\n";
    for (list, origin, is_allowed) in [
        (&[][..], "https://app.example.org", true),
        (
            &["https://app.example.org"][..],
            "https://app.example.org",
            true,
        ),
        (
            &["https://app.example.org"][..],
            "https://evil.example",
            false,
        ),
    ] {
        let mut hub = allowing(list);
        for (path, methods) in [
            ("/api", "POST, OPTIONS"),
            ("/healthz", "GET, HEAD, OPTIONS"),
            ("/", "GET, HEAD, OPTIONS"),
        ] {
            let fields = format!("Origin: {origin}\r\n{ASKED}");
            let answer = ask(&mut hub, SOMEBODY, &format!("OPTIONS {path}"), &fields, "");
            assert_eq!(status(&answer), 204, "{path}");
            for (name, value) in [
                ("Access-Control-Allow-Methods", methods),
                ("Access-Control-Allow-Headers", "content-type, X-Mine"),
                ("Access-Control-Max-Age", "86400"),
                ("Access-Control-Allow-Private-Network", "true"),
            ] {
                let found = field(&answer, name);
                assert_eq!(found, is_allowed.then_some(value), "{path} {origin}");
            }
            let named = field(&answer, "Access-Control-Allow-Origin");
            assert_eq!(named.is_some(), is_allowed, "{path} {origin}");
        }
    }
    let mut hub = allowing(&[]);
    let unasked = ask(
        &mut hub,
        SOMEBODY,
        "OPTIONS /api",
        "Origin: http://a\r\n",
        "",
    );
    assert_eq!(
        field(&unasked, "Access-Control-Allow-Private-Network"),
        None
    );
    let long = "x".repeat(2_000);
    for odd in ["a<b>", " ", long.as_str()] {
        let fields = format!("Access-Control-Request-Headers: {odd}\r\n");
        let answer = ask(&mut hub, SOMEBODY, "OPTIONS /api", &fields, "");
        let found = field(&answer, "Access-Control-Allow-Headers");
        assert_eq!(found, Some("Content-Type"), "{odd}");
    }
}

#[test]
fn peers_behind_a_trusted_proxy_have_their_own_addresses() {
    let mut hub = trusting(&["loopback", "10.0.0.0/8"], 0);
    let cases = [
        (
            "127.0.0.1",
            "X-Forwarded-For: 203.0.113.7\r\n",
            "203.0.113.7",
        ),
        ("::1", "X-Forwarded-For: 203.0.113.8\r\n", "203.0.113.8"),
        (
            "::ffff:10.0.0.1",
            "X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.9.9.9\r\n",
            "203.0.113.9",
        ),
        (
            "10.0.0.1",
            "Forwarded: for=\"[2001:db8::7]:4711\";proto=https\r\n",
            "2001:db8::7",
        ),
        (
            "10.0.0.1",
            "X-Forwarded-For: ::ffff:203.0.113.10\r\n",
            "203.0.113.10",
        ),
        // Nothing that can be read: the proxy's own.
        ("10.0.0.2", "X-Forwarded-For: unknown\r\n", "10.0.0.2"),
        ("10.0.0.3", "Forwarded: for=_hidden\r\n", "10.0.0.3"),
        ("10.0.0.4", "X-Forwarded-For: \u{fc}\r\n", "10.0.0.4"),
        ("10.0.0.5", "", "10.0.0.5"),
        // Whoever is no trusted proxy is believed nothing.
        (SOMEBODY, "X-Forwarded-For: 203.0.113.1\r\n", SOMEBODY),
        (SOMEBODY, "Forwarded: for=127.0.0.1\r\n", SOMEBODY),
    ];
    let mut peers = Vec::new();
    let mut expected = Vec::new();
    for (from, fields, address) in cases {
        let mut peer = upgrade(&mut hub, from, "/", fields).expect("it is let in");
        join(&mut hub, &mut peer);
        peers.push(peer);
        expected.push(address);
    }
    let mut onlooker = upgrade(&mut hub, SOMEBODY, "/", "").expect("it is let in");
    join(&mut hub, &mut onlooker);
    assert_eq!(addresses(&mut hub, &mut onlooker), expected);
}

#[test]
fn nobody_is_trusted_unless_a_setting_says_so() {
    let mut hub = trusting(&[], 1);
    let fields = "X-Forwarded-For: 203.0.113.7\r\nForwarded: for=203.0.113.7\r\n";
    let mut peer = upgrade(&mut hub, "127.0.0.1", "/", fields).expect("it is let in");
    join(&mut hub, &mut peer);
    let mut onlooker = upgrade(&mut hub, SOMEBODY, "/", "").expect("it is let in");
    join(&mut hub, &mut onlooker);
    assert_eq!(addresses(&mut hub, &mut onlooker), ["127.0.0.1"]);
    let other = "X-Forwarded-For: 203.0.113.8\r\n";
    assert_eq!(upgrade(&mut hub, "127.0.0.1", "/", other).err(), Some(503));
}

#[test]
fn connections_are_counted_for_the_client_and_not_for_its_proxy() {
    let mut hub = trusting(&["10.0.0.0/8"], 2);
    let of = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    let let_in = |hub: &mut TestHub, from: &str, client: &str| {
        upgrade(hub, from, "/", &of(client)).map_err(|status| (client.to_owned(), status))
    };
    let mut crowd: Vec<TestPeer> = Vec::new();
    for client in ["203.0.113.1", "203.0.113.1", "203.0.113.2", "203.0.113.2"] {
        crowd.push(let_in(&mut hub, "10.0.0.1", client).expect("it is let in"));
    }
    for from in ["10.0.0.1", "10.0.0.2"] {
        let before = hub.census();
        let refused = let_in(&mut hub, from, "203.0.113.1").err();
        assert_eq!(refused, Some(("203.0.113.1".to_owned(), 503)));
        assert_eq!(hub.census().refused, before.refused + 1);
        assert_eq!(hub.census().connections, before.connections);
    }
    // It makes no difference by which way a client comes.
    let wire = connect(&mut hub, "203.0.113.1");
    wire.send(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n");
    settle(&mut hub, &[&wire]);
    assert!(wire.receive(usize::MAX).starts_with(b"HTTP/1.1 503 "));
    wire.reset();
    settle(&mut hub, &[&wire]);
    let_in(&mut hub, "10.0.0.1", "203.0.113.3").expect("there is place for others");

    let leaver = crowd.remove(0);
    leaver.wire().reset();
    settle(&mut hub, &[leaver.wire()]);
    crowd.push(let_in(&mut hub, "10.0.0.2", "203.0.113.1").expect("a place is free"));
    assert!(let_in(&mut hub, "10.0.0.1", "203.0.113.1").is_err());

    // The proxy itself: connections that have said nothing yet, plain requests, and upgrades for nobody.
    let silent: Vec<Wire> = (0..5).map(|_| connect(&mut hub, "10.0.0.1")).collect();
    for _ in 0..5 {
        crowd.push(upgrade(&mut hub, "10.0.0.1", "/", "").expect("it is let in"));
        let answer = ask(&mut hub, "10.0.0.1", "GET /healthz", &of("203.0.113.1"), "");
        assert_eq!(status(&answer), 200);
    }
    assert_eq!(hub.census().connections, silent.len() + crowd.len() + 1);
    hub.advance(quiet().handshake_timeout_ms + 10, |_| false);
    assert!(
        silent.iter().all(Wire::is_released),
        "silence has its limit"
    );
}

#[test]
fn the_limit_of_all_connections_holds_for_proxies_too() {
    let mut config = quiet();
    config.limits.connections = 3;
    config.limits.connections_per_address = 1;
    config.trusted_proxies = texts(&["10.0.0.1"]);
    let mut hub = hub(config);
    let _silent: Vec<Wire> = (0..3).map(|_| connect(&mut hub, "10.0.0.1")).collect();
    let answer = upgrade(
        &mut hub,
        "10.0.0.1",
        "/",
        "X-Forwarded-For: 203.0.113.1\r\n",
    );
    assert_eq!(answer.err(), Some(503));
}

#[test]
fn lines_have_no_header_and_keep_the_address_of_their_socket() {
    for (from, refused) in [("10.0.0.1", 0), (SOMEBODY, 2)] {
        let mut hub = trusting(&["10.0.0.1"], 1);
        for _ in 0..3 {
            let wire = connect(&mut hub, from);
            wire.send(b"{");
            settle(&mut hub, &[&wire]);
        }
        assert_eq!(hub.census().refused, refused, "{from}");
    }
}

/// A hub whose proxies, 10.0.0.0/8, speak the PROXY protocol or not.
fn proxied(protocol: ProxyProtocol, per_address: usize) -> TestHub {
    let mut config = quiet();
    config.trusted_proxies = texts(&["10.0.0.0/8"]);
    config.proxy_protocol = protocol;
    // Newcomers to the mesh are answered at once.
    config.netpeer.state_time_ms = 0;
    config.limits.connections_per_address = per_address;
    hub(config)
}

const PROXY: &str = "10.0.0.1";

/// A header of version 1 for a client with this address of IPv4.
fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 10.0.0.1 4711 443\r\n").into_bytes()
}

/// A header of version 2 with this command, family and rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = (rest.len() as u16).to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[command, family][..],
        &length,
        rest,
    ]
    .concat()
}

fn binary_v4(client: [u8; 4]) -> Vec<u8> {
    let rest = [&client[..], &[10, 0, 0, 1, 0x12, 0x67, 1, 0xbb]].concat();
    binary(0x21, 0x11, &rest)
}

fn binary_v6(client: &str) -> Vec<u8> {
    let client: std::net::Ipv6Addr = client.parse().expect("an address");
    let rest = [&client.octets()[..], &[0; 16], &[0x12, 0x67, 1, 0xbb]].concat();
    binary(0x21, 0x21, &rest)
}

#[test]
fn who_comes_through_the_proxy_protocol_has_his_own_address() {
    const LIE: &str = "X-Forwarded-For: 198.51.100.1\r\nForwarded: for=198.51.100.1\r\n";
    for protocol in [ProxyProtocol::Accept, ProxyProtocol::Require] {
        let mut hub = proxied(protocol, 0);
        let cases: [(&str, Vec<u8>, &str, &str); 10] = [
            (PROXY, line("203.0.113.1"), LIE, "203.0.113.1"),
            (PROXY, binary_v4([203, 0, 113, 2]), LIE, "203.0.113.2"),
            ("::ffff:10.0.0.1", line("203.0.113.3"), "", "203.0.113.3"),
            (PROXY, binary_v6("2001:db8::4"), LIE, "2001:db8::4"),
            (PROXY, binary_v6("::ffff:203.0.113.5"), "", "203.0.113.5"),
            (PROXY, binary_v6("::1"), "", "127.0.0.1"),
            // Through another proxy, whose word is taken too.
            (PROXY, line("10.0.0.7"), LIE, "198.51.100.1"),
            // Who has no name is the proxy to us, and nobody's word is taken for him.
            ("10.0.0.8", b"PROXY UNKNOWN\r\n".to_vec(), LIE, "10.0.0.8"),
            ("10.0.0.9", binary(0x20, 0, b""), LIE, "10.0.0.9"),
            // Of others only what an upgrade needs is looked at.
            (SOMEBODY, Vec::new(), LIE, SOMEBODY),
        ];
        let mut peers = Vec::new();
        let mut expected = Vec::new();
        for (from, before, fields, address) in cases {
            let mut peer = upgrade_after(&mut hub, from, &before, "/", fields)
                .unwrap_or_else(|status| panic!("{address}: {status}"));
            join(&mut hub, &mut peer);
            peers.push(peer);
            expected.push(address);
        }
        let mut onlooker = upgrade(&mut hub, SOMEBODY, "/", "").expect("it is let in");
        join(&mut hub, &mut onlooker);
        assert_eq!(addresses(&mut hub, &mut onlooker), expected);
    }
}

#[test]
fn proxy_headers_may_be_torn_anywhere() {
    let request = "GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";
    let headers = [line("203.0.113.1"), binary_v4([203, 0, 113, 1]), Vec::new()];
    for header in headers {
        // The last begins with no header, and with what might be the beginning of one.
        let request = match header.is_empty() {
            true => request.replace("GET", "POST"),
            false => request.to_owned(),
        };
        let all = [&header[..], request.as_bytes()].concat();
        for cut in 1..all.len() {
            let mut hub = proxied(ProxyProtocol::Accept, 0);
            let wire = connect(&mut hub, PROXY);
            for part in [&all[..cut], &all[cut..]] {
                wire.send(part);
                settle(&mut hub, &[&wire]);
            }
            let answer = String::from_utf8(wire.receive(usize::MAX)).expect("an answer in text");
            let expected = if header.is_empty() { 405 } else { 200 };
            assert_eq!(status(&answer), expected, "{cut}");
        }
        let mut hub = proxied(ProxyProtocol::Accept, 0);
        let wire = connect(&mut hub, PROXY);
        wire.send(&all);
        hub.settle(|_| {
            let is_flying = wire.is_flying();
            wire.arrive(1);
            is_flying
        });
        assert!(!wire.receive(usize::MAX).is_empty());
    }
}

#[test]
fn a_long_proxy_header_and_a_long_request_fit_the_least_read_buffer() {
    let mut config = quiet();
    config.trusted_proxies = texts(&[PROXY]);
    config.proxy_protocol = ProxyProtocol::Accept;
    config.read_buffer_bytes = 1 << 10;
    let mut hub = hub(config);
    let long = format!("X-Long: {}\r\n", "x".repeat(9_000));
    let addresses = [203, 0, 113, 1, 10, 0, 0, 1, 0x12, 0x67, 1, 0xbb];
    let header = binary(0x21, 0x11, &[&addresses[..], &[7; 4_000]].concat());
    for before in [&header[..], b""] {
        let peer = upgrade_after(&mut hub, PROXY, before, "/", &long);
        assert!(peer.is_ok(), "{}", before.len());
    }
    // What might begin a header is held back, and then turns out to be the beginning of a long request.
    let wire = connect(&mut hub, PROXY);
    wire.send(b"P");
    settle(&mut hub, &[&wire]);
    wire.send(
        format!("OST /api HTTP/1.1\r\nHost: hub\r\n{long}Content-Length: 2\r\n\r\n{{}}").as_bytes(),
    );
    settle(&mut hub, &[&wire]);
    assert!(wire.receive(usize::MAX).starts_with(b"HTTP/1.1 415 "));
}

#[test]
fn a_proxy_that_must_say_for_whom_it_comes_is_closed_if_it_does_not() {
    let request = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
    let too_long = binary(0x21, 0x11, &[7; 5_000]);
    let broken: [&[u8]; 3] = [b"PROXY TCP4 x\r\n", &too_long, &binary(0x21, 0x11, b"abc")];
    let mut hub = proxied(ProxyProtocol::Require, 0);
    let missing: [&[u8]; 2] = [request, b"{"];
    for bytes in broken.iter().chain(&missing) {
        let before = hub.census();
        let wire = connect(&mut hub, PROXY);
        wire.send(bytes);
        settle(&mut hub, &[&wire]);
        assert!(wire.is_released() && wire.receive(usize::MAX).is_empty());
        assert_eq!(hub.census().refused, before.refused + 1);
    }
    // Silence, and a header that never ends, have their limit.
    for bytes in [&b""[..], b"PROXY TCP4 "] {
        let before = hub.census();
        let wire = connect(&mut hub, PROXY);
        wire.send(bytes);
        settle(&mut hub, &[&wire]);
        assert!(!wire.is_released());
        hub.advance(quiet().handshake_timeout_ms + 10, |_| false);
        assert!(wire.is_released());
        assert_eq!(hub.census().refused, before.refused + 1);
    }
    // Who may leave it out is only closed for what cannot be read.
    let mut hub = proxied(ProxyProtocol::Accept, 0);
    for bytes in broken {
        let wire = connect(&mut hub, PROXY);
        wire.send(bytes);
        settle(&mut hub, &[&wire]);
        assert!(wire.is_released());
    }
    let answer = ask(&mut hub, PROXY, "GET /healthz", "", "");
    assert_eq!(status(&answer), 200);
}

#[test]
fn nobody_else_is_asked_for_a_proxy_header() {
    let header = line("203.0.113.1");
    for (protocol, from) in [
        (ProxyProtocol::Off, PROXY),
        (ProxyProtocol::Accept, SOMEBODY),
        (ProxyProtocol::Require, SOMEBODY),
    ] {
        let mut hub = proxied(protocol, 0);
        let refused = upgrade_after(&mut hub, from, &header, "/", "");
        assert_eq!(refused.err(), Some(400), "{protocol:?}");
        assert!(upgrade(&mut hub, from, "/", "").is_ok());
    }
}

#[test]
fn clients_of_the_proxy_protocol_are_counted_from_their_header_on() {
    let mut hub = proxied(ProxyProtocol::Require, 2);
    let mut crowd = Vec::new();
    for client in ["203.0.113.1", "203.0.113.1", "203.0.113.2"] {
        let peer = upgrade_after(&mut hub, PROXY, &line(client), "/", "");
        crowd.push(peer.expect("there is place"));
    }
    let before = hub.census();
    for _ in 0..3 {
        let refused = upgrade_after(&mut hub, PROXY, &line("203.0.113.1"), "/", "");
        assert_eq!(refused.err(), Some(503));
    }
    assert_eq!(hub.census().refused, before.refused + 3);
    assert_eq!(hub.census().connections, before.connections);
    // It makes no difference by which way a client comes, nor what it speaks; silent ones count too.
    assert_eq!(upgrade(&mut hub, "203.0.113.1", "/", "").err(), Some(503));
    let lines = connect(&mut hub, PROXY);
    lines.send(&[&line("203.0.113.2")[..], b"{"].concat());
    settle(&mut hub, &[&lines]);
    let silent = connect(&mut hub, "203.0.113.2");
    silent.send(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n");
    settle(&mut hub, &[&silent]);
    assert!(silent.receive(usize::MAX).starts_with(b"HTTP/1.1 503 "));
    crowd[0].wire().reset();
    settle(&mut hub, &[crowd[0].wire()]);
    let again = upgrade_after(&mut hub, PROXY, &line("203.0.113.1"), "/", "");
    assert!(again.is_ok(), "a place is free");
    // Of those who are over the limit, only so many stay to be told so.
    let many: Vec<Wire> = (0..100)
        .map(|_| {
            let wire = connect(&mut hub, PROXY);
            wire.send(&line("203.0.113.1"));
            settle(&mut hub, &[&wire]);
            wire
        })
        .collect();
    let staying = many.iter().filter(|wire| !wire.is_released()).count();
    assert!((16..=32).contains(&staying), "{staying}");
}

#[test]
fn members_of_a_mesh_are_listed_as_the_proxy_protocol_names_them() {
    let mut hub = proxied(ProxyProtocol::Require, 0);
    let present = |name: &str| {
        format!(
            r#"{{"senderName":"{name}","type":"@PRESENTATION","content":{{"port":5001,"needNetworkInformation":true}}}}"#
        ) + "\n"
    };
    let mut heard = Vec::new();
    let mut members = Vec::new();
    for (name, last) in [("ann", 1), ("bob", 2)] {
        let wire = connect(&mut hub, PROXY);
        wire.send(&binary_v4([203, 0, 113, last]));
        wire.send(present(name).as_bytes());
        settle(&mut hub, &[&wire]);
        heard.push(String::from_utf8(wire.receive(usize::MAX)).expect("lines are text"));
        members.push(wire);
    }
    // The port that was dialled is the proxy's.
    assert!(heard[0].contains(r#""port":443"#), "{}", heard[0]);
    assert!(
        heard[1].contains("203.0.113.1") && heard[1].contains("4711"),
        "{}",
        heard[1]
    );
}
