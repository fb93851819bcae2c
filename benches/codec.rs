//! What does it cost to read a message and to write one?
//!
//! Reading is `Reader::read`, from text to command; the texts have 128 bytes and 2 KiB, the difference being content.
//! Writing is `Writer::write`, from event to text, without the frame. All figures are per message. For PeerJS it is
//! `Realm::hear`, from text to text: there is little between reading an offer and writing it.
use std::hash::RandomState;
use std::hint::black_box;
use std::net::IpAddr;

use criterion::{BenchmarkId, Criterion, Throughput};
use peerhub::Config;
use peerhub::config::{Limits, Scope};
use peerhub::dialect::ok::outbound::Occasion;
use peerhub::dialect::ok::{Reader, Writer};
use peerhub::dialect::peerjs::Realm;
use peerhub::dialect::{Arrival, Lent, Mail};
use peerhub::hub::event::Outbox;
use peerhub::hub::id::FreshIds;
use peerhub::hub::{Hub, Rules};
use peerhub::index::{ClientKey, ConnKey, PeerKey};

#[path = "../tests/support/mod.rs"]
mod dice;

use dice::Dice;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for bytes in [128, 2_048] {
        read(&mut criterion, bytes);
    }
    write(&mut criterion);
    peerjs_offer(&mut criterion);
    criterion.final_summary();
}

fn read(criterion: &mut Criterion, bytes: usize) {
    let reader = Reader::new(Limits::default(), None);
    let mut group = criterion.benchmark_group("codec/read");
    group.throughput(Throughput::Bytes(bytes as u64));
    let texts = [
        (
            "publish",
            r#"{"type":"publish","messageid":"a1b2c3d-k7vsj2og","content":{"channel":"news","message":"#,
            "}}",
        ),
        (
            "notify",
            r#"{"type":"notify","messageid":"a1b2c3d-k7vsj2og","peer":"d4e5f6g-k7vsj2og","name":"n","content":"#,
            "}",
        ),
        (
            "request",
            r#"{"type":"request","messageid":"a1b2c3d-k7vsj2og","peer":"d4e5f6g-k7vsj2og","name":"n","content":"#,
            "}",
        ),
        (
            "initiate",
            r#"{"type":"initiate","content":{"linkageKey":"room","tags":["a","b"],"startTime":1790000000000,"properties":{"p":"#,
            "}}}",
        ),
    ];
    for (kind, begin, end) in texts {
        let filling = "x".repeat(bytes - begin.len() - end.len() - 2);
        let text = format!("{begin}\"{filling}\"{end}");
        assert_eq!(text.len(), bytes);
        assert!(reader.read(&text).expect("a message").command.is_ok());
        group.bench_function(BenchmarkId::new(kind, bytes), |bencher| {
            bencher.iter(|| {
                let inbound = reader.read(black_box(&text)).expect("a message");
                black_box(inbound.command.is_ok())
            });
        });
    }
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let mut room = Room::new(101);
    let publish = message(
        "publish",
        r#"{"channel":"news","message":{"text":"hello, everybody"}}"#,
    );
    let presence = message("initiate", r#"{"linkageKey":"room"}"#);
    let retrieve = message("retrievePeers", "{}");
    let mut group = criterion.benchmark_group("codec/write");
    for (kind, text, sign) in [
        ("message", &publish, r#""type":"message""#),
        ("presence", &presence, r#""type":"presence""#),
        ("peers_of_100", &retrieve, r#""peers":["#),
    ] {
        let reader = Reader::new(Limits::default(), None);
        let command = reader.read(text).expect("a message").command;
        let mut out = Outbox::default();
        room.hub
            .handle(
                0,
                room.peers[0],
                command.expect("a command"),
                &mut room.ids,
                &mut out,
            )
            .expect("a command that suits");
        let last = out.deliveries().last().expect("somebody hears of it");
        let writer = Writer::new(true, usize::MAX);
        let mut bytes = Vec::new();
        let (event, to) = (last.event, last.to);
        let mut given = Vec::new();
        let mut write = |bytes: &mut Vec<u8>| {
            bytes.clear();
            given.clear();
            room.ids.top_up(0, |stock| stock.fill(7));
            let mut occasion = Occasion {
                hub: &room.hub,
                unix_ms: 1_790_000_000_000,
                ids: &mut room.ids,
                given: &mut given,
            };
            writer.write(&mut occasion, &out, event, to, bytes)
        };
        assert!(write(&mut bytes));
        assert!(String::from_utf8_lossy(&bytes).contains(sign));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(kind, |bencher| bencher.iter(|| write(&mut bytes)));
    }
    group.finish();
}

fn peerjs_offer(criterion: &mut Criterion) {
    let mut realm = Realm::new(&Config::default(), RandomState::new(), 0);
    let (mut ids, mut mail) = (FreshIds::default(), Mail::default());
    let clients: Vec<ClientKey> = (0..1_000)
        .map(|number| {
            let query = format!("key=peerjs&id=client-{number}&token=t");
            let arrival = Arrival {
                conn: ConnKey::at(number),
                remote: ([192, 0, 2, 1], 1).into(),
                local_port: 1,
                query: &query,
                has_fixed_id: false,
            };
            let lent = Lent {
                now: 0,
                ids: &mut ids,
                mail: &mut mail,
            };
            realm.join(arrival, lent).expect("an id that is free")
        })
        .collect();
    let (begin, end) = (
        r#"{"type":"OFFER","payload":{"sdp":{"type":"offer","sdp":""#,
        r#""},"type":"data","connectionId":"dc_1","reliable":true},"dst":"client-7"}"#,
    );
    let text = format!(
        "{begin}{}{end}",
        "x".repeat(2_048 - begin.len() - end.len())
    );
    let mut group = criterion.benchmark_group("codec/peerjs");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function(BenchmarkId::new("offer", text.len()), |bencher| {
        bencher.iter(|| {
            mail.clear();
            let lent = Lent {
                now: 0,
                ids: &mut ids,
                mail: &mut mail,
            };
            realm
                .hear(clients[3], black_box(&text), lent)
                .expect("an offer");
            assert_eq!(mail.text_count(), 1);
        });
    });
    group.finish();
}

fn message(kind: &str, content: &str) -> String {
    format!(r#"{{"type":"{kind}","messageid":"a1b2c3d-k7vsj2og","content":{content}}}"#)
}

/// Peers of one linkage that hear of each other and of the channel `news`.
struct Room {
    hub: Hub,
    ids: FreshIds,
    peers: Vec<PeerKey>,
}

impl Room {
    fn new(peer_count: u64) -> Room {
        let Config { limits, .. } = Config::default();
        let rules = Rules {
            scope: Scope::Hub,
            debout: false,
            debout_channel: "\"debout\"".into(),
            nudge_interval_ms: 0,
            probe_time_ms: 1,
            request_timeout_ms: 1,
            request_timeout_max_ms: 1,
            tags_max: limits.tags,
            properties_bytes_max: limits.properties_bytes,
            channels_max: limits.channels,
            pending_requests_max: limits.pending_requests,
        };
        let mut room = Room {
            hub: Hub::new(rules, RandomState::new(), 0),
            ids: FreshIds::default(),
            peers: Vec::new(),
        };
        let reader = Reader::new(limits.clone(), None);
        let mut dice = Dice::new(1);
        for number in 0..peer_count {
            let initiate = message(
                "initiate",
                &format!(
                    r#"{{"id":"peer-{number}","linkageKey":"room","tags":["a","b"],"properties":{{"p":[1,2,3]}},"startTime":1790000000000,"options":{{"peerInitiationReceiver":true,"peerInitiationSender":true}}}}"#
                ),
            );
            let subscribe = message("subscribe", r#"{"channels":["news"]}"#);
            room.ids.top_up(0, |stock| {
                let chance = dice.bytes(stock.len() as u64);
                stock.copy_from_slice(&chance);
            });
            let remote = IpAddr::from([192, 0, 2, 1]);
            let mut out = Outbox::default();
            let peer = room.hub.connect(0, 0, remote, &mut room.ids, &mut out);
            room.peers.push(peer);
            for text in [initiate, subscribe] {
                let command = reader.read(&text).expect("a message").command;
                let mut out = Outbox::default();
                let command = command.expect("a command");
                room.hub
                    .handle(0, peer, command, &mut room.ids, &mut out)
                    .expect("a command that suits");
            }
        }
        room
    }
}
