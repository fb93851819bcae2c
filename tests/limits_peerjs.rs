//! Every bound of the PeerJS world: what is just within it passes, what is just beyond it meets the bound and nobody else;
//! and the one thing that only the net room can tell, a destination that ends in the same tick.
//!
//! Over false sockets and a false clock; each tick is followed by the full sweep over what must always hold.

mod support;

use peerhub::Config;
use peerhub::config::PeerJs;
use std::net::IpAddr;
use support::test_hub::TestHub;
use support::test_peer::{Heard, TestPeer};

const ANYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

struct Room {
    hub: TestHub,
}

impl Room {
    fn new(peerjs: PeerJs) -> Room {
        let config = Config {
            peerjs,
            ping_interval_ms: 0,
            nudge_interval_ms: 0,
            ..Config::default()
        };
        Room {
            hub: TestHub::new(config, 1),
        }
    }

    fn settle(&mut self, peers: &[&TestPeer]) {
        for peer in peers {
            peer.wire().arrive(usize::MAX);
        }
        self.hub.settle(|_| false);
    }

    /// Opens a WebSocket; what the hub says to that.
    fn open(&mut self, key: &str, id: &str, token: &str) -> (TestPeer, Vec<String>) {
        let wire = self.hub.connect(ANYWHERE, 1 << 20).expect("there is room");
        let mut peer = TestPeer::new(wire, &format!("/peerjs?key={key}&id={id}&token={token}"));
        self.settle(&[&peer]);
        let told = told(&mut peer);
        (peer, told)
    }

    /// A client that is registered.
    fn join(&mut self, id: &str) -> TestPeer {
        let (peer, told) = self.open("peerjs", id, "t");
        assert_eq!(told, [OPEN], "{id}");
        peer
    }

    /// Sends an offer of so many bytes as they wait; what the hub says to that.
    fn offer(&mut self, peer: &mut TestPeer, src: &str, dst: &str, bytes: usize) -> Vec<String> {
        let rest = offer(src, dst, "").len();
        let payload = "x".repeat(bytes.saturating_sub(rest));
        peer.say(&offer(src, dst, &payload));
        self.settle(&[peer]);
        told(peer)
    }

    /// Posts an offer; the status of the answer.
    fn post(&mut self, src: &str, bytes: usize) -> u16 {
        let wire = self.hub.connect(ANYWHERE, 1 << 20).expect("there is room");
        let rest = offer(src, "dst", "").len();
        let body = offer(src, "dst", &"x".repeat(bytes.saturating_sub(rest)));
        let mut peer = TestPeer::of_request(wire, "POST", &format!("/peerjs/{src}/t/offer"), &body);
        self.settle(&[&peer]);
        match &peer.pump(usize::MAX)[0] {
            Heard::Answer(status, _) => *status,
            other => panic!("{other:?}"),
        }
    }
}

const OPEN: &str = r#"{"type":"OPEN"}"#;

fn offer(src: &str, dst: &str, payload: &str) -> String {
    format!(r#"{{"type":"OFFER","src":"{src}","dst":"{dst}","payload":"{payload}"}}"#)
}

fn expired(src: &str, dst: &str) -> String {
    format!(r#"{{"type":"EXPIRE","src":"{src}","dst":"{dst}"}}"#)
}

/// What a peer has been told since the last time.
fn told(peer: &mut TestPeer) -> Vec<String> {
    let heard = peer.pump(usize::MAX).into_iter();
    heard
        .map(|one| match one {
            Heard::Text(text) => text,
            Heard::Close(None, _) => "closed".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn clients() {
    let mut room = Room::new(PeerJs {
        concurrent_limit: 2,
        keys: vec!["one".to_owned(), "two".to_owned()],
        ..PeerJs::default()
    });
    let (_one, told_one) = room.open("one", "a", "t");
    let (two, told_two) = room.open("two", "a", "t");
    assert_eq!([told_one, told_two], [[OPEN], [OPEN]]);
    let full =
        r#"{"type":"ERROR","payload":{"msg":"Server has reached its concurrent user limit"}}"#;
    for key in ["one", "two"] {
        let (refused, told) = room.open(key, "b", "t");
        assert_eq!(told, [full, "closed"]);
        room.settle(&[&refused]);
    }
    two.wire().reset();
    room.settle(&[&two]);
    let (_three, told) = room.open("one", "b", "t");
    assert_eq!(told, [OPEN]);
}

#[test]
fn messages_of_one_sender() {
    let mut room = Room::new(PeerJs {
        waiting_per_sender: 2,
        ..PeerJs::default()
    });
    let (mut one, mut two) = (room.join("one"), room.join("two"));
    assert_eq!(room.offer(&mut one, "one", "x", 0), NOTHING);
    assert_eq!(room.offer(&mut one, "one", "y", 0), NOTHING);
    // Once for each destination, at once; and nothing more when what waited there before is over.
    assert_eq!(room.offer(&mut one, "one", "x", 0), [expired("x", "one")]);
    assert_eq!(room.offer(&mut one, "one", "z", 0), [expired("z", "one")]);
    assert_eq!(room.offer(&mut one, "one", "z", 0), NOTHING);
    assert_eq!(room.offer(&mut two, "two", "z", 0), NOTHING);
    room.hub.advance(4_999, |_| false);
    let (_x, told_x) = room.open("peerjs", "x", "t");
    assert_eq!(told_x, [OPEN, &offer("one", "x", "")]);
    assert_eq!(room.offer(&mut one, "one", "w", 0), NOTHING);
    room.hub.advance(1, |_| false);
    assert_eq!(told(&mut one), [expired("y", "one")]);
    assert_eq!(told(&mut two), [expired("z", "two")]);
}

#[test]
fn a_newcomer_owes_nothing_for_who_had_its_id() {
    let mut room = Room::new(PeerJs {
        waiting_per_sender: 1,
        ..PeerJs::default()
    });
    let mut one = room.join("one");
    assert_eq!(room.offer(&mut one, "one", "x", 0), NOTHING);
    one.wire().reset();
    room.settle(&[&one]);
    let (mut one, opened) = room.open("peerjs", "one", "another");
    assert_eq!(opened, [OPEN]);
    assert_eq!(room.offer(&mut one, "one", "y", 0), NOTHING);
    assert_eq!(room.offer(&mut one, "one", "z", 0), [expired("z", "one")]);
    let (_x, told_x) = room.open("peerjs", "x", "t");
    assert_eq!(told_x, [OPEN, &offer("one", "x", "")]);
    room.hub.advance(5_000, |_| false);
    assert_eq!(told(&mut one), [expired("y", "one")]);
}

#[test]
fn messages_for_one_destination() {
    let mut room = Room::new(PeerJs {
        waiting_per_destination: 2,
        ..PeerJs::default()
    });
    let (mut one, mut two) = (room.join("one"), room.join("two"));
    assert_eq!(room.offer(&mut one, "one", "x", 0), NOTHING);
    assert_eq!(room.offer(&mut two, "two", "x", 0), NOTHING);
    assert_eq!(room.offer(&mut two, "two", "x", 0), [expired("x", "two")]);
    assert_eq!(room.offer(&mut two, "two", "y", 0), NOTHING);
    let (_x, told_x) = room.open("peerjs", "x", "t");
    assert_eq!(
        told_x,
        [OPEN, &offer("one", "x", ""), &offer("two", "x", "")]
    );
}

#[test]
fn messages_in_all() {
    let mut room = Room::new(PeerJs {
        waiting: 3,
        ..PeerJs::default()
    });
    let (mut one, mut two) = (room.join("one"), room.join("two"));
    assert_eq!(room.offer(&mut one, "one", "x", 0), NOTHING);
    assert_eq!(room.offer(&mut two, "two", "y", 0), NOTHING);
    assert_eq!(room.post("three", 0), 200);
    assert_eq!(room.post("four", 0), 503);
    assert_eq!(room.offer(&mut two, "two", "z", 0), [expired("z", "two")]);
    assert_eq!(
        room.open("peerjs", "y", "t").1,
        [OPEN, &offer("two", "y", "")]
    );
    // What was told is told again once it has had time to be forgotten.
    room.hub.advance(5_000, |_| false);
    assert_eq!(told(&mut one), [expired("x", "one")]);
    for dst in ["u", "v", "w"] {
        assert_eq!(room.offer(&mut one, "one", dst, 0), NOTHING);
    }
    assert_eq!(room.offer(&mut two, "two", "z", 0), [expired("z", "two")]);
}

#[test]
fn bytes_of_one_sender() {
    let mut room = Room::new(PeerJs {
        waiting_bytes_per_sender: 1_024,
        ..PeerJs::default()
    });
    let (mut one, mut two) = (room.join("one"), room.join("two"));
    assert_eq!(room.offer(&mut one, "one", "x", 500), NOTHING);
    assert_eq!(room.offer(&mut one, "one", "y", 524), NOTHING);
    assert_eq!(room.offer(&mut one, "one", "z", 0), [expired("z", "one")]);
    assert_eq!(
        room.offer(&mut two, "two", "z", 1_025),
        [expired("z", "two")]
    );
    assert_eq!(room.offer(&mut two, "two", "y", 1_024), NOTHING);
    // One that posts is a sender too.
    assert_eq!(room.post("three", 1_025), 503);
    assert_eq!(room.post("three", 1_000), 200);
    assert_eq!(room.post("three", 0), 503);
    assert_eq!(room.post("four", 0), 200);
}

#[test]
fn bytes_in_all() {
    let mut room = Room::new(PeerJs {
        waiting_bytes: 2_048,
        waiting_bytes_per_sender: 1_024,
        ..PeerJs::default()
    });
    let (mut one, mut two) = (room.join("one"), room.join("two"));
    assert_eq!(room.offer(&mut one, "one", "x", 1_000), NOTHING);
    assert_eq!(room.post("three", 500), 200);
    // The names of the queues count too: "x", "y", and "5:threet" of an author and his token.
    assert_eq!(room.offer(&mut two, "two", "y", 539), [expired("y", "two")]);
    assert_eq!(room.offer(&mut two, "two", "y", 538), NOTHING);
    assert_eq!(room.post("four", 0), 503);
    room.hub.advance(5_000, |_| false);
    assert_eq!(room.post("four", 1_000), 200);
}

#[test]
fn messages_of_one_that_posts() {
    for (per_sender, per_destination) in [(2, 1_000), (1_000, 2)] {
        let mut room = Room::new(PeerJs {
            waiting_per_sender: per_sender,
            waiting_per_destination: per_destination,
            ..PeerJs::default()
        });
        let statuses = [(); 3].map(|()| room.post("one", 0));
        assert_eq!(statuses, [200, 200, 503]);
        assert_eq!(room.post("two", 0), 200);
        let mut dst = room.join("dst");
        let (_one, opened) = room.open("peerjs", "one", "t");
        assert_eq!(opened, [OPEN]);
        let offer = offer("one", "dst", "");
        assert_eq!(told(&mut dst), [offer.as_str(), &offer]);
    }
}

#[test]
fn destinations_of_which_a_client_was_told() {
    let mut room = Room::new(PeerJs {
        waiting: 1,
        ..PeerJs::default()
    });
    let mut one = room.join("one");
    assert_eq!(room.offer(&mut one, "one", "x", 0), NOTHING);
    for number in 0..17 {
        let dst = format!("d{number}");
        for expected in [vec![expired(&dst, "one")], Vec::new()] {
            assert_eq!(room.offer(&mut one, "one", &dst, 0), expected);
        }
    }
    // Sixteen are remembered; the first is not among them any more.
    assert_eq!(room.offer(&mut one, "one", "d1", 0), NOTHING);
    assert_eq!(room.offer(&mut one, "one", "d0", 0), [expired("d0", "one")]);
}

#[test]
fn a_message_to_one_who_is_just_ending_is_answered() {
    let mut room = Room::new(PeerJs::default());
    let leave = r#"{"type":"LEAVE","src":"b","dst":"a"}"#;
    for is_first in [true, false] {
        let (mut a, mut b) = (room.join("a"), room.join("b"));
        let say = |a: &mut TestPeer| {
            a.say(&offer("a", "b", ""));
            a.wire().arrive(usize::MAX);
        };
        let close = |b: &mut TestPeer| {
            b.send_frame(0x88, &1_000_u16.to_be_bytes());
            b.wire().arrive(usize::MAX);
        };
        // Both edges come in one tick, and connections are read in the order in which they came.
        if is_first {
            say(&mut a);
            close(&mut b);
        } else {
            drop(std::mem::replace(&mut a, room.open("peerjs", "a", "t").0));
            say(&mut a);
            close(&mut b);
        }
        room.hub.settle(|_| false);
        match is_first {
            true => assert_eq!(told(&mut a), NOTHING, "it was sent before the end came"),
            false => assert_eq!(told(&mut a), [leave]),
        }
        a.wire().reset();
        room.settle(&[&a, &b]);
    }
}
