//! Single situations of the tick that no random walk is likely to meet, over false sockets and a false clock.

mod support;

use peerhub::Config;
use std::net::IpAddr;
use support::memory_socket::Wire;
use support::test_hub::{TestHub, settle};
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
    let texts = peer.texts();
    let (_, rest) = texts[0].split_once(r#""peer":""#).expect("an accept");
    let (id, _) = rest.split_once('"').expect("an id");
    let id = id.to_owned();
    peer.say(&format!(
        r#"{{"type":"initiate","content":{{"linkageKey":"room"{initiation}}}}}"#
    ));
    settle(hub, [&mut peer]);
    (peer, id)
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
        let texts = claimant.texts();
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

/// Connections that ended in one tick were once reaped last first.
#[test]
fn who_leaves_first_is_seen_to_leave_first() {
    let mut hub = TestHub::new(Config::default(), 1);
    let options = r#","options":{"peerInitiationReceiver":true,"peerInitiationSender":true}"#;
    let (mut witness, _) = join(&mut hub, options);
    let mut leavers: Vec<_> = (0..3).map(|_| join(&mut hub, options)).collect();
    settle(&mut hub, [&mut witness]);
    witness.texts();
    for (leaver, _) in &mut leavers {
        leaver.say(r#"{"type":"leave"}"#);
    }
    settle(&mut hub, leavers.iter_mut().map(|(leaver, _)| leaver));
    let texts = witness.texts();
    assert_eq!(texts.len(), 3);
    for (text, (_, id)) in texts.iter().zip(&leavers) {
        assert!(text.contains(r#""type":"leave""#) && text.contains(id));
    }
}

/// A pong that waited behind much else to be read once came too late, though it had been there in time.
#[test]
fn a_pong_that_the_hub_has_not_read_yet_is_no_silence() {
    let config = Config {
        read_buffer_bytes: 4096,
        ..Config::default()
    };
    let interval_ms = config.ping_interval_ms;
    let mut hub = TestHub::new(config, 1);
    let (mut peer, _) = join(&mut hub, "");
    let notify = format!(
        r#"{{"type":"notify","peer":"nobody","content":"{}"}}"#,
        "x".repeat(4000)
    );
    for _ in 0..20 {
        peer.say(&notify);
    }
    // Each tick reads one buffer full, and a whole interval passes before the next.
    let mut heard = Vec::new();
    for _ in 0..4 {
        peer.wire().arrive(usize::MAX);
        hub.jump(interval_ms);
        hub.tick();
        heard.extend(peer.pump(usize::MAX));
    }
    assert!(heard.contains(&Heard::Ping));
    settle(&mut hub, [&mut peer]);
    hub.advance(interval_ms / 2, |_| false);
    assert_eq!(hub.census().peers, 1);
    // One who says nothing at all is cut off as ever.
    peer.answers_pings = false;
    hub.advance(3 * interval_ms, |_| false);
    assert_eq!(hub.census().connections, 0);
}

/// A hub that was told to stop once cut off those who had not yet read the last of their answer.
#[test]
fn answers_survive_the_end() {
    let mut hub = TestHub::new(Config::default(), 1);
    let answered = connect(&mut hub);
    answered.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (socket_bytes, path) = (1000, "/ok-peerconnection.js");
    let reading = hub.connect(ANYWHERE, socket_bytes).expect("there is room");
    reading.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    let idle = connect(&mut hub);
    for wire in [&answered, &reading, &idle] {
        wire.arrive(usize::MAX);
    }
    hub.settle(|_| false);
    hub.drain();
    hub.settle(|_| !reading.receive(usize::MAX).is_empty());
    // Whoever has not asked yet has half a second for that.
    assert!(!idle.is_released());
    hub.advance(500, |_| false);
    assert!(idle.is_released());
    for wire in [answered, reading] {
        // Ours is said; the connection stays until the other side has had it.
        assert!(!wire.is_released());
        wire.end();
        wire.arrive(usize::MAX);
        hub.settle(|_| false);
        assert!(wire.is_released());
    }
}

/// A buffer full of short requests once had all its long answers written in one turn, however many they were.
#[test]
fn many_requests_in_one_read_are_answered_in_turns() {
    const REQUESTS: usize = 1_000;
    let mut hub = TestHub::new(Config::default(), 1);
    let request = "GET /ok-peerconnection.js HTTP/1.1\r\nHost: a\r\n\r\n";
    let greedy = hub.connect(ANYWHERE, usize::MAX).expect("there is room");
    let modest = connect(&mut hub);
    greedy.send(request.repeat(REQUESTS).as_bytes());
    modest.send(request.as_bytes());
    hub.tick();
    for wire in [&greedy, &modest] {
        wire.arrive(usize::MAX);
    }
    hub.tick();
    assert!(!modest.receive(usize::MAX).is_empty());
    let mut answered = greedy.receive(usize::MAX);
    let begins = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.matches("HTTP/1.1 200 OK\r\n").count()
    };
    assert!((1..REQUESTS / 2).contains(&begins(&answered)));
    hub.settle(|_| false);
    answered.extend(greedy.receive(usize::MAX));
    assert_eq!(begins(&answered), REQUESTS);
}

/// A buffer full of pings, or of fragments, was once no work at all, however long it took: a crowd of those who send them
/// made everybody wait.
#[test]
fn many_pings_in_one_read_are_answered_in_turns() {
    const PINGS: usize = 4_000;
    let mut hub = TestHub::new(Config::default(), 1);
    let mut crowd: Vec<TestPeer> = Vec::new();
    for _ in 0..64 {
        let wire = hub.connect(ANYWHERE, usize::MAX).expect("there is room");
        let mut peer = TestPeer::new(wire, "/");
        settle(&mut hub, [&mut peer]);
        assert_eq!(peer.texts().len(), 1);
        crowd.push(peer);
    }
    for peer in &crowd {
        peer.wire().send(&[0x89, 0x80, 1, 2, 3, 4].repeat(PINGS));
        peer.wire().arrive(usize::MAX);
    }
    let answered = |peer: &TestPeer| peer.wire().receive(usize::MAX).len() / 2;
    hub.tick();
    let mut counts: Vec<usize> = crowd.iter().map(answered).collect();
    assert!(counts.iter().all(|&count| count < PINGS / 2), "{counts:?}");
    hub.settle(|_| false);
    for (count, peer) in counts.iter_mut().zip(&crowd) {
        *count += answered(peer);
        assert_eq!(*count, PINGS);
    }
}

/// Pongs once came after everything that was said about the rest of the same read.
#[test]
fn a_pong_comes_before_the_answer_to_what_follows_its_ping() {
    let config = Config {
        echo: true,
        ..Config::default()
    };
    let mut hub = TestHub::new(config, 1);
    let mut peer = TestPeer::new(connect(&mut hub), "/echo");
    peer.say("one");
    peer.send_frame(0x89, b"first");
    peer.send_frame(0x01, b"t");
    peer.send_frame(0x89, b"second");
    peer.send_frame(0x80, b"wo");
    peer.send_frame(0x88, &1000_u16.to_be_bytes());
    settle(&mut hub, [&mut peer]);
    let text = |text: &str| Heard::Text(text.to_owned());
    let heard = peer.pump(usize::MAX);
    let expected = [
        text("one"),
        Heard::Pong(b"first".to_vec()),
        Heard::Pong(b"second".to_vec()),
        text("two"),
        Heard::Close(Some(1000), String::new()),
        Heard::Gone,
    ];
    assert_eq!(heard, expected);
}

/// A channel with 80 subscribers, a watcher of what the hub says to them, and somebody who is about to publish 600 kB.
fn watched_channel(queue_bytes: usize, window: usize) -> (TestHub, Vec<TestPeer>, TestPeer) {
    let mut config = Config {
        debout: true,
        ..Config::default()
    };
    config.limits.queue_bytes = queue_bytes;
    let mut hub = TestHub::new(config, 1);
    let mut watcher = TestPeer::new(connect(&mut hub), "/");
    watcher.say(r#"{"type":"deboutSelection","content":{"hub2client":true}}"#);
    watcher.say(r#"{"type":"subscribe","content":{"channels":["w2dutnc-k7vsj2og"]}}"#);
    settle(&mut hub, [&mut watcher]);
    let mut readers = Vec::new();
    for _ in 0..80 {
        let wire = hub.connect(ANYWHERE, window).expect("there is room");
        let mut reader = TestPeer::new(wire, "/");
        reader.say(r#"{"type":"subscribe","content":{"channels":["news"]}}"#);
        settle(&mut hub, [&mut reader]);
        reader.pump(usize::MAX);
        readers.push(reader);
    }
    let mut speaker = TestPeer::new(connect(&mut hub), "/");
    settle(&mut hub, [&mut speaker]);
    watcher.pump(usize::MAX);
    let content = "x".repeat(600_000);
    speaker.say(&format!(
        r#"{{"type":"publish","content":{{"channel":"news","message":"{content}"}}}}"#
    ));
    speaker.wire().arrive(usize::MAX);
    (hub, readers, speaker)
}

/// The copies on the debug stream of a message to many were once all written before the first of them was sent.
#[test]
fn copies_for_the_debug_stream_do_not_pile_up() {
    let (mut hub, _readers, _speaker) = watched_channel(1 << 10, 2_000);
    let measured = allocation_counter::measure(|| hub.settle(|_| false));
    // The watcher's and the readers' queues are full at once; 80 copies would be 48 MB.
    assert_eq!(hub.census().slow_readers, 81);
    assert!(measured.bytes_max < 30 << 20, "{measured:?}");
}

/// A message that is written on both sides of a flush is the same on both.
#[test]
fn a_flush_in_the_middle_of_a_fan_out_shows_to_nobody() {
    let (mut hub, mut readers, _speaker) = watched_channel(16 << 20, WINDOW);
    hub.settle(|_| false);
    let mut told = std::collections::BTreeSet::new();
    for reader in &mut readers {
        let texts = reader.texts();
        assert_eq!(texts.len(), 1);
        told.extend(texts);
    }
    assert_eq!(told.len(), 1);
    // 48 MB of copies are more than may wait for the watcher: most are dropped, and it stays.
    assert_eq!((hub.census().slow_readers, hub.census().dropped), (0, 67));
}

/// A listing was as long as everything that the peers of a linkage say of themselves, which nothing bounds.
#[test]
fn a_listing_ends_where_the_askers_queue_would() {
    let mut config = Config::default();
    config.limits.queue_bytes = 64 << 10;
    let mut hub = TestHub::new(config, 1);
    let properties = format!(r#","properties":{{"a":"{}"}}"#, "x".repeat(8_000));
    let _crowd: Vec<_> = (0..30).map(|_| join(&mut hub, &properties)).collect();
    let (mut asker, _) = join(&mut hub, "");
    asker.texts();
    asker.say(r#"{"type":"retrievePeers","messageid":"m"}"#);
    settle(&mut hub, [&mut asker]);
    let texts = asker.texts();
    let [answer] = texts.as_slice() else {
        panic!("one answer: {} texts", texts.len());
    };
    assert!((56 << 10..80 << 10).contains(&answer.len()));
    let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    let peers = answer["content"]["peers"].as_array().expect("peers");
    assert!((6..10).contains(&peers.len()), "{} peers", peers.len());
}

/// An answer after which the connection closes was once cut off after a fixed time, however steadily it was read.
#[test]
fn the_last_answer_may_be_read_slowly() {
    let config = Config::default();
    let close_timeout_ms = config.close_timeout_ms;
    let mut hub = TestHub::new(config, 1);
    let ask = |hub: &mut TestHub| {
        let wire = hub.connect(ANYWHERE, 4_000).expect("there is room");
        wire.send(b"GET /ok-peerconnection.js HTTP/1.0\r\nHost: a\r\n\r\n");
        wire.arrive(usize::MAX);
        hub.settle(|_| false);
        wire
    };
    let wire = ask(&mut hub);
    let mut answer = Vec::new();
    while !wire.is_over() {
        answer.extend(wire.receive(usize::MAX));
        hub.settle(|_| false);
        hub.advance(close_timeout_ms / 2, |_| false);
        assert!(answer.len() < 1 << 20);
    }
    let text = String::from_utf8(answer).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(body.len() > 20_000);
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    // Who takes nothing is not waited for.
    let idle = ask(&mut hub);
    hub.advance(close_timeout_ms + 10, |_| false);
    assert!(idle.is_released());
}

/// The refusal of a HEAD request once had a body.
#[test]
fn a_refused_head_is_answered_without_a_body() {
    let mut hub = TestHub::new(Config::default(), 1);
    for (method, has_body) in [("HEAD", false), ("GET", true)] {
        let wire = connect(&mut hub);
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n");
        wire.send(head.as_bytes());
        wire.arrive(usize::MAX);
        hub.settle(|_| false);
        let answer = String::from_utf8(wire.receive(usize::MAX)).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
        assert_eq!(!body.is_empty(), has_body, "{method}");
    }
}

/// What is said to nobody and answered by nothing once cost nothing: very many small messages in one read were all worked
/// off in one turn, and with some who sent such, a tick took seconds.
#[test]
fn many_messages_in_one_read_are_heard_in_turns() {
    let relay = "\"7777777777777777777777777777777777777777\"";
    let presentation = r#"{"senderName":"a","type":"@PRESENTATION","content":{"port":1}}"#;
    for (path, first, message) in [
        (
            "/peerjs?key=peerjs&id=a&token=t",
            "{\"type\":\"HEARTBEAT\"}",
            "x",
        ),
        ("/peer-relay", relay, "x"),
        ("/peero", "{\"type\":\"register\"}", "x"),
        ("/", "{\"type\":\"retrievePeers\"}", "x"),
        ("", presentation, "x"),
    ] {
        const MESSAGES: usize = 15_000;
        let mut hub = TestHub::new(Config::default(), 1);
        let mut loud = match path {
            "" => TestPeer::of_lines(connect(&mut hub)),
            _ => TestPeer::new(connect(&mut hub), path),
        };
        settle(&mut hub, [&mut loud]);
        loud.say(first);
        settle(&mut hub, [&mut loud]);
        let before = hub.census().faults;
        for _ in 0..MESSAGES {
            loud.say(message);
        }
        loud.wire().arrive(usize::MAX);
        hub.tick();
        let heard = (hub.census().faults - before) as usize;
        assert!(0 < heard && heard < MESSAGES, "{path}: {heard} in one tick");
        hub.settle(|_| false);
        assert_eq!((hub.census().faults - before) as usize, MESSAGES, "{path}");
    }
}

/// Of one who has sent several messages that each cost more than a tick may, one was worked off in each tick and then
/// nobody else was heard.
#[test]
fn messages_that_cost_much_leave_a_turn_to_the_others() {
    const READERS: usize = 500;
    let mut config = Config {
        read_buffer_bytes: 4 << 20,
        ..Config::default()
    };
    config.limits.queue_bytes = 1 << 30;
    let mut hub = TestHub::new(config, 1);
    let subscribe = r#"{"type":"subscribe","content":{"channels":["news"]}}"#;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let wire = hub.connect(ANYWHERE, 1_000).expect("there is room");
        let mut reader = TestPeer::new(wire, "/");
        reader.say(subscribe);
        readers.push(reader);
    }
    settle(&mut hub, &mut readers);
    let mut speaker = TestPeer::new(connect(&mut hub), "/");
    settle(&mut hub, [&mut speaker]);
    let content = "x".repeat(600_000);
    for _ in 0..4 {
        speaker.say(&format!(
            r#"{{"type":"publish","content":{{"channel":"news","message":"{content}"}}}}"#
        ));
    }
    speaker.wire().arrive(usize::MAX);
    hub.tick();
    let modest = connect(&mut hub);
    modest.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    modest.arrive(usize::MAX);
    hub.tick();
    assert!(!modest.receive(usize::MAX).is_empty());
}

/// When very many ended at once of whom very many others had to be told, all of that once happened in one tick.
#[test]
fn a_crowd_that_ends_at_once_is_taken_leave_of_in_turns() {
    const CROWD: usize = 3_000;
    let config = Config {
        ping_interval_ms: 0,
        ..Config::default()
    };
    let mut hub = TestHub::new(config, 1);
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let wire = hub.connect(ANYWHERE, 1_000).expect("there is room");
        crowd.push(TestPeer::new(wire, "/peero"));
    }
    settle(&mut hub, &mut crowd);
    let mut last = TestPeer::new(
        hub.connect(ANYWHERE, usize::MAX).expect("there is room"),
        "/peero",
    );
    settle(&mut hub, [&mut last]);
    assert_eq!(hub.census().connections, CROWD + 1);
    for peer in &crowd {
        peer.wire().reset();
        peer.wire().arrive(usize::MAX);
    }
    hub.tick();
    let left = hub.census().connections - 1;
    assert!(0 < left && left < CROWD, "{left} left after one tick");
    hub.settle(|_| false);
    assert_eq!(hub.census().connections, 1);
    let removed = last
        .texts()
        .into_iter()
        .filter(|text| text.contains("remove"));
    assert_eq!(removed.count(), CROWD);
}

/// A text for many fills the tick's bytes on its way, and the flush that follows finds a receiver's connection broken. The
/// next thing queued for it once ended the hub: its queue still held places that the flush had given away.
#[test]
fn who_is_lost_in_a_flush_in_the_middle_of_a_fan_out_gets_no_more() {
    const VISITORS: usize = 200;
    let mut hub = TestHub::new(Config::default(), 1);
    let mut visitors = Vec::new();
    for _ in 0..VISITORS {
        visitors.push(TestPeer::new(connect(&mut hub), "/peero"));
    }
    settle(&mut hub, &mut visitors);
    let told = visitors[1].texts().remove(0);
    let id = told.split('"').nth(7).expect("an id").to_owned();
    let (speaker, _) = visitors.split_first_mut().expect("there are some");
    for _ in 0..500 {
        speaker.say(r#"{"type":"offer","signal":""}"#);
        // Between two texts that all get there is one for another, so that queues are of many pieces.
        speaker.say(&format!(
            r#"{{"type":"answer","peerId":"{id}","signal":""}}"#
        ));
    }
    // Only writing to the lost tells that they are. Whoever it is before whom the hub flushes is likely to be one of them.
    speaker.wire().arrive(usize::MAX);
    for lost in &visitors[3..] {
        lost.wire().reset();
    }
    hub.settle(|_| false);
    assert_eq!(hub.census().connections, 3);
    let offers = visitors[2].texts().into_iter();
    assert_eq!(offers.filter(|text| text.contains("offer")).count(), 500);
}

/// Who waits for word that his body is welcome gets it once, and before the answer.
#[test]
fn a_body_that_waits_for_word_is_called_for() {
    let mut hub = TestHub::new(Config::default(), 1);
    let wire = connect(&mut hub);
    let body = r#"{"name":"nothing"}"#;
    let told = |hub: &mut TestHub, sent: &str| {
        wire.send(sent.as_bytes());
        wire.arrive(usize::MAX);
        hub.settle(|_| false);
        String::from_utf8(wire.receive(usize::MAX)).expect("UTF-8")
    };
    let head = format!(
        "POST /api HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    assert_eq!(told(&mut hub, &head), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(told(&mut hub, &body[..5]), "");
    assert!(told(&mut hub, &body[5..]).starts_with("HTTP/1.1 200 OK\r\n"));
    // A body that is there already needs no word.
    let both = told(&mut hub, &format!("{head}{body}"));
    assert!(both.starts_with("HTTP/1.1 200 OK\r\n"), "{both}");
}

/// A message that was late and a ping that was due in one tick once took each other's deadline for armed, which ended the
/// hub.
#[test]
fn two_deadlines_of_one_connection_may_pass_in_one_tick() {
    let config = Config {
        message_timeout_ms: 1_000,
        ..Config::default()
    };
    let mut hub = TestHub::new(config, 1);
    let (mut peer, _) = join(&mut hub, "");
    peer.wire().send(b"\x81\xfe\x01");
    settle(&mut hub, [&mut peer]);
    hub.jump(60_000);
    settle(&mut hub, [&mut peer]);
    let heard = peer.pump(usize::MAX);
    let is_late = |one: &Heard| matches!(one, Heard::Close(Some(1008), _));
    assert!(heard.iter().any(is_late), "{heard:?}");
}

/// When a peer left whom very many had asked something, or the time of very many requests was up, all of them were told in
/// one tick.
#[test]
fn a_crowd_of_requests_ends_in_portions() {
    const CROWD: usize = 30;
    const EACH: usize = 1_000;
    for leaves in [false, true] {
        let mut hub = TestHub::new(Config::default(), 1);
        let (asked, id) = join(&mut hub, "");
        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            let wire = hub.connect(ANYWHERE, usize::MAX).expect("there is room");
            let mut peer = TestPeer::new(wire, "/");
            for number in 0..EACH {
                peer.say(&format!(
                    r#"{{"type":"request","messageid":"{number}","peer":"{id}","timeout":8000}}"#
                ));
            }
            crowd.push(peer);
        }
        settle(&mut hub, &mut crowd);
        let mut told = 0;
        let mut most = 0;
        if leaves {
            asked.wire().reset();
            asked.wire().arrive(usize::MAX);
        } else {
            hub.jump(8_100);
        }
        while told < CROWD * EACH {
            hub.tick();
            let mut now = 0;
            for peer in &mut crowd {
                peer.wire().arrive(usize::MAX);
                let texts = peer.texts().into_iter();
                now += texts.filter(|text| text.contains("requestfailed")).count();
            }
            most = most.max(now);
            told += now;
        }
        assert!(most <= 10_000, "{most} in one tick");
        hub.settle(|_| false);
        assert_eq!(told, CROWD * EACH, "each ends once");
    }
}

/// A large message to very many was written to all of them before anybody else was served.
#[test]
fn much_for_many_is_written_in_portions_and_little_at_once() {
    const CROWD: usize = 400;
    let mut hub = TestHub::new(Config::default(), 1);
    let mut readers = Vec::new();
    for _ in 0..CROWD {
        let wire = hub.connect(ANYWHERE, usize::MAX).expect("there is room");
        let mut reader = TestPeer::new(wire, "/");
        reader.say(r#"{"type":"subscribe","content":{"channels":["news"]}}"#);
        readers.push(reader);
    }
    settle(&mut hub, &mut readers);
    for reader in &mut readers {
        reader.texts();
    }
    let mut speaker = TestPeer::new(connect(&mut hub), "/");
    let mut modest = TestPeer::new(connect(&mut hub), "/");
    settle(&mut hub, [&mut speaker, &mut modest]);
    modest.texts();
    let content = "x".repeat(900_000);
    speaker.say(&format!(
        r#"{{"type":"publish","content":{{"channel":"news","message":"{content}"}}}}"#
    ));
    speaker.wire().arrive(usize::MAX);
    let has_news = |reader: &&mut TestPeer| !reader.wire().receive(usize::MAX).is_empty();
    let mut told = 0;
    while told == 0 {
        hub.tick();
        told = readers.iter_mut().filter(has_news).count();
    }
    assert!(told < CROWD / 2, "{told} were written to in one tick");
    modest.say(r#"{"type":"retrievePeers","messageid":"m"}"#);
    modest.wire().arrive(usize::MAX);
    hub.tick();
    assert_eq!(modest.texts().len(), 1, "little does not wait for much");
    let mut ticks = 0;
    while told < CROWD {
        hub.tick();
        ticks += 1;
        told += readers.iter_mut().filter(has_news).count();
        assert!(ticks < CROWD, "at least one gets on in each tick");
    }
    hub.settle(|_| false);
    assert_eq!(hub.census().slow_readers, 0);
}

/// While very many came, each of whom made much work, those who were in waited for all of them.
#[test]
fn who_is_in_does_not_wait_for_a_crowd_that_comes() {
    let config = Config {
        ping_interval_ms: 0,
        ..Config::default()
    };
    let mut hub = TestHub::new(config, 1);
    let mut modest = TestPeer::new(connect(&mut hub), "/");
    for _ in 0..4 {
        settle(&mut hub, [&mut modest]);
        modest.texts();
        modest.say(r#"{"type":"addTag","content":"t"}"#);
    }
    settle(&mut hub, [&mut modest]);
    let mut crowd = crowd_of_talkers(&mut hub, 400);
    modest.say(r#"{"type":"retrievePeers","messageid":"m"}"#);
    modest.wire().arrive(usize::MAX);
    hub.tick();
    assert_eq!(modest.texts().len(), 1);
    assert!(!have_come(&crowd), "nobody has come");
    settle(&mut hub, &mut crowd);
}

/// While very many said each time a middling amount, too little to be loud, those who said little waited for all of them.
#[test]
fn little_does_not_wait_for_a_middling_amount_from_very_many() {
    let config = Config {
        ping_interval_ms: 0,
        ..Config::default()
    };
    let mut hub = TestHub::new(config, 1);
    // To hear it is a sixth of a millisecond.
    let names: Vec<String> = (0..1_000).map(|name| format!(r#""{name}""#)).collect();
    let middling = format!(
        r#"{{"type":"unsubscribe","content":{{"channels":[{}]}}}}"#,
        names.join(",")
    );
    let mut crowd: Vec<TestPeer> = (0..400)
        .map(|_| TestPeer::new(connect(&mut hub), "/"))
        .collect();
    let mut modest = TestPeer::new(connect(&mut hub), "/");
    for _ in 0..4 {
        modest.say(r#"{"type":"addTag","content":"t"}"#);
        for peer in &mut crowd {
            peer.say(&middling);
        }
        settle(&mut hub, crowd.iter_mut().chain([&mut modest]));
        modest.texts();
    }
    for peer in &mut crowd {
        peer.say(&middling);
        peer.wire().arrive(usize::MAX);
    }
    modest.say(r#"{"type":"retrievePeers","messageid":"m"}"#);
    modest.wire().arrive(usize::MAX);
    hub.tick();
    assert_eq!(modest.texts().len(), 1);
    let heard = crowd.iter().filter(|one| !one.wire().has_unread()).count();
    assert!(heard < crowd.len() / 2, "{heard} were heard before");
    settle(&mut hub, &mut crowd);
}

/// Whoever came after a crowd that made much work waited for all of it.
#[test]
fn who_comes_last_does_not_wait_for_all_of_a_crowd() {
    let mut hub = TestHub::new(Config::default(), 1);
    let crowd = crowd_of_talkers(&mut hub, 400);
    hub.tick();
    let mut last = TestPeer::new(connect(&mut hub), "/");
    last.wire().arrive(usize::MAX);
    hub.tick();
    hub.tick();
    assert_eq!(last.texts().len(), 1, "it is accepted");
    assert!(!have_come(&crowd), "the crowd is not done");
}

/// Whoever joined where few are waited until thousands had joined elsewhere, each of whom all the others were told of.
#[test]
fn who_joins_few_does_not_wait_for_a_crowd_that_joins_many() {
    let mut hub = TestHub::new(Config::default(), 1);
    let newcomer = |hub: &mut TestHub, linkage: &str| {
        let mut peer = TestPeer::new(connect(hub), "/");
        let text = format!(r#"{{"type":"initiate","content":{{"linkageKey":"{linkage}"}}}}"#);
        match linkage {
            // It counts as text.
            "many, in binary" => peer.say_binary(text.replace(", in binary", "").as_bytes()),
            _ => peer.say(&text),
        };
        peer.wire().arrive(usize::MAX);
        peer
    };
    let mut crowd: Vec<TestPeer> = (0..1_000).map(|_| newcomer(&mut hub, "many")).collect();
    settle(&mut hub, &mut crowd);
    for peer in &mut crowd {
        peer.texts();
    }
    let mut before: Vec<TestPeer> = (0..500).map(|_| newcomer(&mut hub, "many")).collect();
    let mut one = newcomer(&mut hub, "few");
    let mut after: Vec<TestPeer> = (0..500)
        .map(|_| newcomer(&mut hub, "many, in binary"))
        .collect();
    hub.tick();
    assert_eq!(one.texts().len(), 2, "it is accepted and confirmed");
    let have_joined = |peers: &mut [TestPeer]| {
        let is_confirmed = |peer: &mut TestPeer| {
            let texts = peer.texts();
            texts.iter().any(|text| text.contains(r#""confirm""#))
        };
        peers.iter_mut().map(is_confirmed).filter(|&is| is).count()
    };
    assert_eq!(have_joined(&mut before) + have_joined(&mut after), 0);
    settle(&mut hub, before.iter_mut().chain(&mut after));
    assert_eq!(have_joined(&mut before) + have_joined(&mut after), 1_000);
}

/// Nor for a crowd that comes into the world of peero, where all are told of each.
#[test]
fn who_comes_to_others_does_not_wait_for_a_crowd_that_comes_to_peero() {
    let mut hub = TestHub::new(Config::default(), 1);
    let newcomer = |hub: &mut TestHub, path: &str| {
        let peer = TestPeer::new(connect(hub), path);
        peer.wire().arrive(usize::MAX);
        peer
    };
    let mut crowd: Vec<TestPeer> = (0..300).map(|_| newcomer(&mut hub, "/peero")).collect();
    settle(&mut hub, &mut crowd);
    let mut before: Vec<TestPeer> = (0..300).map(|_| newcomer(&mut hub, "/peero")).collect();
    let mut one = newcomer(&mut hub, "/");
    let mut after: Vec<TestPeer> = (0..300).map(|_| newcomer(&mut hub, "/peero")).collect();
    hub.tick();
    assert_eq!(one.texts().len(), 1, "it is accepted");
    let have_come = |peers: &mut [TestPeer]| {
        let texts = peers.iter_mut().map(|peer| peer.texts());
        texts.filter(|texts| !texts.is_empty()).count()
    };
    assert_eq!(have_come(&mut before) + have_come(&mut after), 0);
    settle(&mut hub, before.iter_mut().chain(&mut after));
    assert_eq!(have_come(&mut before) + have_come(&mut after), 600);
}

/// A message of a few bytes that has all that a peer says of itself written anew had cost a turn no more than its bytes.
#[test]
fn what_a_peer_says_of_itself_costs_its_turn_what_all_of_it_costs() {
    let mut hub = TestHub::new(Config::default(), 1);
    let (mut talker, _) = join(&mut hub, "");
    let (mut hearer, id) = join(&mut hub, "");
    let repeated = r#"{"type":"setProperties","content":{"a":1}}"#;
    let mut flood = |talker: &mut TestPeer, hub: &mut TestHub| {
        for _ in 0..100 {
            talker.say(repeated);
        }
        talker.say(&format!(
            r#"{{"type":"notify","peer":"{id}","name":"done"}}"#
        ));
        talker.wire().arrive(usize::MAX);
        hub.tick();
        hearer.texts().iter().any(|text| text.contains("done"))
    };
    assert!(flood(&mut talker, &mut hub), "this is little work");
    let many = "x".repeat(60_000);
    talker.say(&format!(
        r#"{{"type":"setProperties","content":{{"b":"{many}"}}}}"#
    ));
    settle(&mut hub, [&mut talker]);
    assert!(!flood(&mut talker, &mut hub), "this is more than a turn");
    settle(&mut hub, [&mut talker]);
}

/// So many who ask to be let in and say very much nonsense at once, all of which has arrived.
fn crowd_of_talkers(hub: &mut TestHub, count: usize) -> Vec<TestPeer> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        let mut talker = TestPeer::new(connect(hub), "/");
        for _ in 0..500 {
            talker.say("nonsense");
        }
        talker.wire().arrive(usize::MAX);
        crowd.push(talker);
    }
    crowd
}

/// Whether the hub has read all that these have said.
fn have_come(crowd: &[TestPeer]) -> bool {
    !crowd.iter().any(|one| one.wire().has_unread())
}

/// The properties in a claim were kept as they came, each name as often as the message had it: forty times the message.
#[test]
fn a_claim_keeps_what_it_repeats_once() {
    let mut hub = TestHub::new(Config::default(), 1);
    let (mut holder, id) = join(&mut hub, "");
    holder.answers_pings = false;
    let repeated = r#""a":0,"#.repeat(1_000);
    let (mut claimant, _) = join(
        &mut hub,
        &format!(r#","id":"{id}","properties":{{{repeated}"a":1,"b":2}}"#),
    );
    hub.advance(Config::default().probe_time_ms + 10, |_| false);
    claimant.texts();
    let (mut other, _) = join(&mut hub, "");
    other.say(r#"{"type":"retrievePeers","messageid":"m"}"#);
    settle(&mut hub, [&mut other]);
    let texts = other.texts();
    let is_listing = |text: &&String| text.contains("retrievePeers");
    let listing = texts.iter().find(is_listing).expect("a listing");
    assert!(
        listing.contains(r#""properties":{"a":1,"b":2}"#),
        "{listing}"
    );
}
