//! What is counted: each hot path, from bytes on one socket to bytes on others, with everything at its size before.
//!
//! What the memory sockets and the moving of bytes onto them cost is part of the counts, and the same for all.

use crate::count::{ROUNDS, WARM_UP};
use crate::record::Counts;
use crate::support::{Hall, frame, upgrade_to};
use peerhub::Config;
use peerhub::config::Limits;
use peerhub::dialect::ok::Reader;
use peerhub::index::TimerKey;
use peerhub::wheel::Wheel;
use std::collections::BTreeMap;
use std::hint::black_box;

/// One hot path.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// What the count is for.
    pub(crate) unit: &'static str,
    /// How many of that a round has.
    pub(crate) units: u64,
    /// Builds what the rounds need.
    pub(crate) set_up: fn() -> Round,
}

/// Does the thing once. The number stands for what has come of it: the same in every round, and not 0.
pub(crate) type Round = Box<dyn FnMut() -> u64>;

/// Every path.
pub(crate) fn all() -> Vec<Path> {
    let path = |name, unit, units, set_up| Path {
        name,
        unit,
        units,
        set_up,
    };
    vec![
        path("publish_to_1", "a publication", 1, || publish(1, 1)),
        path("publish_to_100", "a publication", 1, || publish(100, 1)),
        path("publish_to_1000", "a publication", 1, || publish(1_000, 1)),
        path("publish_32_in_one_read_to_100", "a publication", 32, || {
            publish(100, 32)
        }),
        path("publish_to_100_debout_unused", "a publication", 1, || {
            let config = Config {
                debout: true,
                ..Config::default()
            };
            publish_with(config, 100, 1)
        }),
        path("request_response", "a pair", 1, || request_response(1)),
        path("request_response_of_100", "a pair", 100, || {
            request_response(100)
        }),
        path("notify", "a message", 1, notify),
        path("presence_to_100", "one who joins", 1, || presence(100)),
        path("presence_to_1000", "one who joins", 1, || presence(1_000)),
        path("presence_to_10000", "one who joins", 1, || presence(10_000)),
        path("upgrade_and_join", "a newcomer", 1, upgrade_and_join),
        path("bad_message", "a message", 1, bad_message),
        path("peerjs_offer", "an offer of 2 KiB", 1, peerjs_offer),
        path("relay_message", "a message", 1, relay_message),
        path("idle_tick", "a tick with 10,000 connections", 1, idle_tick),
        path("nudge", "a connection", 1_000, nudge),
        path("ping_and_pong", "a connection", 1_000, ping_and_pong),
        path("timer_arm", "a timer", TIMERS, || wheels(cancel, arm)),
        path("timer_cancel", "a timer", TIMERS, || wheels(stay, cancel)),
        path("timer_fire", "a timer", TIMERS, || wheels(stay, fire)),
        path("read_publish_of_128", "a text", 1, || read(PUBLISH, 128)),
        path("read_publish_of_2048", "a text", 1, || read(PUBLISH, 2_048)),
        path("read_request_of_128", "a text", 1, || read(REQUEST, 128)),
        path("read_request_of_2048", "a text", 1, || read(REQUEST, 2_048)),
    ]
}

/// What follows from two paths that differ in the number of receivers only: the costs of each further one.
pub(crate) fn further(found: &Counts) -> Vec<(&'static str, u64)> {
    FURTHER
        .iter()
        .filter_map(|&(name, few, many, difference)| {
            let (few, many) = (found.get(few)?, found.get(many)?);
            Some((name, many.saturating_sub(*few) / difference))
        })
        .collect()
}

/// What each count is for, by its name.
pub(crate) fn units() -> BTreeMap<&'static str, &'static str> {
    let further = FURTHER.iter().map(|&(name, ..)| (name, "each further one"));
    let paths = all().into_iter().map(|path| (path.name, path.unit));
    paths.chain(further).collect()
}

/// What must hold between counts, whatever they are: the name of one, that of another, and how much more the first may be,
/// in percent.
pub(crate) const AT_MOST: [(&str, &str, u64); 2] = [
    // What is off or not used costs nothing.
    ("publish_to_100_debout_unused", "publish_to_100", 1),
    // Joining costs messages and nothing else that grows; but once a flush has taken long, each is asked whether it has
    // much to be told.
    (
        "presence_each_of_9000_further",
        "presence_each_of_900_further",
        6,
    ),
];

/// A name, the paths with fewer and with more receivers, and how many more those are.
const FURTHER: [(&str, &str, &str, u64); 3] = [
    (
        "publish_each_of_900_further",
        "publish_to_100",
        "publish_to_1000",
        900,
    ),
    (
        "presence_each_of_900_further",
        "presence_to_100",
        "presence_to_1000",
        900,
    ),
    (
        "presence_each_of_9000_further",
        "presence_to_1000",
        "presence_to_10000",
        9_000,
    ),
];

fn publish(receiver_count: usize, publish_count: usize) -> Round {
    publish_with(Config::default(), receiver_count, publish_count)
}

/// So many publications of 128 bytes in one read.
fn publish_with(config: Config, receiver_count: usize, publish_count: usize) -> Round {
    let mut hall = Hall::new(config);
    let publisher = hall.join("room");
    let subscribe = frame(r#"{"type":"subscribe","content":{"channels":["news"]}}"#);
    for _ in 0..receiver_count {
        let subscriber = hall.join("room");
        hall.send(subscriber, &subscribe);
        hall.tick();
        hall.discard(subscriber);
    }
    let text = format!(
        r#"{{"type":"publish","messageid":"a1b2c3d-k7vsj2og","content":{{"channel":"news","message":"{}"}}}}"#,
        "x".repeat(128)
    );
    let messages = frame(&text).repeat(publish_count);
    talk(hall, receiver_count, move |hall| {
        hall.send(publisher, &messages);
        hall.tick();
    })
}

/// All requests in one tick, and all responses in the next.
fn request_response(pair_count: usize) -> Round {
    let mut hall = Hall::new(Config::default());
    let pairs: Vec<_> = (0..pair_count)
        .map(|_| {
            let (requester, responder) = (hall.join("room"), hall.join("room"));
            hall.discard(requester);
            hall.discard(responder);
            let message = |kind: &str, peer: usize| {
                frame(&format!(
                    r#"{{"type":"{kind}","messageid":"a1b2c3d-k7vsj2og","peer":"client-{peer}","name":"n","content":"{}"}}"#,
                    "x".repeat(128)
                ))
            };
            let request = message("request", responder);
            let response = message("response", requester);
            (requester, responder, request, response)
        })
        .collect();
    talk(hall, 0, move |hall| {
        for (requester, _, request, _) in &pairs {
            hall.send(*requester, request);
        }
        hall.tick();
        for (_, responder, _, response) in &pairs {
            hall.send(*responder, response);
        }
        hall.tick();
    })
}

fn notify() -> Round {
    let mut hall = Hall::new(Config::default());
    let (sender, receiver) = (hall.join("room"), hall.join("room"));
    hall.discard(receiver);
    let message = frame(&format!(
        r#"{{"type":"notify","messageid":"a1b2c3d-k7vsj2og","peer":"client-1","name":"n","content":"{}"}}"#,
        "x".repeat(128)
    ));
    talk(hall, receiver, move |hall| {
        hall.send(sender, &message);
        hall.tick();
    })
}

/// One who is connected already joins a linkage whose members all hear of it.
fn presence(member_count: usize) -> Round {
    let mut hall = Hall::new(Config::default());
    let initiate = |id: &str, hears, shows| {
        frame(&format!(
            r#"{{"type":"initiate","content":{{"id":"{id}","linkageKey":"room","tags":["a","b"],"properties":{{"p":[1,2,3]}},"options":{{"peerInitiationReceiver":{hears},"peerInitiationSender":{shows}}}}}}}"#
        ))
    };
    let mut join = |id: String, hears, shows| {
        let client = hall.connect();
        hall.discard(client);
        (client, initiate(&id, hears, shows))
    };
    let members: Vec<_> = (0..member_count)
        .map(|number| join(format!("member-{number}"), true, false))
        .collect();
    // They hear of nobody, so those in front cost those behind nothing.
    let newcomers: Vec<_> = (10..10 + WARM_UP + ROUNDS)
        .map(|number| join(format!("newcomer-{number}"), false, true))
        .collect();
    for (client, initiate) in members {
        hall.send(client, &initiate);
        hall.tick();
    }
    let mut turn = 0;
    talk(hall, member_count - 1, move |hall| {
        let (client, initiate) = &newcomers[turn];
        turn += 1;
        hall.send(*client, initiate);
        hall.tick();
    })
}

/// From a new socket to `confirm`, in a linkage where nobody hears of others. There are so many before that no table grows
/// for the newcomers.
fn upgrade_and_join() -> Round {
    let mut hall = Hall::new(Config::default());
    for _ in 0..150 {
        hall.join("room");
    }
    let upgrade = upgrade_to("/");
    let initiate = frame(
        r#"{"type":"initiate","content":{"linkageKey":"hall","userid":"","tags":["a","b"],"properties":{"p":[1,2,3]},"options":{"peerInitiationReceiver":false,"peerInitiationSender":true}}}"#,
    );
    Box::new(move || {
        let newcomer = hall.admit();
        hall.discard(newcomer);
        for bytes in [&upgrade, &initiate] {
            hall.send(newcomer, bytes);
            hall.tick();
        }
        hall.written_bytes(newcomer)
    })
}

/// Something that no client of ours sends, from one that is told so.
fn bad_message() -> Round {
    let mut hall = Hall::new(Config::default());
    let sender = hall.connect();
    let initiate = r#"{"type":"initiate","content":{"linkageKey":"room","resume":true}}"#;
    hall.send(sender, &frame(initiate));
    hall.tick();
    hall.discard(sender);
    let message = frame(r#"{"type":"nonsense","messageid":"a1b2c3d-k7vsj2og","content":{}}"#);
    talk(hall, sender, move |hall| {
        hall.send(sender, &message);
        hall.tick();
    })
}

fn peerjs_offer() -> Round {
    let mut hall = Hall::new(Config::default());
    for number in 0..100 {
        hall.connect_to(&format!("/peerjs?key=peerjs&id=client-{number}&token=t"));
    }
    let (sender, receiver) = (3, 7);
    hall.discard(receiver);
    let (begin, end) = (
        r#"{"type":"OFFER","payload":{"sdp":{"type":"offer","sdp":""#,
        r#""},"type":"data","connectionId":"dc_1","reliable":true},"dst":"client-7"}"#,
    );
    let offer = frame(&filled(begin, end, 2_048));
    talk(hall, receiver, move |hall| {
        hall.send(sender, &offer);
        hall.tick();
    })
}

/// A node's message to another, by way of the hub. No nonce may come twice, and the hub remembers each: before the count
/// there are so many that its memory does not grow during it.
fn relay_message() -> Round {
    let mut hall = Hall::new(Config::default());
    let (near, far) = ("a1".repeat(20), "b2".repeat(20));
    let mut join = |id: &str| {
        let client = hall.connect_to("/peer-relay");
        hall.send(client, &frame(&format!("\"{id}\"")));
        hall.tick();
        hall.discard(client);
        client
    };
    let (sender, receiver) = (join(&near), join(&far));
    let mut messages = (0..100 + WARM_UP + ROUNDS).map(move |number| {
        frame(&format!(
            r#"{{"to":"{far}","from":"{near}","path":["{near}"],"nonce":"{:015}","data":{{"type":"user","data":"{}"}}}}"#,
            7_919 * number,
            "x".repeat(128)
        ))
    });
    for message in messages.by_ref().take(100) {
        hall.send(sender, &message);
        hall.tick();
    }
    let messages: Vec<_> = messages.collect();
    let mut turn = 0;
    talk(hall, receiver, move |hall| {
        hall.send(sender, &messages[turn]);
        turn += 1;
        hall.tick();
    })
}

/// Nothing has come, and nothing is due.
fn idle_tick() -> Round {
    let mut hall = Hall::new(Config {
        ping_interval_ms: 600_000,
        nudge_interval_ms: 600_000,
        ..Config::default()
    });
    for _ in 0..10_000 {
        hall.connect();
    }
    Box::new(move || {
        hall.tick();
        hall.client_count() as u64
    })
}

/// Every connection is nudged once.
fn nudge() -> Round {
    let config = Config {
        ping_interval_ms: 0,
        ..Config::default()
    };
    let interval_ms = config.nudge_interval_ms;
    talk(crowd(config), 999, move |hall| {
        hall.pass(interval_ms);
        hall.tick();
    })
}

/// Every connection is pinged once, and answers.
fn ping_and_pong() -> Round {
    let config = Config {
        nudge_interval_ms: 0,
        ..Config::default()
    };
    let interval_ms = config.ping_interval_ms;
    let pong = [0x8a, 0x80, 0x5a, 0x17, 0xc3, 0x88];
    talk(crowd(config), 999, move |hall| {
        hall.pass(interval_ms);
        hall.tick();
        for client in 0..hall.client_count() {
            hall.send(client, &pong);
        }
        hall.tick();
    })
}

/// A thousand who have joined.
fn crowd(config: Config) -> Hall {
    let mut hall = Hall::new(config);
    for _ in 0..1_000 {
        let client = hall.join("room");
        hall.discard(client);
    }
    hall
}

/// A round in which clients say something, and one hears some bytes of it.
fn talk(mut hall: Hall, ear: usize, mut say: impl FnMut(&mut Hall) + 'static) -> Round {
    Box::new(move || {
        let before = hall.written_bytes(ear);
        say(&mut hall);
        hall.written_bytes(ear) - before
    })
}

/// A wheel for each round. All timers have been armed once, so that it allocates nothing, and then been prepared.
fn wheels(prepare: fn(&mut Timers) -> u64, round: fn(&mut Timers) -> u64) -> Round {
    let mut timers: Vec<Timers> = (0..WARM_UP + ROUNDS)
        .map(|_| {
            let mut timers = Timers {
                wheel: Wheel::new(RESOLUTION_MS, START_MS),
                keys: Vec::new(),
                due: Vec::with_capacity(TIMERS as usize),
            };
            arm(&mut timers);
            prepare(&mut timers);
            timers
        })
        .collect();
    let mut turn = 0;
    Box::new(move || {
        turn += 1;
        round(&mut timers[turn - 1])
    })
}

struct Timers {
    wheel: Wheel<u64>,
    keys: Vec<TimerKey>,
    due: Vec<u64>,
}

fn arm(timers: &mut Timers) -> u64 {
    let Timers { wheel, keys, .. } = timers;
    // Spread evenly and without order, since the step and the time have no common factor.
    keys.extend((0..TIMERS).map(|number| wheel.arm(START_MS + number * 7_919 % SPREAD_MS, number)));
    wheel.len() as u64
}

/// The timers stay armed.
fn stay(timers: &mut Timers) -> u64 {
    timers.wheel.len() as u64
}

fn cancel(timers: &mut Timers) -> u64 {
    let Timers { wheel, keys, .. } = timers;
    keys.drain(..)
        .map(|key| black_box(wheel.cancel(key)).min(1))
        .sum()
}

/// The time passes in steps of the resolution until all have fired.
fn fire(timers: &mut Timers) -> u64 {
    let Timers { wheel, due, .. } = timers;
    for step in 0..=SPREAD_MS / RESOLUTION_MS {
        wheel.expire(START_MS + step * RESOLUTION_MS, due);
    }
    due.len() as u64
}

fn read((begin, end): (&str, &str), bytes: usize) -> Round {
    let reader = Reader::new(Limits::default(), None);
    let text = filled(begin, end, bytes);
    Box::new(move || {
        let inbound = reader.read(black_box(&text)).expect("a message");
        black_box(inbound.command).is_ok().into()
    })
}

/// The text between these two, filled up to so many bytes.
fn filled(begin: &str, end: &str, bytes: usize) -> String {
    let filling = "x".repeat(bytes - begin.len() - end.len());
    format!("{begin}{filling}{end}")
}

const PUBLISH: (&str, &str) = (
    r#"{"type":"publish","messageid":"a1b2c3d-k7vsj2og","content":{"channel":"news","message":""#,
    r#""}}"#,
);

const REQUEST: (&str, &str) = (
    r#"{"type":"request","messageid":"a1b2c3d-k7vsj2og","peer":"d4e5f6g-k7vsj2og","name":"n","content":""#,
    r#""}"#,
);

const TIMERS: u64 = 1_000;

const RESOLUTION_MS: u64 = 8;

const SPREAD_MS: u64 = 60_000;

const START_MS: u64 = 1_790_000_000_000;
