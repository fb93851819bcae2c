//! How fast peers may be, how long they may leave things unread or unsaid, and what all of them together may make the hub
//! keep: over false sockets and a false clock.

mod support;

use peerhub::Config;
use peerhub::config::{Excess, Limits, Rates};
use std::collections::BTreeMap;
use std::net::IpAddr;
use support::memory_socket::Wire;
use support::test_hub::{TestHub, settle};
use support::test_peer::{Heard, TestPeer};

const ANN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const BOB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const WINDOW: usize = 1 << 20;

/// Nothing comes by itself, and a second's worth may be used at once.
fn rates(rates: Rates) -> Config {
    Config {
        nudge_interval_ms: 0,
        ping_interval_ms: 0,
        rates: Rates {
            burst_ms: 1_000,
            ..rates
        },
        ..Config::default()
    }
}

fn hub(of: Rates) -> TestHub {
    TestHub::new(rates(of), 1)
}

fn connect(hub: &mut TestHub, from: IpAddr) -> Wire {
    hub.connect(from, WINDOW).expect("there is room")
}

/// A client that is told of its mistakes and hears what is published on `news`.
fn join(hub: &mut TestHub, from: IpAddr) -> TestPeer {
    let mut peer = TestPeer::new(connect(hub, from), "/");
    peer.say(r#"{"type":"initiate","content":{"linkageKey":"room","resume":true}}"#);
    peer.say(r#"{"type":"subscribe","content":{"channels":["news"]}}"#);
    settle(hub, [&mut peer]);
    assert_eq!(peer.texts().len(), 2, "accept and confirm");
    peer
}

fn publish(peer: &mut TestPeer, numbers: std::ops::Range<usize>) {
    for number in numbers {
        peer.say(&format!(
            r#"{{"type":"publish","content":{{"channel":"news","message":{number}}}}}"#
        ));
    }
}

/// The numbers that a client has heard on `news`.
fn heard(peer: &mut TestPeer) -> Vec<usize> {
    let number = |text: String| {
        let (_, rest) = text.split_once(r#""message":"#)?;
        let digits = rest.split('}').next()?;
        digits.parse().ok()
    };
    peer.texts().into_iter().filter_map(number).collect()
}

fn closed_with(peer: &mut TestPeer) -> Option<u16> {
    let heard = peer.pump(usize::MAX).into_iter();
    let code = |one| match one {
        Heard::Close(code, _) => code,
        _ => None,
    };
    heard.filter_map(code).next()
}

/// Two clients, of which the first says so much that it has 10 messages saved up and none to spare.
fn loud_and_calm(excess: Excess, messages: usize) -> (TestHub, TestPeer, TestPeer) {
    let mut hub = hub(Rates {
        messages: 10,
        excess,
        ..Rates::default()
    });
    let (mut loud, calm) = (join(&mut hub, ANN), join(&mut hub, BOB));
    hub.advance(5_000, |_| false);
    publish(&mut loud, 0..messages);
    settle(&mut hub, [&mut loud]);
    (hub, loud, calm)
}

/// Makes so many plain requests at once, with these header fields too.
fn ask(hub: &mut TestHub, wire: &Wire, count: usize, fields: &str) {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    wire.send(request.repeat(count).as_bytes());
    wire.arrive(usize::MAX);
    hub.settle(|_| false);
}

/// How many requests have been answered with each status since the last look.
fn answered(wire: &Wire) -> BTreeMap<u16, usize> {
    let answers = String::from_utf8(wire.receive(usize::MAX)).expect("text");
    let mut counts = BTreeMap::new();
    for answer in answers.split("HTTP/1.1 ").skip(1) {
        let status = answer[..3].parse().expect("a status");
        *counts.entry(status).or_default() += 1;
    }
    counts
}

/// 10 a second and 10 saved up: what comes beyond them comes a tenth of a second later each, whole and in order, and
/// nobody else notices.
#[test]
fn excess_is_delayed_and_nothing_is_lost() {
    let (mut hub, _loud, mut calm) = loud_and_calm(Excess::Delay, 40);
    let mut all = heard(&mut calm);
    assert_eq!(all.len(), 11, "the one that overdraws is heard");
    publish(&mut calm, 100..101);
    settle(&mut hub, [&mut calm]);
    assert_eq!(heard(&mut calm), [100]);
    hub.advance(1_000, |_| false);
    let second = heard(&mut calm);
    assert!((9..=11).contains(&second.len()), "{second:?}");
    all.extend(second);
    hub.advance(2_100, |_| false);
    all.extend(heard(&mut calm));
    assert_eq!(all, (0..40).collect::<Vec<_>>());
    assert!(hub.census().delayed > 0);
}

/// While a connection rests it answers no pings, since nothing is read of it; it is no silent one for that.
#[test]
fn who_rests_is_not_taken_for_dead() {
    let mut config = rates(Rates {
        messages: 1,
        ..Rates::default()
    });
    config.ping_interval_ms = 1_000;
    let mut hub = TestHub::new(config, 1);
    let mut loud = join(&mut hub, ANN);
    publish(&mut loud, 0..20);
    settle(&mut hub, [&mut loud]);
    let mut all = Vec::new();
    for _ in 0..40 {
        hub.advance(1_000, |_| false);
        all.extend(heard(&mut loud));
        loud.wire().arrive(usize::MAX);
    }
    assert_eq!(all.len(), 20, "all of them, and pongs between them");
    assert!(loud.is_open());
}

/// A pong is a sign of life though nothing else is heard of whoever sends it.
#[test]
fn who_is_not_heard_is_not_taken_for_dead() {
    let mut config = rates(Rates {
        messages: 1,
        excess: Excess::Drop,
        ..Rates::default()
    });
    config.ping_interval_ms = 1_000;
    let mut hub = TestHub::new(config, 1);
    let mut loud = TestPeer::new(connect(&mut hub, ANN), "/");
    for _ in 0..60 {
        publish(&mut loud, 0..2);
        settle(&mut hub, [&mut loud]);
        hub.advance(100, |_| false);
        // Pings are answered here.
        loud.texts();
    }
    assert!(loud.is_open());
}

/// Nor does it lose its id to whoever claims it meanwhile.
#[test]
fn who_rests_keeps_its_id() {
    let mut hub = hub(Rates {
        messages: 1,
        ..Rates::default()
    });
    let mut loud = TestPeer::new(connect(&mut hub, ANN), "/");
    loud.say(r#"{"type":"initiate","content":{"linkageKey":"room","id":"loud"}}"#);
    publish(&mut loud, 0..30);
    settle(&mut hub, [&mut loud]);
    let mut thief = TestPeer::new(connect(&mut hub, BOB), "/");
    thief.say(r#"{"type":"initiate","content":{"linkageKey":"room","id":"loud"}}"#);
    settle(&mut hub, [&mut thief]);
    assert_eq!(closed_with(&mut thief), Some(4409));
    hub.advance(5_000, |_| false);
    assert!(!loud.wire().is_released());
}

#[test]
fn excess_is_dropped_and_said_to_be() {
    let (mut hub, mut loud, mut calm) = loud_and_calm(Excess::Drop, 40);
    assert_eq!(heard(&mut calm), (0..11).collect::<Vec<_>>());
    let told = loud.texts();
    let errors = told.iter().filter(|text| text.contains("E_TOOFAST"));
    assert_eq!(errors.count(), 29);
    assert_eq!(hub.census().refused_messages, 29);
    hub.advance(1_000, |_| false);
    publish(&mut loud, 50..51);
    settle(&mut hub, [&mut loud]);
    assert_eq!(heard(&mut calm), [50]);
}

#[test]
fn excess_closes() {
    let (mut hub, mut loud, mut calm) = loud_and_calm(Excess::Close, 11);
    assert_eq!(closed_with(&mut loud), None);
    publish(&mut loud, 11..12);
    settle(&mut hub, [&mut loud]);
    assert_eq!(closed_with(&mut loud), Some(4429));
    assert_eq!(heard(&mut calm).len(), 11);
}

#[test]
fn lines_and_requests_are_closed_in_their_own_ways() {
    let config = rates(Rates {
        messages: 10,
        excess: Excess::Close,
        ..Rates::default()
    });
    let mut hub = TestHub::new(config, 1);
    let mut member = TestPeer::of_lines(connect(&mut hub, ANN));
    member.say(r#"{"senderName":"a","type":"@PRESENTATION","content":{"port":1}}"#);
    for _ in 0..20 {
        member.say(r#"{"senderName":"a","type":"news","content":1}"#);
    }
    settle(&mut hub, [&mut member]);
    let told = member.texts();
    assert!(
        told.iter().any(|text| text.contains("@CONNECTION_CLOSED")),
        "{told:?}"
    );

    let wire = connect(&mut hub, BOB);
    ask(&mut hub, &wire, 20, "");
    assert_eq!(answered(&wire), [(200, 11), (429, 1)].into());
}

#[test]
fn requests_are_delayed_too() {
    let mut hub = hub(Rates {
        messages: 10,
        ..Rates::default()
    });
    let wire = connect(&mut hub, ANN);
    ask(&mut hub, &wire, 20, "");
    assert_eq!(answered(&wire), [(200, 11)].into());
    hub.advance(1_000, |_| false);
    assert_eq!(answered(&wire), [(200, 9)].into());
}

/// A proxy's connection is everybody's: the client that a request is for pays, and nobody else has to wait for it.
#[test]
fn requests_through_a_proxy_are_charged_to_the_client() {
    const OF_ANN: &str = "X-Forwarded-For: 198.51.100.1\r\n";
    const OF_BOB: &str = "X-Forwarded-For: 198.51.100.2\r\n";
    let mut config = rates(Rates {
        messages: 5,
        address_messages: 10,
        ..Rates::default()
    });
    config.trusted_proxies = vec![ANN.to_string()];
    let mut hub = TestHub::new(config, 1);
    let wire = connect(&mut hub, ANN);
    ask(&mut hub, &wire, 20, OF_ANN);
    assert_eq!(answered(&wire), [(200, 11), (429, 9)].into());
    ask(&mut hub, &wire, 5, OF_BOB);
    assert_eq!(answered(&wire), [(200, 5)].into());
    hub.advance(1_000, |_| false);
    ask(&mut hub, &wire, 20, OF_ANN);
    assert_eq!(answered(&wire), [(200, 10), (429, 10)].into());
    // Nor does what it owes depend on how it comes.
    let mut peer = TestPeer::with_fields(connect(&mut hub, ANN), "/", OF_ANN);
    peer.say(r#"{"type":"initiate","content":{"linkageKey":"room"}}"#);
    peer.say(r#"{"type":"retrievePeers","messageid":"list","content":{}}"#);
    settle(&mut hub, [&mut peer]);
    assert_eq!(peer.texts().len(), 2, "the one that overdraws is heard");
    hub.advance(1_000, |_| false);
    assert_eq!(peer.texts().len(), 1);
}

/// What a message costs is what it makes the hub send, not that it is one.
#[test]
fn deliveries_and_bytes_count() {
    let by_deliveries = Rates {
        deliveries: 100,
        ..Rates::default()
    };
    let by_bytes = Rates {
        bytes: 1_000,
        ..Rates::default()
    };
    // 10 hearers and messages of some 60 bytes: ten messages and one are within a second's worth of deliveries, and
    // seventeen of bytes.
    for (rates_of, most) in [(by_deliveries, 11), (by_bytes, 17)] {
        let mut hub = TestHub::new(rates(rates_of), 1);
        let mut loud = join(&mut hub, ANN);
        let mut others: Vec<TestPeer> = (0..9).map(|_| join(&mut hub, BOB)).collect();
        hub.advance(5_000, |_| false);
        publish(&mut loud, 10..99);
        settle(&mut hub, [&mut loud]);
        let count = heard(&mut others[0]).len();
        assert!((most - 1..=most).contains(&count), "{count} of {most}");
    }
}

#[test]
fn joining_again_and_again_is_bounded() {
    let mut hub = hub(Rates {
        joins: 2,
        excess: Excess::Drop,
        ..Rates::default()
    });
    let mut peer = join(&mut hub, ANN);
    hub.advance(5_000, |_| false);
    for _ in 0..10 {
        peer.say(r#"{"type":"initiate","content":{"linkageKey":"room","resume":true}}"#);
    }
    settle(&mut hub, [&mut peer]);
    let told = peer.texts();
    let confirmed = told.iter().filter(|text| text.contains(r#""confirm""#));
    assert_eq!(confirmed.count(), 3);
}

/// The connections of an address pay together, and going away is no way not to pay.
#[test]
fn an_address_pays_for_all_its_connections() {
    let mut hub = hub(Rates {
        address_messages: 10,
        excess: Excess::Drop,
        ..Rates::default()
    });
    let (mut one, mut other) = (join(&mut hub, ANN), join(&mut hub, ANN));
    let mut stranger = join(&mut hub, BOB);
    hub.advance(5_000, |_| false);
    publish(&mut one, 0..6);
    publish(&mut other, 6..20);
    settle(&mut hub, [&mut one, &mut other]);
    assert_eq!(heard(&mut stranger), (0..11).collect::<Vec<_>>());
    one.wire().end();
    other.wire().end();
    settle(&mut hub, [&mut one, &mut other]);
    let mut again = TestPeer::new(connect(&mut hub, ANN), "/");
    publish(&mut again, 30..35);
    settle(&mut hub, [&mut again]);
    assert_eq!(heard(&mut stranger), [0; 0]);
    publish(&mut stranger, 40..41);
    settle(&mut hub, [&mut stranger]);
    assert_eq!(heard(&mut stranger), [40]);
}

#[test]
fn new_connections_of_an_address_are_bounded_in_a_second() {
    let mut hub = hub(Rates {
        address_connections: 5,
        ..Rates::default()
    });
    let come = |hub: &mut TestHub, from: IpAddr| {
        let mut peer = TestPeer::new(connect(hub, from), "/");
        settle(hub, [&mut peer]);
        !peer.texts().is_empty()
    };
    let let_in = (0..20).filter(|_| come(&mut hub, ANN)).count();
    assert_eq!(let_in, 6);
    assert!(come(&mut hub, BOB));
    hub.advance(400, |_| false);
    let let_in = (0..20).filter(|_| come(&mut hub, ANN)).count();
    assert_eq!(let_in, 2);
}

/// A hub of which much is read slowly: each reader's window is small.
fn hall(limits: Limits, readers: usize) -> (TestHub, Vec<TestPeer>, TestPeer) {
    let config = Config {
        limits,
        ..rates(Rates::default())
    };
    let mut hub = TestHub::new(config, 1);
    let slow = (0..readers).map(|_| {
        let wire = hub.connect(ANN, 1 << 10).expect("there is room");
        let mut reader = TestPeer::new(wire, "/");
        reader.say(r#"{"type":"subscribe","content":{"channels":["news"]}}"#);
        reader.wire().arrive(usize::MAX);
        hub.settle(|_| false);
        reader.pump(usize::MAX);
        reader.reads = false;
        reader
    });
    let slow: Vec<TestPeer> = slow.collect();
    let speaker = TestPeer::new(connect(&mut hub, BOB), "/");
    (hub, slow, speaker)
}

fn publish_large(hub: &mut TestHub, speaker: &mut TestPeer, bytes: usize) {
    let content = "x".repeat(bytes);
    speaker.say(&format!(
        r#"{{"type":"publish","content":{{"channel":"news","message":"{content}"}}}}"#
    ));
    settle(hub, [speaker]);
    hub.settle(|_| false);
}

/// The sweep after each tick (`check`) sees to it that the bound itself holds.
#[test]
fn what_waits_in_all_is_bounded_and_the_largest_go_first() {
    let limits = Limits {
        memory_bytes: 100 << 10,
        ..Limits::default()
    };
    let (mut hub, mut slow, mut speaker) = hall(limits, 12);
    // Two have asked for more than the others.
    for reader in &mut slow[..2] {
        for _ in 0..5 {
            reader.say(&format!(
                r#"{{"type":"retrievePeers","messageid":"{}"}}"#,
                "m".repeat(400)
            ));
        }
        settle(&mut hub, [reader]);
    }
    for _ in 0..11 {
        publish_large(&mut hub, &mut speaker, 800);
    }
    let census = hub.census();
    assert!(census.evicted > 0, "{census:?}");
    assert!(slow[0].wire().is_released() && slow[1].wire().is_released());
    let left = slow.iter().filter(|reader| !reader.wire().is_released());
    assert!(left.count() > 6, "not more than must go: {census:?}");
    assert!(speaker.is_open());
}

/// What many readers share counts once: a large message to many is no reason to send any of them away.
#[test]
fn what_is_shared_counts_once() {
    let limits = Limits {
        memory_bytes: 4 << 20,
        ..Limits::default()
    };
    let (mut hub, slow, mut speaker) = hall(limits, 50);
    publish_large(&mut hub, &mut speaker, 500_000);
    assert_eq!(hub.census().evicted, 0);
    assert!(slow.iter().all(|reader| !reader.wire().is_released()));
    // Nearly nine times that is more, shared or not.
    for _ in 0..8 {
        publish_large(&mut hub, &mut speaker, 500_000);
    }
    assert!(hub.census().evicted > 0);
}

/// What one tick adds to the queues of many is bounded while it is added, and not only when the tick is over: what each
/// speaker is answered lies between his messages, so that the readers cannot share them.
#[test]
fn what_waits_is_bounded_in_the_middle_of_a_tick() {
    let limits = Limits {
        memory_bytes: 4 << 20,
        ..Limits::default()
    };
    let (mut hub, _slow, mut speaker) = hall(limits, 1_000);
    publish_large(&mut hub, &mut speaker, 1 << 10);
    let message = "x".repeat(2_000);
    let mut speakers: Vec<TestPeer> = (0..15).map(|_| join(&mut hub, BOB)).collect();
    for speaker in &mut speakers {
        for _ in 0..20 {
            speaker.say(&format!(
                r#"{{"type":"publish","content":{{"channel":"news","message":"{message}"}}}}"#
            ));
            speaker.say(r#"{"type":"retrievePeers"}"#);
        }
        speaker.wire().arrive(usize::MAX);
    }
    let before = hub.census();
    let info = allocation_counter::measure(|| hub.tick());
    assert!(hub.census().evicted > before.evicted);
    assert!(info.bytes_max < 3 * (4 << 20), "{} more", info.bytes_max);
}

/// Says so many bytes of a message that has 2 KiB more.
fn begin_message(hub: &mut TestHub, peer: &mut TestPeer, bytes: usize) {
    let mut begun = vec![0x81, 0xff];
    begun.extend((bytes as u64 + (2 << 10)).to_be_bytes());
    begun.extend([0; 4]);
    begun.extend(vec![b'x'; bytes]);
    peer.wire().send(&begun);
    settle(hub, [peer]);
}

/// Whether a newcomer is turned away.
fn is_full(hub: &mut TestHub) -> bool {
    let wire = connect(hub, ANN);
    ask(hub, &wire, 1, "");
    answered(&wire) == [(503, 1)].into()
}

/// Nobody can keep newcomers out by staying near the bound.
#[test]
fn near_the_bound_the_largest_goes() {
    let limits = Limits {
        memory_bytes: 100 << 10,
        message_bytes: 95 << 10,
        ..Limits::default()
    };
    let (mut hub, _slow, mut speaker) = hall(limits, 1);
    settle(&mut hub, [&mut speaker]);
    begin_message(&mut hub, &mut speaker, 90 << 10);
    assert!(speaker.wire().is_released());
    assert_eq!(hub.census().evicted, 1);
    assert!(!is_full(&mut hub));
    assert_eq!(hub.census().refused, 0);
    let mut newcomer = TestPeer::new(connect(&mut hub, ANN), "/");
    settle(&mut hub, [&mut newcomer]);
    assert_eq!(newcomer.texts().len(), 1);
}

#[test]
fn while_all_is_used_newcomers_are_turned_away() {
    let limits = Limits {
        memory_bytes: 80 << 10,
        ..Limits::default()
    };
    let (mut hub, _slow, _speaker) = hall(limits, 1);
    let mut greedy: Vec<TestPeer> = (0..2).map(|_| join(&mut hub, ANN)).collect();
    for peer in &mut greedy {
        for text in filling("properties", 0) {
            peer.say(&text);
        }
        peer.wire().arrive(usize::MAX);
    }
    while hub.census().evicted == 0 {
        hub.tick();
    }
    // Who was cut off is there until the next tick, and with him what was kept for him.
    assert!(is_full(&mut hub));
    assert_eq!(hub.census().refused, 1);
    assert!(!is_full(&mut hub));
}

/// What waits for the absent takes no more than its part of the memory, and that part is not there for others.
#[test]
fn what_waits_for_the_absent_counts() {
    let limits = Limits {
        memory_bytes: 100 << 10,
        message_bytes: 95 << 10,
        ..Limits::default()
    };
    let (mut hub, _slow, mut speaker) = hall(limits, 1);
    let mut caller = TestPeer::new(
        connect(&mut hub, BOB),
        "/peerjs?key=peerjs&id=caller&token=t",
    );
    for number in 0..60 {
        let payload = "x".repeat(900);
        caller.say(&format!(
            r#"{{"type":"OFFER","dst":"absent-{number}","payload":"{payload}"}}"#
        ));
    }
    settle(&mut hub, [&mut caller]);
    let told = caller.texts();
    let refused = told.iter().filter(|text| text.contains("EXPIRE")).count();
    assert!((30..40).contains(&refused), "25 KiB wait: {told:?}");
    begin_message(&mut hub, &mut speaker, 70 << 10);
    assert!(speaker.wire().is_released(), "95 KiB are too many");
    hub.advance(Config::default().peerjs.expire_timeout_ms, |_| false);
    let mut other = TestPeer::new(connect(&mut hub, BOB), "/");
    settle(&mut hub, [&mut other]);
    begin_message(&mut hub, &mut other, 70 << 10);
    assert!(!other.wire().is_released(), "70 KiB are not");
}

/// What the peer of this number says to have the hub keep some 50 kB of this kind.
fn filling(kind: &str, peer: usize) -> Vec<String> {
    let words: Vec<String> = (0..100)
        .map(|word| format!(r#""{peer}-{word}-{}""#, "w".repeat(490)))
        .collect();
    let list = words.join(",");
    let properties = format!(r#""properties":{{"p":"{}"}}"#, "x".repeat(50_000));
    let text = match kind {
        "tags" => format!(r#"{{"type":"addTag","content":[{list}]}}"#),
        "properties" => format!(r#"{{"type":"setProperties","content":{{{properties}}}}}"#),
        "channels" => format!(r#"{{"type":"subscribe","content":{{"channels":[{list}]}}}}"#),
        "claim" => format!(
            r#"{{"type":"initiate","content":{{"linkageKey":"room","id":"speaker",{properties}}}}}"#
        ),
        "requests" => {
            let request = |name| format!(r#"{{"type":"request","peer":"speaker","name":{name}}}"#);
            return words.iter().map(request).collect();
        }
        _ => unreachable!("these are all"),
    };
    vec![text]
}

/// What peers have the hub keep counts like what waits, and is free again when they go. That it is counted as it should be, each
/// sweep checks.
#[test]
fn what_peers_have_the_hub_keep_counts() {
    for kind in ["tags", "properties", "channels", "claim", "requests"] {
        let limits = Limits {
            memory_bytes: 150 << 10,
            ..Limits::default()
        };
        let (mut hub, _slow, mut speaker) = hall(limits, 1);
        speaker.say(r#"{"type":"initiate","content":{"linkageKey":"room","id":"speaker"}}"#);
        settle(&mut hub, [&mut speaker]);
        let before = hub.kept_bytes();
        let mut greedy: Vec<TestPeer> = (0..4).map(|_| join(&mut hub, ANN)).collect();
        for (number, peer) in greedy.iter_mut().enumerate() {
            for text in filling(kind, number) {
                peer.say(&text);
            }
            settle(&mut hub, [peer]);
            assert!(hub.kept_bytes() > before + 48_000, "{kind}");
        }
        let evicted = hub.census().evicted;
        assert!((1..4).contains(&evicted), "{kind}: {evicted} of 200 kB");
        assert!(speaker.is_open(), "{kind}: who has next to nothing stays");
        for peer in &mut greedy {
            peer.wire().end();
        }
        settle(&mut hub, &mut greedy);
        assert_eq!(hub.kept_bytes(), before, "{kind}");
    }
}

#[test]
fn who_has_much_waiting_for_long_is_cut_off_and_who_catches_up_is_not() {
    let limits = Limits {
        soft_queue_bytes: 10 << 10,
        ..Limits::default()
    };
    let (mut hub, mut slow, mut speaker) = hall(limits, 2);
    let soft_ms = Config::default().soft_queue_time_ms;
    publish_large(&mut hub, &mut speaker, 20_000);
    hub.advance(soft_ms - 1_000, |_| false);
    // The second one catches up.
    slow[1].reads = true;
    for _ in 0..100 {
        slow[1].pump(usize::MAX);
        hub.settle(|_| false);
    }
    hub.advance(2_000, |_| false);
    assert!(slow[0].wire().is_released());
    assert!(!slow[1].wire().is_released());
    assert_eq!(hub.census().slow_readers, 1);
}

#[test]
fn what_may_be_dropped_is_dropped_first_and_nothing_else() {
    let limits = Limits {
        soft_queue_bytes: 10 << 10,
        ..Limits::default()
    };
    let config = Config {
        limits,
        nudge_interval_ms: 1_000,
        drop_first: vec!["nudges".to_owned(), "messages".to_owned()],
        ..rates(Rates::default())
    };
    let mut hub = TestHub::new(config, 1);
    let mut slow = TestPeer::new(hub.connect(ANN, 1 << 10).expect("there is room"), "/");
    slow.say(r#"{"type":"initiate","content":{"linkageKey":"room","id":"slow","options":{"peerInitiationReceiver":true}}}"#);
    slow.say(r#"{"type":"subscribe","content":{"channels":["news"]}}"#);
    settle(&mut hub, [&mut slow]);
    slow.pump(usize::MAX);
    hub.settle(|_| false);
    slow.pump(usize::MAX);
    slow.reads = false;
    let mut speaker = join(&mut hub, BOB);
    publish_large(&mut hub, &mut speaker, 20_000);
    publish(&mut speaker, 0..5);
    speaker.say(r#"{"type":"notify","peer":"slow","name":"n","content":1}"#);
    speaker.say(r#"{"type":"initiate","content":{"linkageKey":"room","options":{"peerInitiationSender":true}}}"#);
    settle(&mut hub, [&mut speaker]);
    hub.advance(3_000, |_| false);
    let dropped = hub.census().dropped;
    assert!(dropped >= 5 + 2, "five messages and the nudges: {dropped}");
    slow.reads = true;
    let mut told = Vec::new();
    for _ in 0..100 {
        told.extend(slow.texts());
        hub.settle(|_| false);
    }
    let kinds: Vec<&str> = told
        .iter()
        .filter_map(|text| text.strip_prefix(r#"{"type":""#)?.split('"').next())
        .filter(|kind| *kind != "nudge")
        .collect();
    assert_eq!(kinds, ["message", "notify", "presence"]);
}

/// A client that answers pings between the fragments of a message that never ends once kept it for ever.
#[test]
fn a_message_in_fragments_ends_in_time() {
    let config = Config {
        ping_interval_ms: 5_000,
        ..rates(Rates::default())
    };
    let timeout_ms = config.message_timeout_ms;
    let mut hub = TestHub::new(config, 1);
    let mut slow = TestPeer::new(connect(&mut hub, ANN), "/");
    let mut brisk = TestPeer::new(connect(&mut hub, BOB), "/");
    settle(&mut hub, [&mut slow, &mut brisk]);
    slow.pump(usize::MAX);
    brisk.pump(usize::MAX);
    slow.send_frame(0x01, b"{");
    let mut code = None;
    for _ in 0..12 {
        slow.send_frame(0x00, b" ");
        // This one ends a message and begins another.
        brisk.send_frame(0x01, b"{");
        brisk.send_frame(0x80, b"}");
        brisk.send_frame(0x01, b"{");
        settle(&mut hub, [&mut slow, &mut brisk]);
        brisk.send_frame(0x80, b"}");
        hub.advance(timeout_ms / 10, |_| false);
        code = code.or(closed_with(&mut slow));
        assert_eq!(closed_with(&mut brisk), None);
    }
    assert_eq!(code, Some(1008));
    assert!(brisk.is_open());
}
