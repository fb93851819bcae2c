//! Every bound of peer-relay through the whole tick: what is just within it passes, what is just beyond it meets the bound
//! and nobody else.

mod support;

use peerhub::Config;
use std::net::IpAddr;
use support::test_hub::TestHub;
use support::test_peer::{Heard, TestPeer};

const OWN: char = '7';

fn id(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// A hub and nodes connected to it, each named by its id's digit.
struct Network {
    hub: TestHub,
    nodes: Vec<(char, TestPeer, Vec<Heard>)>,
    nonce: u32,
}

impl Network {
    fn new(set: impl FnOnce(&mut Config)) -> Network {
        let mut config = Config {
            nudge_interval_ms: 0,
            ping_interval_ms: 0,
            ..Config::default()
        };
        config.relay.id = Some(id(OWN));
        set(&mut config);
        config.check().expect("the settings are good");
        Network {
            hub: TestHub::new(config, 1),
            nodes: Vec::new(),
            nonce: 0,
        }
    }

    /// Connects; the node's id is not told.
    fn connect(&mut self, name: char) {
        self.connect_over(name, usize::MAX);
    }

    /// The same with room for so many bytes on the way to it.
    fn connect_over(&mut self, name: char, window: usize) {
        let wire = self.hub.connect(IpAddr::from([10, 0, 0, 1]), window);
        let peer = TestPeer::new(wire.expect("there is room"), "/peer-relay");
        self.nodes.push((name, peer, Vec::new()));
        self.settle();
    }

    fn join(&mut self, name: char) {
        self.connect(name);
        self.say(name, &format!("\"{}\"", id(name)));
        self.told(name);
    }

    fn settle(&mut self) {
        let Network { hub, nodes, .. } = self;
        hub.settle(|_| {
            let mut moved = false;
            for (_, peer, heard) in nodes.iter_mut() {
                peer.wire().arrive(usize::MAX);
                let news = peer.pump(usize::MAX);
                moved |= !news.is_empty();
                heard.extend(news);
            }
            moved
        });
    }

    fn say(&mut self, name: char, text: &str) {
        let node = self.nodes.iter_mut().find(|node| node.0 == name);
        node.expect("it is there").1.say(text);
        self.settle();
    }

    /// Sends a message with this nonce and these data.
    fn send(&mut self, from: char, to: char, nonce: &str, data: &str) {
        let (from_id, to_id) = (id(from), id(to));
        self.say(
            from,
            &format!(
                r#"{{"to":"{to_id}","from":"{from_id}","path":["{from_id}"],"nonce":"{nonce}","data":"{data}"}}"#
            ),
        );
    }

    /// What a node was told since it was last asked.
    fn told(&mut self, name: char) -> Vec<Heard> {
        let node = self.nodes.iter_mut().find(|node| node.0 == name);
        std::mem::take(&mut node.expect("it is there").2)
    }

    /// The `data` of the messages of others that a node was told.
    fn data(&mut self, name: char) -> Vec<String> {
        let of_the_hub = format!(r#""from":"{}""#, id(OWN));
        let mut data = Vec::new();
        for heard in self.told(name) {
            let Heard::Text(text) = heard else {
                panic!("{name} hears {heard:?}");
            };
            if !text.contains(&of_the_hub) {
                let (_, rest) = text.split_once(r#""data":""#).expect("it has data");
                data.push(rest.trim_end_matches("\"}").to_owned());
            }
        }
        data
    }

    fn reads(&mut self, name: char, reads: bool) {
        let node = self.nodes.iter_mut().find(|node| node.0 == name);
        node.expect("it is there").1.reads = reads;
        self.settle();
    }

    /// Two others talk as ever.
    fn talk(&mut self, one: char, other: char) {
        self.nonce += 1;
        let nonce = format!("9{}", self.nonce);
        self.send(one, other, &nonce, "hello");
        assert_eq!(self.data(other), ["hello"]);
    }
}

#[test]
fn nonces() {
    // The node itself has asked either of them something, under a nonce of its own.
    for (more, expected) in [(2, vec![]), (3, vec!["again"])] {
        let mut network = Network::new(|config| config.relay.nonces = 3);
        network.join('a');
        network.join('b');
        network.send('a', 'b', "0", "first");
        for nonce in 1..=more {
            network.send('a', 'b', &nonce.to_string(), "more");
        }
        assert_eq!(network.data('b').len(), 1 + more);
        network.send('a', 'b', "0", "again");
        assert_eq!(network.data('b'), expected, "after {more} more");
        network.talk('a', 'b');
    }
}

#[test]
fn ways() {
    for (most, is_known) in [(1, false), (2, true)] {
        let mut network = Network::new(|config| config.relay.paths = most);
        for name in ['1', '2', '3', 'b'] {
            network.join(name);
        }
        // Both f and e are behind b, from which 1, 2 and 3 are farther away.
        for (far, nonce) in [('f', "1"), ('e', "2")] {
            let (far, near, to) = (id(far), id('b'), id('1'));
            network.say(
                'b',
                &format!(r#"{{"to":"{to}","from":"{far}","path":["{far}","{near}"],"nonce":"{nonce}","data":0}}"#),
            );
        }
        let asks = format!(r#"{{"type":"findPeers","data":"{}"}}"#, id('f'));
        let (own, one) = (id(OWN), id('1'));
        network.told('1');
        network.say(
            '1',
            &format!(
                r#"{{"to":"{own}","from":"{one}","path":["{one}"],"nonce":"3","data":{asks}}}"#
            ),
        );
        let told = format!("{:?}", network.told('1'));
        assert_eq!(told.contains(&id('f')), is_known, "{most} ways: {told}");
        assert!(told.contains(&id('e')), "{told}");
        network.talk('2', '3');
    }
}

#[test]
fn waiting_messages() {
    let text_bytes = 200;
    for (most, bytes, expected) in [
        (2, 1 << 20, vec!["two", "three"]),
        (3, 1 << 20, vec!["one", "two", "three"]),
        (9, 1024, vec!["two", "three"]),
    ] {
        let mut network = Network::new(|config| {
            config.relay.waiting = most;
            config.relay.waiting_bytes = bytes;
        });
        network.join('a');
        network.connect('b');
        let padding = if bytes == 1024 { text_bytes } else { 0 };
        for (nonce, data) in [("1", "one"), ("2", "two"), ("3", "three")] {
            network.send('a', 'b', nonce, &format!("{data}{}", " ".repeat(padding)));
        }
        network.told('b');
        network.say('b', &format!("\"{}\"", id('b')));
        let heard: Vec<String> = network
            .data('b')
            .iter()
            .map(|data| data.trim().to_owned())
            .collect();
        assert_eq!(heard, expected, "{most} messages, {bytes} bytes");
        network.talk('a', 'b');
    }
}

#[test]
fn paths_and_bad_messages() {
    let mut network = Network::new(|_| {});
    network.join('a');
    network.join('b');
    let message = |hops: usize, nonce: &str| {
        let path = vec![format!("\"{}\"", id('c')); hops].join(",");
        format!(
            r#"{{"to":"{}","from":"{}","path":[{path}],"nonce":"{nonce}","data":"far"}}"#,
            id('b'),
            id('a')
        )
    };
    network.say('a', &message(19, "1"));
    assert_eq!(network.data('b'), ["far"]);
    network.say('a', &message(20, "2"));
    assert_eq!(network.hub.census().faults, 0);
    network.say('a', &message(21, "3"));
    assert_eq!(network.hub.census().faults, 1);
    network.say('a', &message(10_000, "4"));
    network.say('a', &message(1, &"5".repeat(65)));
    network.say('a', &"[".repeat(200_000));
    assert_eq!(network.hub.census().faults, 4);
    network.say('a', &message(1, &"5".repeat(64)));
    assert_eq!(network.data('b'), ["far"]);
    assert!(network.told('a').is_empty(), "there are no words for it");
    network.talk('a', 'b');
}

#[test]
fn message_bytes() {
    let mut network = Network::new(|config| config.limits.message_bytes = 4096);
    for name in ['a', 'b', 'c'] {
        network.join(name);
    }
    network.send('a', 'b', "1", "");
    let empty = network.told('b');
    let Some(Heard::Text(empty)) = empty.first() else {
        panic!("a message comes: {empty:?}");
    };
    // The hub's own id and a comma came into the path on the way.
    let room = 4096 - (empty.len() - 43);
    network.send('a', 'b', "2", &"x".repeat(room));
    assert_eq!(network.data('b')[0].len(), room);
    network.send('a', 'b', "3", &"x".repeat(room + 1));
    let told = network.told('a');
    assert!(
        matches!(&told[..], [Heard::Close(Some(1009), _), ..]),
        "{told:?}"
    );
    network.talk('b', 'c');
}

#[test]
fn connections_of_one_node() {
    // With the higher id, the hub leaves one more connection of a node alone, and no second one.
    let mut network = Network::new(|config| config.relay.id = Some(id('f')));
    network.join('a');
    network.join('b');
    for name in ['c', 'd', 'e'] {
        network.connect(name);
        network.told(name);
        network.say(name, &format!("\"{}\"", id('a')));
    }
    assert!(network.told('c').is_empty());
    for name in ['d', 'e'] {
        let told = network.told(name);
        assert!(
            matches!(&told[..], [Heard::Close(Some(1000), _), ..]),
            "{told:?}"
        );
    }
    network.talk('b', 'a');
}

#[test]
fn time_for_a_greeting() {
    let mut network = Network::new(|config| config.handshake_timeout_ms = 500);
    network.join('a');
    network.join('b');
    for _ in 0..200 {
        network.connect('c');
    }
    assert_eq!(network.hub.census().connections, 202);
    network.hub.jump(510);
    network.settle();
    network.hub.jump(510);
    network.settle();
    assert_eq!(network.hub.census().connections, 2);
    network.talk('a', 'b');
}

/// A search for near nodes is much work for a small message: very many in one read were once worked off in one turn.
#[test]
fn searches() {
    const SEARCHES: usize = 400;
    let mut network = Network::new(|_| {});
    network.join('a');
    let (own, a) = (id(OWN), id('a'));
    let (_, peer, heard) = &mut network.nodes[0];
    for nonce in 0..SEARCHES {
        peer.say(&format!(
            r#"{{"to":"{own}","from":"{a}","path":["{a}"],"nonce":"{nonce}","data":{{"type":"findPeers","data":"{a}"}}}}"#
        ));
    }
    peer.wire().arrive(usize::MAX);
    network.hub.tick();
    heard.extend(peer.pump(usize::MAX));
    let answers = heard.len();
    assert!(0 < answers && answers < SEARCHES, "{answers} in one tick");
    network.settle();
    assert_eq!(network.told('a').len(), SEARCHES);
}

#[test]
fn what_is_passed_on_to_a_slow_node() {
    for (drop_first, expected) in [("relayed", 2), ("nudges", 20)] {
        let mut network = Network::new(|config| {
            config.limits.soft_queue_bytes = 4_000;
            config.drop_first = vec![drop_first.to_owned()];
        });
        network.join('a');
        network.connect_over('b', 1_000);
        network.say('b', &format!("\"{}\"", id('b')));
        network.told('b');
        network.reads('b', false);
        for nonce in 0..20 {
            network.send('a', 'b', &nonce.to_string(), &"x".repeat(3_000));
        }
        assert_eq!(network.hub.census().dropped, 20 - expected);
        network.reads('b', true);
        assert_eq!(network.data('b').len() as u64, expected);
        network.talk('a', 'b');
    }
}
