//! Single situations of the tick that no random walk is likely to meet, over false sockets and a false clock.

mod support;

use peerhub::Config;
use std::net::IpAddr;
use support::memory_socket::Wire;
use support::test_hub::TestHub;
use support::test_peer::{Heard, TestPeer};

const ANYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const WINDOW: usize = 1 << 20;

fn connect(hub: &mut TestHub) -> Wire {
    hub.connect(ANYWHERE, WINDOW).expect("there is room")
}

/// A peer that has its id, which is returned too.
fn join(hub: &mut TestHub, initiation: &str) -> (TestPeer, String) {
    let mut peer = TestPeer::new(connect(hub), "/");
    settle(hub, [&mut peer]);
    let texts = texts(&mut peer);
    let (_, rest) = texts[0].split_once(r#""peer":""#).expect("an accept");
    let (id, _) = rest.split_once('"').expect("an id");
    let id = id.to_owned();
    peer.say(&format!(
        r#"{{"type":"initiate","content":{{"linkageKey":"room"{initiation}}}}}"#
    ));
    settle(hub, [&mut peer]);
    (peer, id)
}

/// Lets arrive what the peers have sent, and the hub do what is to be done at this time.
fn settle<'a>(hub: &mut TestHub, peers: impl IntoIterator<Item = &'a mut TestPeer>) {
    for peer in peers {
        peer.wire().arrive(usize::MAX);
    }
    hub.settle(|_| false);
}

fn texts(peer: &mut TestPeer) -> Vec<String> {
    let heard = peer.pump(usize::MAX).into_iter();
    let text = |one| match one {
        Heard::Text(text) => Some(text),
        _ => None,
    };
    heard.filter_map(text).collect()
}

/// Each of those who are let in gets a secret, and one tick may let in very many: the random bytes once ran out.
#[test]
fn a_crowd_of_claimants_is_let_in_at_once() {
    const CROWD: usize = 300;
    let mut hub = TestHub::new(Config::default(), 1);
    let mut holders = Vec::new();
    let mut claimants = Vec::new();
    for _ in 0..CROWD {
        let (mut holder, id) = join(&mut hub, "");
        holder.answers_pings = false;
        holders.push(holder);
        let (claimant, _) = join(&mut hub, &format!(r#","resume":true,"id":"{id}""#));
        claimants.push(claimant);
    }
    hub.advance(Config::default().probe_time_ms + 10, |_| false);
    for mut claimant in claimants {
        let texts = texts(&mut claimant);
        let has_secret = |text: &String| text.contains(r#""resume":""#);
        assert!(texts.iter().any(has_secret), "{texts:?}");
    }
}

/// A body that came byte by byte once had its head read again for each of them.
#[test]
fn a_request_that_trickles_in_is_answered_once_it_is_whole() {
    let mut hub = TestHub::new(Config::default(), 1);
    let call = r#"{"name":"getpeersource","parameters":{"minimized":true}}"#;
    let post = format!(
        "POST /api HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{call}",
        call.len()
    );
    // The last piece brings the beginning of the next request with it, and that one's the beginning of a third.
    let twice = format!("{post}{post}PO");
    for piece_bytes in [1, 7, post.len() - 1, post.len() + 1] {
        let wire = connect(&mut hub);
        let mut answered = Vec::new();
        for piece in twice.as_bytes().chunks(piece_bytes) {
            let before = answered.len();
            wire.send(piece);
            wire.arrive(usize::MAX);
            hub.settle(|_| false);
            answered.extend(wire.receive(usize::MAX));
            assert!(!wire.is_over());
            if before == 0 && !answered.is_empty() {
                assert!(wire.read_bytes() >= post.len() as u64, "not before its end");
            }
        }
        let text = String::from_utf8(answered).expect("text");
        assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{piece_bytes}");
        // The third is unfinished, and so has its deadline.
        hub.advance(Config::default().handshake_timeout_ms + 10, |_| false);
        let rest = String::from_utf8(wire.receive(usize::MAX)).expect("text");
        assert!(rest.starts_with("HTTP/1.1 408 "), "{rest}");
    }
}
