//! TLS under the real tick phases, over false sockets and a false clock: torn, cut short, flooded and broken.

mod support;
#[path = "support/tls.rs"]
mod tls;

use peerhub::Config;
use peerhub::config::ProxyProtocol;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection};
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;
use support::memory_socket::Wire;
use support::test_hub::TestHub;
use support::test_peer::{Heard, TestPeer};
use support::{Dice, for_each_seed};
use tls::{Issued, client, client_config};

const ANYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const UPGRADE: &[u8] =
    b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn echoing() -> Config {
    Config {
        echo: true,
        ..Config::default()
    }
}

fn secured(config: Config, issued: &Issued) -> TestHub {
    let mut hub = TestHub::new(config, 1);
    hub.secure(issued.server());
    hub
}

/// A client of TLS whose bytes go over a wire in memory.
struct Client {
    tls: ClientConnection,
    wire: Wire,
    /// What has come.
    heard: Vec<u8>,
    /// The hub has taken leave.
    is_over: bool,
    fault: Option<rustls::Error>,
}

impl Client {
    fn new(config: &Arc<ClientConfig>, wire: Wire) -> Client {
        Client {
            tls: client(config),
            wire,
            heard: Vec::new(),
            is_over: false,
            fault: None,
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).unwrap();
    }

    /// Takes up to `most` bytes from the wire, and gives it what there is to send. Whether that was anything.
    fn pump(&mut self, most: usize) -> bool {
        let come = self.wire.receive(most);
        let mut unread = &come[..];
        while !unread.is_empty() && self.fault.is_none() {
            self.tls.read_tls(&mut unread).unwrap();
            if let Err(error) = self.tls.process_new_packets() {
                self.fault = Some(error);
            }
            let mut buffer = [0; 4096];
            loop {
                match self.tls.reader().read(&mut buffer) {
                    Ok(0) => {
                        self.is_over = true;
                        break;
                    }
                    Ok(bytes) => self.heard.extend_from_slice(&buffer[..bytes]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        let mut sent = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut sent).unwrap();
        }
        self.wire.send(&sent);
        !come.is_empty() || !sent.is_empty()
    }
}

/// A client whose handshake is done, and who has said this.
fn greeted(hub: &mut TestHub, config: &Arc<ClientConfig>, window: usize, says: &[u8]) -> Client {
    let mut client = Client::new(config, hub.connect(ANYWHERE, window).unwrap());
    client.say(says);
    let wire = client.wire.clone();
    hub.settle(|_| {
        let moved = client.pump(usize::MAX) || wire.is_flying();
        wire.arrive(usize::MAX);
        moved
    });
    client
}

/// An upgrade to the echo and a text, of which everything comes back, and then the close.
fn converse(
    hub: &mut TestHub,
    client: &mut Client,
    text: &str,
    mut arrive: impl FnMut(&Wire) -> bool,
) {
    let frame = |first: u8, payload: &[u8]| {
        let mut frame = vec![first, 0x80 | 126];
        frame.extend((payload.len() as u16).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    };
    client.say(UPGRADE);
    client.say(&frame(0x81, text.as_bytes()));
    client.say(&[0x88, 0x80, 0, 0, 0, 0]);
    let wire = client.wire.clone();
    hub.settle(|_| client.pump(usize::MAX) | arrive(&wire));
    assert_eq!(client.fault, None);
    let (head, frames) = split_head(&client.heard);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut expected = support::test_peer::server_frame(0x81, text.as_bytes());
    expected.extend([0x88, 0]);
    assert_eq!(frames, expected);
    assert!(client.is_over, "the hub takes leave");
}

fn split_head(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, rest) = bytes.split_at(end.expect("a head") + 4);
    (String::from_utf8(head.to_vec()).unwrap(), rest)
}

/// How many bytes the conversation sends differs by a few from one time to the next: the last cuts may cut nothing.
#[test]
fn a_conversation_may_be_split_at_every_byte() {
    let issued = Issued::new();
    for version in [&TLS12, &TLS13] {
        let config = client_config(&[&issued], &[version], &["http/1.1"]);
        let mut cut = 0;
        loop {
            let mut hub = secured(echoing(), &issued);
            let wire = hub.connect(ANYWHERE, 1 << 20).unwrap();
            let mut client = Client::new(&config, wire);
            let mut arrived = 0;
            let was_cut = &mut false;
            converse(&mut hub, &mut client, "hello", |wire| {
                let mut moved = false;
                // Up to the cut, then a tick, then the rest of what flies.
                while arrived < cut && wire.is_flying() {
                    wire.arrive(1);
                    arrived += 1;
                    moved = true;
                }
                if moved {
                    *was_cut |= arrived == cut && wire.is_flying();
                    return true;
                }
                if wire.is_flying() {
                    wire.arrive(usize::MAX);
                    return true;
                }
                false
            });
            if cut > 0 && arrived < cut {
                break;
            }
            cut += 1;
        }
        assert!(cut > 500, "{cut}");
    }
}

#[test]
fn everything_may_come_and_go_byte_by_byte() {
    let issued = Issued::new();
    for version in [&TLS12, &TLS13] {
        let config = client_config(&[&issued], &[version], &[]);
        let mut hub = secured(echoing(), &issued);
        let wire = hub.connect(ANYWHERE, 1).unwrap();
        let mut client = Client::new(&config, wire);
        converse(&mut hub, &mut client, &"x".repeat(300), |wire| {
            let flies = wire.is_flying();
            wire.arrive(1);
            flies
        });
    }
}

#[test]
fn moody_networks_lose_nothing() {
    let issued = Issued::new();
    let config = client_config(&[&issued], &[&TLS12, &TLS13], &[]);
    for_each_seed(16, |dice| {
        let mut hub = secured(echoing(), &issued);
        let wire = hub
            .connect(ANYWHERE, 1 + dice.below(40_000) as usize)
            .unwrap();
        let mut client = Client::new(&config, wire);
        // More than a record each way, so that some are held and some unsent.
        converse(&mut hub, &mut client, &"y".repeat(60_000), |wire| {
            let flies = wire.is_flying();
            wire.arrive(support::memory_socket::moody(dice));
            flies
        });
    });
}

/// Their handshakes were all worked off before anybody else was heard.
#[test]
fn a_flood_of_handshakes_makes_nobody_wait_who_is_in() {
    const FLOOD: usize = 100;
    let issued = Issued::new();
    let config = client_config(&[&issued], &[&TLS13], &[]);
    let mut hub = secured(echoing(), &issued);
    let mut peer = TestPeer::new(hub.connect(ANYWHERE, 1 << 20).unwrap(), "/echo");
    peer.wire().arrive(usize::MAX);
    hub.settle(|_| false);
    peer.pump(usize::MAX);
    let mut crowd: Vec<Client> = (0..FLOOD)
        .map(|_| Client::new(&config, hub.connect(ANYWHERE, 1 << 20).unwrap()))
        .collect();
    for client in &mut crowd {
        client.pump(usize::MAX);
        client.wire.arrive(usize::MAX);
    }
    // That they begin with TLS is seen in the first tick, and their handshakes go on from the second.
    for _ in 0..3 {
        peer.say("is anybody there?");
        peer.wire().arrive(usize::MAX);
        let before = answered(&crowd);
        hub.tick();
        let heard = peer.pump(usize::MAX);
        assert_eq!(heard, [Heard::Text("is anybody there?".to_owned())]);
        assert!(answered(&crowd) - before <= 15, "{}", answered(&crowd));
    }
    assert!(answered(&crowd) > 0);
    hub.settle(|_| false);
    assert_eq!(answered(&crowd), FLOOD);
}

/// How many of the crowd the hub has answered.
fn answered(crowd: &[Client]) -> usize {
    let clients = crowd.iter();
    clients.filter(|client| client.wire.has_written()).count()
}

#[test]
fn an_unfinished_handshake_ends_with_its_time() {
    let issued = Issued::new();
    let config = client_config(&[&issued], &[&TLS13], &[]);
    let timeout_ms = Config::default().handshake_timeout_ms;
    for is_whole in [false, true] {
        let mut hub = secured(Config::default(), &issued);
        let wire = hub.connect(ANYWHERE, 1 << 20).unwrap();
        let mut client = Client::new(&config, wire.clone());
        client.pump(usize::MAX);
        // A part of the hello, or all of it and no answer to the hub's.
        wire.arrive(if is_whole { usize::MAX } else { 100 });
        hub.advance(timeout_ms - 10, |_| false);
        assert!(!wire.is_released());
        hub.advance(20, |_| false);
        assert!(wire.is_released());
    }
}

/// A handshake message may be of several records; one of very many would be kept in whole.
#[test]
fn what_is_held_of_a_handshake_is_bounded() {
    let issued = Issued::new();
    let mut hub = secured(Config::default(), &issued);
    let wire = hub.connect(ANYWHERE, 1 << 20).unwrap();
    // The beginning of a hello of 60,000 bytes, in records of 1,000.
    let mut first = vec![1, 0, 0xea, 0x60, 3, 3];
    first.resize(1_000, 0);
    let mut sent = 0;
    while !wire.is_over() && !wire.is_released() {
        let payload = std::mem::replace(&mut first, vec![0; 1_000]);
        wire.send(&[0x16, 3, 1, 0x03, 0xe8]);
        wire.send(&payload);
        wire.arrive(usize::MAX);
        hub.settle(|_| false);
        wire.receive(usize::MAX);
        sent += 1_000;
        assert!(sent < 30_000, "it is bounded");
    }
    assert!(sent > 16_000, "{sent}");
    assert_eq!(hub.census().faults, 1);
}

/// Whatever is changed in what a client sends, only its connection ends, and not without a word.
#[test]
fn broken_bytes_break_one_connection() {
    let issued = Issued::new();
    let config = client_config(&[&issued], &[&TLS12, &TLS13], &[]);
    let mut hub = secured(echoing(), &issued);
    let mut peer = TestPeer::new(hub.connect(ANYWHERE, 1 << 20).unwrap(), "/echo");
    peer.wire().arrive(usize::MAX);
    hub.settle(|_| false);
    peer.pump(usize::MAX);
    let mut dice = Dice::new(7);
    let mut alerts = 0;
    for _ in 0..300 {
        let wire = hub.connect(ANYWHERE, 1 << 20).unwrap();
        let (other, between) = Wire::new(1 << 20);
        let mut client = Client::new(&config, between.clone());
        drop(other);
        client.say(UPGRADE);
        let broken_at = dice.below(1_200) as usize;
        let mut sent = 0;
        for _ in 0..6 {
            let mut bytes = Vec::new();
            while client.tls.wants_write() {
                client.tls.write_tls(&mut bytes).unwrap();
            }
            if let Some(byte) = broken_at.checked_sub(sent).and_then(|at| bytes.get_mut(at)) {
                *byte ^= 1 << dice.below(8);
            }
            sent += bytes.len();
            wire.send(&bytes);
            wire.arrive(usize::MAX);
            hub.settle(|_| false);
            let come = wire.receive(usize::MAX);
            alerts += usize::from(come.first() == Some(&0x15));
            let mut unread = &come[..];
            while !unread.is_empty()
                && client
                    .tls
                    .read_tls(&mut unread)
                    .is_ok_and(|bytes| bytes > 0)
            {
                if client.tls.process_new_packets().is_err() {
                    break;
                }
            }
        }
        wire.end();
        wire.arrive(usize::MAX);
        hub.settle(|_| false);
    }
    assert!(alerts > 50, "{alerts}");
    peer.say("still here");
    peer.wire().arrive(usize::MAX);
    hub.settle(|_| false);
    assert_eq!(
        peer.pump(usize::MAX),
        [Heard::Text("still here".to_owned())]
    );
}

/// Whoever is cut off for want of memory gives back at once what waits sealed for him, or others would have to go too.
#[test]
fn memory_of_those_who_are_cut_off_is_free_at_once() {
    let issued = Issued::new();
    let config = client_config(&[&issued], &[&TLS13], &[]);
    let limits = peerhub::config::Limits {
        memory_bytes: 100_000,
        soft_queue_bytes: 0,
        ..Config::default().limits
    };
    let mut hub = secured(
        Config {
            limits,
            ..echoing()
        },
        &issued,
    );
    let frame = |bytes: usize| {
        let mut frame = vec![0x82, 0x80 | 126];
        frame.extend((bytes as u16).to_be_bytes());
        frame.resize(frame.len() + 4 + bytes, 0);
        frame
    };
    let mut clients = Vec::new();
    // Nobody reads, and the last of them is too much.
    for bytes in [8_000, 8_000, 60_000, 60_000] {
        let mut client = greeted(&mut hub, &config, 5_000, UPGRADE);
        let wire = client.wire.clone();
        client.say(&frame(bytes));
        let mut sealed = Vec::new();
        while client.tls.wants_write() {
            client.tls.write_tls(&mut sealed).unwrap();
        }
        wire.send(&sealed);
        wire.arrive(usize::MAX);
        hub.settle(|_| false);
        clients.push(client);
    }
    assert_eq!(hub.census().evicted, 1, "one is enough");
    assert_eq!(hub.census().connections, 3);
}

/// An answer for which there is room, but not for the word of leave after it.
#[test]
fn a_word_of_leave_may_have_to_wait() {
    let issued = Issued::new();
    let config = client_config(&[&issued], &[&TLS13], &[]);
    // The sweep after each tick compares the account of memory with what is held.
    let answer_over = |window: usize| {
        let mut hub = secured(Config::default(), &issued);
        let mut client = greeted(&mut hub, &config, window, b"");
        let wire = client.wire.clone();
        client.say(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut sealed = Vec::new();
        client.tls.write_tls(&mut sealed).unwrap();
        wire.send(&sealed);
        wire.arrive(usize::MAX);
        hub.settle(|_| false);
        let answer = wire.receive(usize::MAX);
        hub.settle(|_| false);
        (answer.len(), wire.receive(usize::MAX).len())
    };
    let (whole, rest) = answer_over(1 << 20);
    assert_eq!(rest, 0);
    assert_eq!(answer_over(whole - 3), (whole - 3, 3));
}

/// The account of memory forgets a word of leave that the socket does not take; the sweep after the tick compares it.
#[test]
fn a_word_of_leave_may_come_too_late() {
    let issued = Issued::new();
    let config = client_config(&[&issued], &[&TLS13], &[]);
    let mut hub = secured(Config::default(), &issued);
    let client = greeted(&mut hub, &config, 1 << 20, b"");
    client.wire.reset();
    hub.drain();
    // Longer than newcomers are waited for.
    hub.jump(1_000);
    hub.tick_untold();
    hub.settle(|_| false);
    assert_eq!(hub.census().connections, 0);
}

/// A second hello, or one in the middle of plain HTTP, is not the beginning of TLS.
#[test]
fn tls_begins_with_the_first_byte_or_not_at_all() {
    let issued = Issued::new();
    let config = client_config(&[&issued], &[&TLS13], &[]);
    let mut hub = secured(Config::default(), &issued);
    let wire = hub.connect(ANYWHERE, 1 << 20).unwrap();
    wire.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.arrive(usize::MAX);
    hub.settle(|_| false);
    assert!(wire.receive(usize::MAX).starts_with(b"HTTP/1.1 200 "));
    let mut late = Client::new(&config, wire.clone());
    late.pump(usize::MAX);
    wire.arrive(usize::MAX);
    hub.settle(|_| false);
    assert!(wire.receive(usize::MAX).starts_with(b"HTTP/1.1 400 "));
    // Without a certificate a hello is what it always was.
    let mut hub = TestHub::new(Config::default(), 1);
    let wire = hub.connect(ANYWHERE, 1 << 20).unwrap();
    let mut client = Client::new(&config, wire.clone());
    client.pump(usize::MAX);
    wire.arrive(usize::MAX);
    hub.settle(|_| false);
    assert!(wire.receive(usize::MAX).starts_with(b"HTTP/1.1 400 "));
}

/// A proxy that passes TLS on says before it for whom.
#[test]
fn a_header_of_the_proxy_protocol_goes_before_tls() {
    let issued = Issued::new();
    let config = client_config(&[&issued], &[&TLS13], &[]);
    for header_bytes in [0, 1, 20, 1_000] {
        let config_of_hub = Config {
            trusted_proxies: vec![ANYWHERE.to_string()],
            proxy_protocol: ProxyProtocol::Require,
            ..echoing()
        };
        let mut hub = secured(config_of_hub, &issued);
        let wire = hub.connect(ANYWHERE, 1 << 20).unwrap();
        wire.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 50000 443\r\n");
        wire.arrive(header_bytes);
        hub.settle(|_| false);
        let mut client = Client::new(&config, wire);
        converse(&mut hub, &mut client, "hello", |wire| {
            let flies = wire.is_flying();
            wire.arrive(usize::MAX);
            flies
        });
    }
}

/// A first read is larger than any later one: who said more than a handshake may be before he was answered ended the hub.
#[test]
fn who_begins_with_too_much_ends_only_himself() {
    let issued = Issued::new();
    for bytes in [20 << 10, 30 << 10, 60 << 10, 127 << 10, 400 << 10] {
        let mut hub = secured(echoing(), &issued);
        let wire = hub.connect(ANYWHERE, usize::MAX).expect("there is room");
        // The beginning of a hello of 60,000 bytes, in records of a byte each.
        let mut flood = vec![0x16, 3, 1, 0, 4, 1, 0, 0xea, 0x60];
        while flood.len() < bytes {
            flood.extend([0x16, 3, 1, 0, 1, 7]);
        }
        wire.send(&flood);
        wire.arrive(usize::MAX);
        hub.settle(|_| false);
        hub.advance(Config::default().handshake_timeout_ms + 3_000, |_| false);
        assert!(wire.is_over(), "{bytes} bytes");
        assert_eq!(hub.census().connections, 0);
    }
}
