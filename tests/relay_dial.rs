//! Relay nodes that the hub dials itself: over sockets in memory, with a false clock.
//!
//! The other end is a server written out here by hand, byte by byte, or a second hub.

mod support;

use peerhub::Config;
use peerhub::net::Dial;
use std::net::{IpAddr, SocketAddr};
use support::memory_socket::Wire;
use support::test_hub::TestHub;
use support::test_peer::{Heard, TestPeer, server_frame};
use tungstenite::handshake::derive_accept_key;

const OWN: &str = "7777777777777777777777777777777777777777";
const REDIAL_MS: u64 = 100;

fn config(id: char, bootstrap: &[&str]) -> Config {
    let mut config = Config {
        nudge_interval_ms: 0,
        ping_interval_ms: 0,
        ..Config::default()
    };
    config.relay.id = Some(id.to_string().repeat(40));
    config.relay.bootstrap = bootstrap.iter().map(|&url| url.to_owned()).collect();
    config.relay.redial_ms = REDIAL_MS;
    config.check().expect("the settings are good");
    config
}

/// A hub that has begun to dial `ws://10.0.0.9:8000/relay?x`, and the other end of the connection.
struct Dialled {
    hub: TestHub,
    wire: Wire,
    received: Vec<u8>,
}

impl Dialled {
    fn new(config: Config) -> Dialled {
        let mut hub = TestHub::new(config, 1);
        let dial = next_dial(&mut hub).expect("the bootstrap node is dialled at once");
        Dialled::over(hub, dial)
    }

    fn over(mut hub: TestHub, dial: Dial) -> Dialled {
        let wire = hub.connect_dialled(dial, usize::MAX);
        let mut dialled = Dialled {
            hub,
            wire: wire.expect("there is room"),
            received: Vec::new(),
        };
        dialled.settle();
        dialled
    }

    fn settle(&mut self) {
        let Dialled {
            hub,
            wire,
            received,
        } = self;
        hub.settle(|_| {
            wire.arrive(usize::MAX);
            let bytes = wire.receive(usize::MAX);
            received.extend(&bytes);
            !bytes.is_empty()
        });
    }

    fn send(&mut self, bytes: &[u8]) {
        self.wire.send(bytes);
        self.settle();
    }

    /// The key of the request, which is taken off what was received.
    fn request(&mut self) -> String {
        let end = self.received.windows(4).position(|end| end == b"\r\n\r\n");
        let head: Vec<u8> = self.received.drain(..end.expect("a head") + 4).collect();
        let head = String::from_utf8(head).expect("an HTTP head");
        let (before, rest) = head
            .split_once("Sec-WebSocket-Key: ")
            .expect("there is a key");
        let (key, after) = rest.split_once("\r\n").expect("the line ends");
        assert_eq!(
            (before, after),
            (
                "GET /relay?x HTTP/1.1\r\nHost: 10.0.0.9:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
                "Sec-WebSocket-Version: 13\r\n\r\n"
            )
        );
        key.to_owned()
    }

    /// Opens the WebSocket; `with` comes in one piece with the answer.
    fn open(&mut self, with: &[u8]) {
        let key = self.request();
        let answer = [answer(&key).as_bytes(), with].concat();
        self.send(&answer);
    }

    /// The next frame's first byte and payload; it must be masked.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let (start, length) = match self.received[1] {
            length @ 0x80..0xfe => (2, usize::from(length & 0x7f)),
            0xfe => {
                let length = [self.received[2], self.received[3]];
                (4, usize::from(u16::from_be_bytes(length)))
            }
            other => panic!("a client's frame of this size is masked: {other:#x}"),
        };
        let frame: Vec<u8> = self.received.drain(..start + 4 + length).collect();
        let key = &frame[start..start + 4];
        let payload = frame[start + 4..].iter().zip(key.iter().cycle());
        (frame[0], payload.map(|(byte, key)| byte ^ key).collect())
    }

    fn text(&mut self) -> String {
        let (first, payload) = self.frame();
        assert_eq!(first, 0x81, "a text");
        String::from_utf8(payload).expect("a text is UTF-8")
    }

    /// Lets time pass until the hub dials again; how long that took.
    fn redialled(mut self) -> (u64, TestHub) {
        self.settle();
        let begun = self.hub.elapsed_ms();
        let next = next_dial(&mut self.hub).expect("a bootstrap node is dialled for ever");
        assert_eq!(next.url(), "ws://10.0.0.9:8000/relay?x");
        (self.hub.elapsed_ms() - begun, self.hub)
    }
}

const URL: &str = "ws://10.0.0.9:8000/relay?x";

/// The next wish to dial, after whatever time.
fn next_dial(hub: &mut TestHub) -> Option<Dial> {
    loop {
        hub.settle(|_| false);
        if let Some(dial) = hub.next_dial() {
            return Some(dial);
        }
        let next = hub.next_tick()?;
        hub.jump(next - hub.elapsed_ms());
        hub.tick();
    }
}

fn answer(key: &str) -> String {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

fn greeting(digit: char) -> Vec<u8> {
    server_frame(
        0x81,
        format!("\"{}\"", digit.to_string().repeat(40)).as_bytes(),
    )
}

#[test]
fn a_dialled_node_is_greeted_and_asked() {
    for with in [greeting('a'), Vec::new()] {
        let mut there = Dialled::new(config('7', &[URL]));
        there.open(&with);
        let own = ["119"; 20].join(",");
        assert_eq!(
            there.text(),
            format!(r#"{{"type":"Buffer","data":[{own}]}}"#)
        );
        if with.is_empty() {
            assert!(there.received.is_empty(), "its id has not come");
            there.send(&greeting('a'));
        }
        let question = there.text();
        let ask = format!(r#","data":{{"type":"findPeers","data":"{OWN}"}}}}"#);
        assert!(question.ends_with(&ask), "{question}");
        assert_eq!(there.hub.census().connections, 1);
    }
}

#[test]
fn messages_go_both_ways_and_pings_are_masked() {
    let mut there = Dialled::new(Config {
        ping_interval_ms: 1_000,
        ..config('7', &[URL])
    });
    there.open(&greeting('a'));
    there.text();
    there.text();
    let (from, target) = ("a".repeat(40), "a".repeat(40));
    let ask = format!(
        r#"{{"to":"{OWN}","from":"{from}","path":["{from}"],"nonce":"1","data":{{"type":"findPeers","data":"{target}"}}}}"#
    );
    there.send(&server_frame(0x81, ask.as_bytes()));
    let found = there.text();
    assert!(found.contains(r#""type":"foundPeers""#), "{found}");
    there.send(&server_frame(0x89, b"hello"));
    assert_eq!(there.frame(), (0x8a, b"hello".to_vec()), "a pong");
    let mut pings = 0;
    for _ in 0..5 {
        there.hub.jump(1_000);
        there.settle();
        while !there.received.is_empty() {
            assert_eq!(there.frame(), (0x89, Vec::new()), "a ping");
            pings += 1;
        }
        there.send(&server_frame(0x8a, b""));
    }
    assert!(pings >= 4, "{pings} pings in five intervals");
    there.send(&server_frame(0x88, &[3, 0xe8]));
    assert_eq!(there.frame(), (0x88, vec![3, 0xe8]), "a close is answered");
    there.redialled();
}

#[test]
fn masked_frames_of_a_server_are_refused() {
    let mut there = Dialled::new(config('7', &[URL]));
    there.open(&[]);
    there.text();
    there.send(&[0x81, 0x81, 0, 0, 0, 0, b'5']);
    let (first, payload) = there.frame();
    assert_eq!(
        (first, &payload[..2]),
        (0x88, [3, 0xea].as_slice()),
        "closed with 1002"
    );
}

/// Makes an answer for a request's key.
type Answer = fn(&str) -> String;

#[test]
fn what_is_no_websocket_is_dialled_again() {
    let good = |key: &str| answer(key);
    let answers: [(&str, Answer); 8] = [
        ("no HTTP", |_| "SSH-2.0-x\r\n".into()),
        ("another status", |_| {
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()
        }),
        ("a redirection", |_| {
            "HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n".into()
        }),
        ("another key", |_| answer("x")),
        ("no upgrade", |key| {
            answer(key).replace("Upgrade: websocket\r\n", "")
        }),
        ("no connection", |key| {
            answer(key).replace("keep-alive, Upgrade", "close")
        }),
        ("a sub-protocol", |key| {
            answer(key).replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: x\r\n\r\n")
        }),
        ("an extension", |key| {
            answer(key).replace(
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            )
        }),
    ];
    for (what, make) in answers {
        let mut there = Dialled::new(config('7', &[URL]));
        let key = there.request();
        assert_ne!(make(&key), good(&key));
        there.send(make(&key).as_bytes());
        assert!(there.wire.is_released(), "{what}");
        let (wait, _) = there.redialled();
        assert!(
            (REDIAL_MS..=REDIAL_MS * 5 / 4).contains(&wait),
            "{what}: {wait}"
        );
    }
}

#[test]
fn an_endless_answer_is_cut_off() {
    let mut config = config('7', &[URL]);
    config.limits.head_bytes = 1024;
    let mut there = Dialled::new(config);
    there.request();
    let endless = format!("HTTP/1.1 101 x\r\nA: {}", "b".repeat(1024));
    there.send(&endless.as_bytes()[..1023]);
    assert!(!there.wire.is_released());
    there.send(b"b");
    assert!(there.wire.is_released());
}

#[test]
fn who_does_not_answer_is_dialled_again() {
    for stage in 0..3 {
        let mut there = Dialled::new(config('7', &[URL]));
        match stage {
            0 => {}
            1 => there.send(b"HTTP/1.1 101 "),
            // The WebSocket is open, but no id comes.
            _ => there.open(&[]),
        }
        let silence = Config::default().handshake_timeout_ms;
        for end in [silence - 10, 20] {
            there.hub.jump(end);
            there.settle();
        }
        // A WebSocket is closed with a word, and its other side's is awaited.
        there.hub.jump(Config::default().close_timeout_ms + 10);
        there.settle();
        assert!(there.wire.is_released(), "stage {stage}");
        there.redialled();
    }
}

#[test]
fn a_lost_node_is_dialled_ever_less_often_but_for_ever() {
    let mut hub = TestHub::new(config('7', &[URL]), 1);
    let mut waits = Vec::new();
    for _ in 0..10 {
        let begun = hub.elapsed_ms();
        let dial = next_dial(&mut hub).expect("it is dialled for ever");
        waits.push(hub.elapsed_ms() - begun);
        hub.miss(dial);
    }
    assert_eq!(waits[0], 0);
    for (place, wait) in waits[1..].iter().enumerate() {
        let middle = REDIAL_MS << place.min(5);
        let around = (middle * 3 / 4).max(REDIAL_MS)..=(middle * 5 / 4).min(32 * REDIAL_MS);
        assert!(around.contains(wait), "wait {place} is {wait}");
    }
    assert!(
        waits.iter().any(|wait| wait % REDIAL_MS != 0),
        "not all at once: {waits:?}"
    );
    // Once it was there for long enough, a loss is like the first.
    let dial = next_dial(&mut hub).expect("it is dialled for ever");
    let mut there = Dialled::over(hub, dial);
    there.open(&greeting('a'));
    there.hub.jump(33 * REDIAL_MS);
    there.wire.reset();
    let (wait, _) = there.redialled();
    assert!((REDIAL_MS..=REDIAL_MS * 5 / 4).contains(&wait), "{wait}");
}

#[test]
fn every_address_of_a_name_is_tried() {
    let mut hub = TestHub::new(config('7', &["ws://relay.example/"]), 1);
    let mut dial = next_dial(&mut hub).expect("it is dialled");
    assert_eq!(dial.unknown_host(), Some(("relay.example", 80)));
    let address = |last| SocketAddr::from(([10, 0, 0, last], 80));
    dial.found((1..=20).map(address).collect());
    assert_eq!(dial.unknown_host(), None);
    for last in 1..=8 {
        let wire = hub
            .connect_dialled(dial, usize::MAX)
            .expect("there is room");
        hub.settle(|_| false);
        wire.reset();
        wire.arrive(0);
        let begun = hub.elapsed_ms();
        dial = next_dial(&mut hub).expect("there is another address, or another time");
        assert_eq!(hub.elapsed_ms() > begun, last == 8, "address {last}");
    }
    assert!(
        dial.unknown_host().is_some(),
        "the next time it is looked up anew"
    );
}

#[test]
fn urls_that_lead_nowhere_are_no_ones_trouble() {
    // What the settings let through may still be no URL; it is logged and tried again like a node that is away.
    let endless = format!("ws://10.0.0.9/{}", "x".repeat(3_000));
    let mut hub = TestHub::new(config('7', &[&endless]), 1);
    hub.settle(|_| false);
    assert!(hub.next_dial().is_none());
    let next = hub.next_tick().expect("it is tried again");
    assert!((REDIAL_MS..=2 * REDIAL_MS).contains(&next), "{next}");
}

#[test]
fn a_dialled_connection_takes_a_place() {
    let mut config = config('7', &[URL]);
    config.limits.connections = 1;
    let mut hub = TestHub::new(config, 1);
    let dial = next_dial(&mut hub).expect("it is dialled");
    let wire = hub.connect(IpAddr::from([10, 0, 0, 1]), usize::MAX);
    hub.settle(|_| false);
    assert!(wire.is_some());
    assert!(
        hub.connect_dialled(dial, usize::MAX).is_none(),
        "there is no place left"
    );
    assert!(next_dial(&mut hub).is_some(), "it is tried again later");
}

#[test]
fn a_hub_that_takes_leave_dials_nobody() {
    let mut there = Dialled::new(config('7', &[URL, "ws://10.0.0.8/"]));
    there.hub.drain();
    there.settle();
    assert!(there.wire.is_released(), "what is not open is dropped");
    there.hub.jump(100 * REDIAL_MS);
    there.settle();
    assert!(there.hub.next_dial().is_none());
}

#[test]
fn learnt_urls_are_dialled_once_and_within_bounds() {
    let mut config = config('7', &[]);
    config.relay.dials = 2;
    let mut hub = TestHub::new(config, 1);
    let wire = hub
        .connect(IpAddr::from([10, 0, 0, 1]), usize::MAX)
        .expect("there is room");
    let mut peer = TestPeer::new(wire, "/peer-relay");
    let mut talk = |hub: &mut TestHub, text: String| {
        peer.say(&text);
        hub.settle(|_| {
            peer.wire().arrive(usize::MAX);
            !peer.pump(usize::MAX).is_empty()
        });
    };
    let me = "a".repeat(40);
    let others: Vec<String> = (1..=5).map(|digit| format!("{digit}").repeat(40)).collect();
    talk(&mut hub, format!("\"{me}\""));
    let say = |from: &str, nonce: usize, data: String| {
        format!(
            r#"{{"to":"{OWN}","from":"{from}","path":["{from}","{me}"],"nonce":"{nonce}","data":{data}}}"#
        )
    };
    let answer = |from: &str, nonce: usize, url: &str| {
        say(
            from,
            nonce,
            format!(r#"{{"type":"handshake-answer","data":{{"ws":"{url}","wrtc":false}}}}"#),
        )
    };
    talk(&mut hub, answer(&others[0], 1, "ws://10.0.0.1/"));
    assert!(hub.next_dial().is_none(), "nobody has asked it");
    talk(
        &mut hub,
        say(
            &me,
            2,
            format!(r#"{{"type":"foundPeers","data":{others:?}}}"#),
        ),
    );
    talk(
        &mut hub,
        say(
            &me,
            3,
            format!(r#"{{"type":"foundPeers","data":{others:?}}}"#),
        ),
    );
    talk(
        &mut hub,
        say(
            &me,
            4,
            format!(r#"{{"type":"foundPeers","data":{others:?}}}"#),
        ),
    );
    talk(&mut hub, answer(&others[0], 5, "wss://10.0.0.1/"));
    assert!(hub.next_dial().is_none(), "TLS is not spoken");
    for (place, other) in others.iter().enumerate().skip(1) {
        talk(
            &mut hub,
            answer(other, 10 + place, &format!("ws://10.0.0.{place}/")),
        );
        talk(&mut hub, answer(other, 20 + place, "ws://10.0.0.99/"));
    }
    let first = hub.next_dial().expect("the first that answered");
    let second = hub.next_dial().expect("the second that answered");
    assert_eq!(
        (first.url(), second.url()),
        ("ws://10.0.0.1/", "ws://10.0.0.2/")
    );
    assert!(hub.next_dial().is_none(), "two are dialled at a time");
    hub.miss(first);
    hub.miss(second);
    hub.settle(|_| false);
    hub.jump(3_600_000);
    hub.settle(|_| false);
    assert!(hub.next_dial().is_none(), "a learnt URL is dialled once");
}

/// Two hubs in one network, and what is between them.
struct Pair {
    hubs: [TestHub; 2],
    /// The ends of the connections between them: the dialling hub's first.
    lines: Vec<(Wire, Wire)>,
    peers: [Vec<TestPeer>; 2],
    heard: [Vec<Vec<String>>; 2],
}

impl Pair {
    fn new(configs: [Config; 2]) -> Pair {
        let mut seed = 0;
        Pair {
            hubs: configs.map(|config| {
                seed += 1;
                TestHub::new(config, seed)
            }),
            lines: Vec::new(),
            peers: [Vec::new(), Vec::new()],
            heard: [Vec::new(), Vec::new()],
        }
    }

    /// Both come to rest, connected to whom they dial: each dials only the other, or at 10.0.0.1 itself.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for side in [0, 1] {
                self.hubs[side].settle(|_| false);
                while let Some(dial) = self.hubs[side].next_dial() {
                    let other = if dial.url() == "ws://10.0.0.1/peer-relay" {
                        side
                    } else {
                        1 - side
                    };
                    let near = self.hubs[side].connect_dialled(dial, usize::MAX);
                    let far = self.hubs[other].connect(IpAddr::from([10, 9, 0, 1]), usize::MAX);
                    self.lines.push((near.expect("room"), far.expect("room")));
                    moved = true;
                }
                for (peer, heard) in self.peers[side].iter_mut().zip(&mut self.heard[side]) {
                    peer.wire().arrive(usize::MAX);
                    for message in peer.pump(usize::MAX) {
                        moved = true;
                        if let Heard::Text(text) = message {
                            heard.push(text);
                        }
                    }
                }
                moved |= !self.hubs[side].is_at_rest();
            }
            for (near, far) in &self.lines {
                for (from, to) in [(near, far), (far, near)] {
                    let bytes = from.receive(usize::MAX);
                    moved |= !bytes.is_empty();
                    to.send(&bytes);
                    if from.is_over() && !to.is_ended() {
                        to.end();
                        moved = true;
                    }
                    to.arrive(usize::MAX);
                }
            }
            self.lines
                .retain(|(near, far)| !(near.is_released() && far.is_released()));
            if !moved {
                return;
            }
        }
    }

    fn advance(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(50) {
            for hub in &mut self.hubs {
                hub.jump(50);
                hub.tick();
            }
            self.settle();
        }
    }

    /// A peer with this id on one of the hubs.
    fn join(&mut self, side: usize, id: char) -> usize {
        let wire = self.hubs[side].connect(IpAddr::from([10, 0, 0, 1]), usize::MAX);
        let mut peer = TestPeer::new(wire.expect("there is room"), "/peer-relay");
        peer.say(&format!("\"{}\"", id.to_string().repeat(40)));
        self.peers[side].push(peer);
        self.heard[side].push(Vec::new());
        self.settle();
        self.peers[side].len() - 1
    }

    /// How often the peer `to` of one side hears what the peer `from` of the other sends it.
    fn tell(&mut self, side: usize, from: (usize, char), to: (usize, char), nonce: u64) -> usize {
        let [from_id, to_id] = [from.1, to.1].map(|id| id.to_string().repeat(40));
        let text = format!(
            r#"{{"to":"{to_id}","from":"{from_id}","path":["{from_id}"],"nonce":"{nonce}","data":"{nonce}"}}"#
        );
        self.peers[side][from.0].say(&text);
        self.settle();
        let wanted = format!("\"data\":\"{nonce}\"");
        let heard = &self.heard[1 - side][to.0];
        heard.iter().filter(|text| text.contains(&wanted)).count()
    }
}

#[test]
fn two_hubs_are_one_network() {
    let both = ["ws://10.0.0.9/peer-relay"];
    let one_dials: [&[&str]; 2] = [&[], &both];
    let both_dial: [&[&str]; 2] = [&both, &both];
    for (bootstraps, what) in [(one_dials, "one dials"), (both_dial, "both dial")] {
        for ids in [['3', 'c'], ['c', '3']] {
            let configs = [0, 1].map(|side| config(ids[side], bootstraps[side]));
            let mut pair = Pair::new(configs);
            let ann = (pair.join(0, 'a'), 'a');
            let bob = (pair.join(1, 'b'), 'b');
            pair.settle();
            pair.advance(20_000);
            assert_eq!(pair.lines.len(), 1, "{what}: one connection is left");
            assert_eq!(pair.tell(0, ann, bob, 1), 1, "{what}");
            assert_eq!(pair.tell(1, bob, ann, 2), 1, "{what}");
            let (near, far) = pair.lines[0].clone();
            near.reset();
            far.reset();
            near.arrive(0);
            far.arrive(0);
            pair.settle();
            pair.advance(10_000);
            assert_eq!(pair.lines.len(), 1, "{what}: connected again");
            assert_eq!(pair.tell(0, ann, bob, 3), 1, "{what}");
            assert_eq!(pair.tell(1, bob, ann, 4), 1, "{what}");
            pair.hubs
                .iter()
                .for_each(|hub| assert_eq!(hub.census().faults, 0));
        }
    }
}

#[test]
fn a_hub_leaves_its_own_url_alone() {
    let own = config('7', &["ws://10.0.0.1/peer-relay"]);
    let mut pair = Pair::new([own, config('8', &[])]);
    pair.settle();
    pair.advance(5_000);
    let census = pair.hubs[0].census();
    assert_eq!(census.connections, 0);
    assert_eq!(census.faults, 2, "noticed at both ends");
    pair.advance(500_000);
    let faults = pair.hubs[0].census().faults;
    assert_eq!(faults, 2, "not dialled again for long");
    pair.advance(100_000);
    let faults = pair.hubs[0].census().faults;
    assert_eq!(faults, 4, "the URL may lead elsewhere by now");
}
