//! When connections end because their tokens have expired: over sockets in memory, with a false clock.

mod support;
#[path = "support/tokens.rs"]
mod tokens;

use peerhub::Config;
use peerhub::access::{Checker, Keys};
use serde_json::json;
use std::net::IpAddr;
use support::test_hub::{BEGIN_UNIX_MS, TestHub};
use support::test_peer::{Heard, TestPeer};
use tokens::{base64url, checker, key, rules, token};

const ANYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// The leeway of the rules.
const LEEWAY_MS: u64 = 5_000;
/// Deadlines of tokens are kept this coarsely.
const COARSE_MS: u64 = 64;

fn hub() -> TestHub {
    let mut config = Config {
        echo: true,
        nudge_interval_ms: 0,
        ping_interval_ms: 0,
        ..Config::default()
    };
    config.peerjs.alive_timeout_ms = 0;
    config.tokens.secret_file = Some("the test has read it".to_owned());
    config.check().expect("good settings");
    let mut hub = TestHub::new(config, 1);
    hub.check_tokens(checker(rules()));
    hub
}

/// A token of ann's that expires so many seconds after the beginning.
fn expiring(after_s: u64) -> String {
    token(&json!({"sub": "ann", "exp": BEGIN_UNIX_MS / 1_000 + after_s}))
}

fn open(hub: &mut TestHub, path: &str, token: &str) -> TestPeer {
    let wire = hub.connect(ANYWHERE, 1 << 20).expect("there is room");
    let fields = format!("Sec-WebSocket-Protocol: bearer, {token}\r\n");
    let mut peer = TestPeer::with_fields(wire, path, &fields);
    settle(hub, &mut peer);
    peer
}

fn settle(hub: &mut TestHub, peer: &mut TestPeer) {
    peer.wire().arrive(usize::MAX);
    hub.settle(|_| false);
}

fn close_code(peer: &mut TestPeer) -> Option<u16> {
    let heard = peer.pump(usize::MAX);
    heard.into_iter().find_map(|one| match one {
        Heard::Close(code, _) => code,
        _ => None,
    })
}

fn texts(peer: &mut TestPeer) -> String {
    let heard = peer.pump(usize::MAX).into_iter();
    let text = |one| match one {
        Heard::Text(text) => Some(text),
        _ => None,
    };
    heard.filter_map(text).collect()
}

fn authenticate(hub: &mut TestHub, peer: &mut TestPeer, token: &str) -> String {
    texts(peer);
    peer.say(&format!(
        r#"{{"type":"authenticate","content":{{"token":"{token}"}}}}"#
    ));
    settle(hub, peer);
    texts(peer)
}

#[test]
fn every_dialect_is_closed_with_4401_when_the_token_has_expired() {
    let peerjs = "/peerjs?key=peerjs&id=a&token=t";
    for path in ["/", "/echo", "/peer-relay", "/peero", peerjs] {
        let mut hub = hub();
        let mut peer = open(&mut hub, path, &expiring(60));
        if path == "/peer-relay" {
            peer.say(&format!("\"{:040}\"", 1));
            settle(&mut hub, &mut peer);
        }
        hub.advance(60_000 + LEEWAY_MS - 1, |_| false);
        peer.pump(usize::MAX);
        assert!(peer.is_open(), "{path}");
        hub.advance(1 + COARSE_MS, |_| false);
        assert_eq!(close_code(&mut peer), Some(4401), "{path}");
    }
}

#[test]
fn a_fresh_token_lengthens_the_connections_life_and_a_bad_one_does_not() {
    let mut hub = hub();
    let mut peer = open(&mut hub, "/", &expiring(60));
    hub.advance(50_000, |_| false);
    let answer = authenticate(&mut hub, &mut peer, &expiring(120));
    assert!(answer.contains(r#""type":"authenticated""#), "{answer}");
    hub.advance(50_000, |_| false);
    assert!(texts(&mut peer).is_empty() && peer.is_open());
    for bad in [&expiring(90), "nonsense"] {
        let answer = authenticate(&mut hub, &mut peer, bad);
        assert!(answer.contains("E_BADTOKEN"), "{answer}");
    }
    hub.advance(20_000 + LEEWAY_MS - 1, |_| false);
    peer.pump(usize::MAX);
    assert!(peer.is_open());
    hub.advance(1 + COARSE_MS, |_| false);
    assert_eq!(close_code(&mut peer), Some(4401));
}

/// However often it is shown anew, a connection has one deadline: the sweep after each tick counts them.
#[test]
fn a_thousand_fresh_tokens_leave_one_deadline() {
    let mut hub = hub();
    let mut peer = open(&mut hub, "/", &expiring(1_000));
    for more in 0..1_000 {
        let answer = authenticate(&mut hub, &mut peer, &expiring(2_000 - more));
        assert!(answer.contains("authenticated"), "{answer}");
    }
    hub.advance(1_001_000 + LEEWAY_MS - 1, |_| false);
    peer.pump(usize::MAX);
    assert!(peer.is_open());
    hub.advance(1 + COARSE_MS, |_| false);
    assert_eq!(close_code(&mut peer), Some(4401));
}

#[test]
fn who_has_left_leaves_no_deadline() {
    let mut hub = hub();
    let mut peer = open(&mut hub, "/", &expiring(60));
    assert!(hub.next_tick().is_some());
    peer.wire().reset();
    settle(&mut hub, &mut peer);
    assert_eq!(hub.census().connections, 0);
    assert_eq!(hub.next_tick(), None);
}

/// A token that expires in a hundred years is looked at now and then, and the connection stays.
#[test]
fn a_far_expiry_is_no_expiry() {
    let mut hub = hub();
    let century_s = 100 * 365 * 86_400;
    let mut peer = open(&mut hub, "/", &expiring(century_s));
    hub.advance(7 * 86_400_000, |_| false);
    peer.pump(usize::MAX);
    assert!(peer.is_open());
}

/// A forged token is tried with every key that it may be signed with: however fast somebody shows such, two of them are more
/// than one turn may cost him.
#[test]
fn each_key_that_is_tried_is_charged_for() {
    let mut hub = hub();
    let mut keys = Keys::new();
    keys.add_secret(tokens::SECRET.as_bytes())
        .expect("a good secret");
    for _ in 0..4 {
        keys.add_public_pem(&key("p256-public.pem"))
            .expect("a good key");
    }
    hub.check_tokens(Checker::new(keys, rules()));
    let mut peer = open(&mut hub, "/", &expiring(60));
    texts(&mut peer);
    let message = [r#"{"alg":"ES256"}"#, r#"{"exp":4102444800}"#];
    let message = message.map(|part| base64url(part.as_bytes())).join(".");
    let forged = format!("{message}.{}", base64url(&[1; 64]));
    for _ in 0..10 {
        peer.say(&format!(
            r#"{{"type":"authenticate","content":{{"token":"{forged}"}}}}"#
        ));
    }
    let before = hub.ticks();
    settle(&mut hub, &mut peer);
    assert_eq!(texts(&mut peer).matches("E_BADTOKEN").count(), 10);
    assert!(hub.ticks() - before >= 5, "{}", hub.ticks() - before);
}

/// Those who bring no token are served in the same tick, however many forged ones come with them.
#[test]
fn a_crowd_with_forged_tokens_keeps_nobody_else_waiting() {
    let mut hub = hub();
    let mut keys = Keys::new();
    for _ in 0..4 {
        keys.add_public_pem(&key("p256-public.pem"))
            .expect("a good key");
    }
    hub.check_tokens(Checker::new(keys, rules()));
    let message = [r#"{"alg":"ES256"}"#, r#"{"exp":4102444800}"#];
    let message = message.map(|part| base64url(part.as_bytes())).join(".");
    let forged = format!("{message}.{}", base64url(&[1; 64]));
    let ways = [
        format!("GET / HTTP/1.1\r\nAuthorization: Bearer {forged}\r\n"),
        format!("GET / HTTP/1.1\r\nSec-WebSocket-Protocol: bearer, {forged}\r\n"),
        format!("GET /?token={forged} HTTP/1.1\r\n"),
    ];
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut requests: Vec<String> = (0..60)
        .map(|place| format!("{}{upgrade}Host: hub\r\n\r\n", ways[place % 3]))
        .collect();
    requests.push(format!(
        "POST /peerjs/a/{forged}/offer HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\n{{}}"
    ));
    let ask = |hub: &mut TestHub, request: &str| {
        let wire = hub.connect(ANYWHERE, 1 << 20).expect("there is room");
        wire.send(request.as_bytes());
        wire.arrive(usize::MAX);
        wire
    };
    let crowd: Vec<_> = requests
        .iter()
        .map(|request| ask(&mut hub, request))
        .collect();
    let other = ask(&mut hub, "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n");
    hub.tick();
    assert!(other.receive(usize::MAX).starts_with(b"HTTP/1.1 200"));
    hub.settle(|_| false);
    for wire in crowd {
        assert!(wire.receive(usize::MAX).starts_with(b"HTTP/1.1 401"));
    }
}

#[test]
fn without_keys_no_token_counts() {
    let mut config = Config::default();
    config.tokens.secret_file = Some("nobody has read it".to_owned());
    let mut hub = TestHub::new(config, 1);
    let wire = hub.connect(ANYWHERE, 1 << 20).expect("there is room");
    let fields = format!("Authorization: Bearer {}\r\n", expiring(60));
    let mut peer = TestPeer::with_fields(wire, "/", &fields);
    settle(&mut hub, &mut peer);
    assert_eq!(peer.pump(usize::MAX).first(), Some(&Heard::Refused(401)));
}
