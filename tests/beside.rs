//! The load of `benches/beside`, in small: every kind of it against the hub and against the floors, without a fault; and
//! against a server that lies, with exactly the faults that it makes. How cases are named, and what the tables look like.
//!
//! Nothing here is measured: each load ends after so many messages. As the bench itself, for Linux only.
#![cfg(target_os = "linux")]

use peerhub::Config;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;
use tungstenite::{Message, WebSocket};

#[path = "support/live.rs"]
mod live;
#[path = "../benches/beside/rig/mod.rs"]
mod rig;

use live::{TestHub, quiet};
use rig::case::{Case, Load};
use rig::floor::{self, Sends};
use rig::load::arrivals::{Presence, Visits, idlers};
use rig::load::stamp::{Found, Stamps};
use rig::load::{Door, Faults, LoadError, Pairs, Room, Until};
use rig::measure::{Figures, Spans};
use rig::report::{Report, Row, short};
use rig::speech::Speech;

/// A hub that says something unasked all the time.
fn talkative_hub() -> TestHub {
    TestHub::start(Config {
        nudge_interval_ms: 10,
        ..quiet()
    })
}

/// A floor on a thread of this process.
fn floor(sends: Sends) -> SocketAddr {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = mio::net::TcpListener::bind(any).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || floor::serve(listener, sends));
    address
}

/// The doors of the hub, without TLS and with it, and of both floors, and how they are spoken to.
fn with_each(load: impl Fn(Door, Speech)) {
    let mut config = Config {
        nudge_interval_ms: 10,
        ..quiet()
    };
    config.tls.self_signed = true;
    let hub = TestHub::start(config);
    load(Door::plain(hub.address), Speech::Ok);
    load(Door::sealed(hub.address), Speech::Ok);
    for sends in [Sends::Each, Sends::Batched] {
        load(Door::plain(floor(sends)), Speech::Floor);
    }
}

#[test]
fn everybody_hears_what_is_published() {
    with_each(|door, speech| {
        for (publishers, size, window) in [(1, 128, 1), (1, 16, 64), (3, 70_000, 5)] {
            let mut room = Room::open(door.clone(), speech, (5, publishers), size, window).unwrap();
            room.run(Until::Sent(200)).unwrap();
            assert_eq!(room.delivered(), 1_000);
            assert_eq!(room.finish().unwrap(), Faults::default());
            assert_eq!(room.latency().len(), 200);
            assert!(
                room.latency().min() > 1_000,
                "nothing takes less than a send"
            );
        }
    });
}

#[test]
fn everybody_hears_what_comes_at_a_rate() {
    with_each(|door, speech| {
        let mut room = Room::open(door.clone(), speech, (5, 1), 128, 1).unwrap();
        let pace = room.pace(1e6);
        room.run_at(pace, 100).unwrap();
        assert_eq!(room.finish().unwrap(), Faults::default());
        assert_eq!(room.latency().len(), 500);
    });
}

#[test]
fn pairs_ask_and_answer() {
    with_each(|door, speech| {
        let mut pairs = Pairs::open(door, speech, 7, 300).unwrap();
        pairs.run(Until::Sent(100)).unwrap();
        assert_eq!(pairs.answered(), 100);
        assert_eq!(pairs.finish().unwrap(), Faults::default());
    });
    let hub = talkative_hub();
    let mut pairs = Pairs::open(Door::plain(hub.address), Speech::PeerJs, 7, 300).unwrap();
    pairs.run(Until::Sent(100)).unwrap();
    assert_eq!(pairs.finish().unwrap(), Faults::default());
}

#[test]
fn clients_come_and_go() {
    with_each(|door, speech| {
        let mut visits = Visits::new(door.clone(), speech, 4).unwrap();
        visits.run(Until::Sent(50)).unwrap();
        assert_eq!(visits.joined(), 50);
        assert_eq!(visits.finish().unwrap(), Faults::default());
        let mut crowd = idlers(door, speech).unwrap();
        assert_eq!(crowd.gather(20).unwrap().len(), 20);
        assert_eq!(crowd.lost(), 0);
    });
}

#[test]
fn each_newcomer_is_announced() {
    with_each(|door, speech| {
        let mut presence = Presence::new(door, speech).unwrap();
        assert_eq!(presence.run(20).unwrap(), Faults::default());
        assert_eq!(presence.told(), 190);
    });
}

/// A server for one subscriber and one publisher, that speaks as the floors do. `lie` says what becomes of a message that
/// is published, by its place among them; after the fifth the subscriber's connection ends.
fn liar(lie: impl Fn(usize, Message) -> Vec<Message> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let enter = |listener: &TcpListener| -> WebSocket<TcpStream> {
        let stream = listener.accept().unwrap().0;
        let mut client = tungstenite::accept(stream).unwrap();
        assert!(client.read().unwrap().into_data().starts_with(b"N"));
        client.send(Message::binary("O")).unwrap();
        client
    };
    thread::spawn(move || {
        let mut subscriber = enter(&listener);
        assert_eq!(subscriber.read().unwrap().into_data(), "S");
        let mut publisher = enter(&listener);
        let mut subscriber = Some(subscriber);
        let mut count = 0;
        // Until the load is dropped.
        while let Ok(message) = publisher.read() {
            let message = Message::binary(message.into_data().slice(1..));
            let is_probe = message.to_text().unwrap().contains("@@ia");
            let said = if is_probe {
                vec![message]
            } else {
                count += 1;
                lie(count, message)
            };
            if let Some(subscriber) = &mut subscriber {
                for message in said {
                    subscriber.send(message).unwrap();
                }
            }
            if count == 5 {
                subscriber = None;
            }
        }
    });
    address
}

#[test]
fn faults_are_counted() {
    let missing = |missing, out_of_order, torn| Faults {
        missing,
        out_of_order,
        torn,
        lost: 1,
    };
    type Lie = fn(usize, Message) -> Vec<Message>;
    let cases: [(Lie, Faults); 4] = [
        (|_, message| vec![message], missing(0, 0, 0)),
        // Twice.
        (
            |count, message| vec![message; if count == 3 { 2 } else { 1 }],
            missing(0, 1, 0),
        ),
        // Never; those after it come too early.
        (
            |count, message| vec![message; if count == 3 { 0 } else { 1 }],
            missing(3, 2, 0),
        ),
        // Changed, which is as good as never.
        (
            |count, message| {
                let text = message.to_text().unwrap();
                let changed = text.replace("xxx", "xyx");
                vec![if count == 3 {
                    Message::binary(changed)
                } else {
                    message
                }]
            },
            missing(3, 2, 1),
        ),
    ];
    for (lie, expected) in cases {
        let mut room = Room::open(Door::plain(liar(lie)), Speech::Floor, (1, 1), 128, 4).unwrap();
        // All may have arrived before the end of the connection is seen.
        let error = room.run(Until::Sent(5)).err();
        assert!(matches!(error, None | Some(LoadError::Lost { .. })));
        let error = room.run(Until::Sent(1)).unwrap_err();
        assert!(matches!(error, LoadError::Lost { .. }), "{error}");
        let faults = room.finish().unwrap();
        let sent_after = faults.missing - expected.missing;
        assert!(sent_after <= 1, "{faults}");
        assert_eq!(
            Faults {
                missing: expected.missing,
                ..faults
            },
            expected
        );
    }
}

#[test]
fn payloads_are_found_and_compared() {
    let mut stamps = Stamps::new(20);
    let payload = stamps.payload(0xabc).to_owned();
    assert_eq!(payload, "@@aaaaaaaaaklmxxxxxx");
    let cases = [
        (format!("before {payload} after"), Found::Number(0xabc)),
        (format!("elsewhere before {payload}"), Found::Number(0xabc)),
        (payload.replace("xxxxxx", "xxxxyx"), Found::Torn),
        (payload.replace("xxxxxx", "xxxxx"), Found::Torn),
        ("nothing of ours".to_owned(), Found::Nothing),
        (String::new(), Found::Nothing),
    ];
    for (message, found) in &cases {
        assert_eq!(stamps.find(message.as_bytes()), *found, "{message}");
    }
    assert_eq!(Stamps::new(1).payload(1).len(), 14, "as short as can be");
}

#[test]
fn cases_are_named_or_told_by_numbers() {
    let fanout = |n, size, window, publishers| Load::Fanout {
        n,
        size,
        window,
        publishers,
    };
    let pairs = |pairs, size| Load::Pairs { pairs, size };
    let cases =
        Case::list("fanout:n=7,size=65536,window=512,fanout-100-p32,peerjs-pairs:pairs=3,connect")
            .unwrap();
    let expected = [
        (
            "fanout:n=7,size=65536,window=512",
            false,
            fanout(7, 65_536, 512, 1),
        ),
        ("fanout-100-p32", false, fanout(100, 128, 32, 32)),
        ("peerjs-pairs:pairs=3", true, pairs(3, 128)),
        ("connect", false, Load::Connect { at_once: 64 }),
    ];
    let told = cases
        .iter()
        .map(|case| (&*case.name, case.is_peerjs, case.load));
    assert!(told.eq(expected), "{cases:?}");
    for wrong in [
        "fanout",
        "fanout:x=1",
        "fanout:n=0",
        "fanout:n",
        "peerjs-rate:n=1",
        "none:n=1",
    ] {
        let error = Case::list(wrong).expect_err(wrong).to_string();
        assert!(error.contains("; there are fanout-100, "), "{error}");
    }
    assert_eq!(Case::usual().len(), 17);
}

/// A hub of ours pings and nudges nobody near the beginning of his first interval.
#[test]
fn who_does_nothing_is_pinged_while_that_is_measured() {
    let usual = Spans {
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(2),
        still: Duration::from_secs(1),
    };
    let Config {
        ping_interval_ms,
        nudge_interval_ms,
        ..
    } = Config::default();
    let twice = Duration::from_millis(2 * ping_interval_ms.max(nudge_interval_ms));
    assert!(usual.idle() >= twice);
}

#[test]
fn figures_are_short() {
    let cases = [
        (0.0, "0.000"),
        (0.2334, "0.233"),
        (1.005, "1.00"),
        (12.34, "12.3"),
        (123.6, "124"),
        (1_074.2, "1,074"),
        (-1_234_567.0, "-1,234,567"),
        (-123.0, "-123"),
    ];
    for (value, text) in cases {
        assert_eq!(short(value), text);
    }
}

#[test]
fn tables_have_medians_and_no_result_with_a_fault() {
    let cases = Case::list("fanout-10,pairs-1,idle-10000").unwrap();
    let row = |server: &str, case: usize, figures: Figures| Row {
        server: server.to_owned(),
        case: cases[case].clone(),
        outcome: Ok(figures),
    };
    let costs = |micros, faults| Figures {
        micros: Some(micros),
        per_second: Some(1e6),
        latency_ms: Some([0.5, 1.0, 12.0]),
        others_percent: micros,
        faults,
        ..Figures::default()
    };
    let fine = Faults::default();
    let lost = Faults { lost: 1, ..fine };
    let held = |connections| Figures {
        bytes_each: Some(980.0),
        connections: Some(connections),
        idle_percent: Some(0.25),
        ..Figures::default()
    };
    let rows = [
        row("limit-batch", 0, costs(0.2, fine)),
        row("a", 0, costs(0.3, fine)),
        row("a", 0, costs(9.0, fine)),
        row("a", 0, costs(0.2, fine)),
        row("b", 0, costs(0.1, fine)),
        row("b", 0, costs(0.1, lost)),
        row("b", 1, costs(12.0, fine)),
        row("a", 2, held(2_000)),
        row("b", 2, held(10_000)),
    ];
    let servers = ["limit-batch", "a", "b"].map(str::to_owned);
    let report = Report {
        servers: &servers,
        cases: &cases,
        rows: &rows,
        against: None,
        in_detail: false,
    };
    let expected = "\
### CPU of the server, µs per unit (times the floor)

| server | fanout-10 | pairs-1 |
|---|---:|---:|
| limit-batch | 0.200 (1.00) | – |
| a | 0.300 (1.50) | – |
| b | – | 12.0 |

### Throughput

Thousands per second: deliveries of fan-out and presence, round trips of pairs, connections of connect.

| server | fanout-10 | pairs-1 |
|---|---:|---:|
| limit-batch | 1,000 | – |
| a | 1,000 | – |
| b | – | 1,000 |

### Latency and memory

Latency is p50 / p99 / p99.9 in ms; memory is what a joined connection adds to the server's RSS, in bytes.

| server | pairs-1, ms | idle-10000, bytes each | idle-10000, CPU % |
|---|---:|---:|---:|
| a | – | 980 (2,000 connections) | 0.250 |
| b | 0.500 / 1.00 / 12.0 | 980 | 0.250 |

### CPU of others meanwhile, % of one CPU

The most of all rounds: what is far above 10 was disturbed.

| server | fanout-10 | pairs-1 | idle-10000 |
|---|---:|---:|---:|
| limit-batch | 0 | – | – |
| a | 9 | – | 0 |
| b | 0 | 12 | 0 |

No result, because of one round or more:

- b in fanout-10: 0 missing, 0 out of order, 0 changed, 1 connections lost
";
    assert_eq!(report.to_string(), expected);
    let against = Report {
        against: Some("a"),
        ..report
    };
    assert!(
        against
            .to_string()
            .contains("| limit-batch | 0.200 (0.67) | – |")
    );
}
