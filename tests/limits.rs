//! Every bound over real sockets: what is just within it passes, what is just beyond it meets the bound and nobody else.

#[path = "support/live.rs"]
mod live;

use live::{
    PATIENCE, Program, Raw, TestHub, TestPeer, bounded, client_frame, closed, frame_head, get,
    handshake, initiation, is_end, quiet, shell, tcp, tcp_from, tcp_narrow, websocket,
};
use peerhub::Config;
use peerhub::config::Limits;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tungstenite::Message;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// Two peers of one linkage talk: the hub lives for both.
fn talk(one: &mut TestPeer, other: &mut TestPeer) {
    one.send(json!({"type": "notify", "messageid": "hello", "peer": other.id, "content": 1}));
    let notify = other.expect("notify");
    assert_eq!(
        (&notify["peer"], &notify["messageid"]),
        (&json!(one.id), &json!("hello"))
    );
}

/// Two peers of a linkage of their own, each aware of the other.
fn pair(address: SocketAddr) -> (TestPeer, TestPeer) {
    let mut one = TestPeer::join(address, "pair");
    let other = TestPeer::join(address, "pair");
    one.expect("presence");
    (one, other)
}

/// The status of the answer to an upgrade.
fn upgrade_status(stream: TcpStream) -> u16 {
    Raw::over(stream).send(handshake("/")).answer().status
}

#[test]
fn connections() {
    let hub = TestHub::start(bounded(Limits {
        connections: 3,
        ..Limits::default()
    }));
    let (mut one, mut other) = pair(hub.address);
    let mut third = TestPeer::join(hub.address, "pair");
    one.expect("presence");
    other.expect("presence");
    for _ in 0..2 {
        let mut newcomer = Raw::connect(hub.address);
        let answer = newcomer.send(handshake("/")).answer();
        assert_eq!(answer.status, 503, "an upgrade");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(newcomer.rest().is_empty());
        let answer = get(hub.address, "/healthz");
        assert_eq!(answer.status, 503, "a plain request");
        assert!(answer.body.contains("no place"), "{}", answer.body);
    }
    talk(&mut one, &mut other);
    talk(&mut third, &mut one);

    // One that goes without a word, and one that takes leave.
    let third_id = third.id.clone();
    third.vanish();
    assert_eq!(one.expect("leave")["peer"], third_id);
    other.expect("leave");
    let mut third = TestPeer::join(hub.address, "pair");
    one.expect("presence");
    other.expect("presence");
    assert_eq!(upgrade_status(tcp(hub.address)), 503);
    third.send(json!({"type": "leave"}));
    assert_eq!(third.closed(), Some((1000, String::new())));
    TestPeer::join(hub.address, "pair");
}

#[test]
fn a_crowd_of_refused_newcomers_takes_nobodys_place() {
    let hub = TestHub::start(bounded(Limits {
        connections: 2,
        ..Limits::default()
    }));
    let (mut one, mut other) = pair(hub.address);
    // More than the hub keeps to answer: the rest are cut off at once.
    let mut crowd: Vec<TcpStream> = (0..50).map(|_| tcp(hub.address)).collect();
    let mut cut_off = 0;
    for stream in &mut crowd[32..] {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => cut_off += 1,
            Err(error) if is_end(&error) => cut_off += 1,
            other => panic!("a newcomer too many got {other:?}"),
        }
    }
    assert_eq!(cut_off, 18);
    talk(&mut one, &mut other);
    other.vanish();
    one.expect("leave");
    // The silent crowd is still there.
    let mut other = TestPeer::join(hub.address, "pair");
    one.expect("presence");
    talk(&mut one, &mut other);
    for stream in crowd.drain(..32) {
        assert_eq!(upgrade_status(stream), 503);
    }
}

#[test]
fn connections_per_address() {
    let hub = TestHub::start(bounded(Limits {
        connections: 20,
        connections_per_address: 2,
        ..Limits::default()
    }));
    let from = |last: u8| tcp_from(IpAddr::from([127, 0, 0, last]), hub.address);
    let mut crowded: Vec<TestPeer> = (0..2).map(|_| TestPeer::over(from(2), "/")).collect();
    // Each refusal leaves the count as it was.
    for _ in 0..4 {
        let mut newcomer = Raw::over(from(2));
        assert_eq!(newcomer.send(handshake("/")).answer().status, 503);
        assert!(newcomer.rest().is_empty());
        drop(newcomer);
    }
    let mut elsewhere: Vec<TestPeer> = (3..6).map(|last| TestPeer::over(from(last), "/")).collect();
    for peer in elsewhere.iter_mut().chain(&mut crowded) {
        assert!(peer.settle().is_empty());
    }
    let mut leaver = crowded.pop().unwrap();
    leaver.send(json!({"type": "leave"}));
    leaver.closed();
    let mut successor = TestPeer::over(from(2), "/");
    assert!(successor.settle().is_empty());
    assert_eq!(upgrade_status(from(2)), 503);
}

#[test]
fn one_address_cannot_fill_the_hub_with_refused_connections() {
    let hub = TestHub::start(bounded(Limits {
        connections: 40,
        connections_per_address: 2,
        ..Limits::default()
    }));
    let from = |last: u8| tcp_from(IpAddr::from([127, 0, 0, last]), hub.address);
    let _crowd: Vec<TcpStream> = (0..60).map(|_| from(2)).collect();
    for last in 3..10 {
        let mut peer = TestPeer::over(from(last), "/");
        assert!(
            peer.settle().is_empty(),
            "there is place for 127.0.0.{last}"
        );
    }
}

#[test]
fn message_bytes() {
    let hub = TestHub::start(Config {
        echo: true,
        ..bounded(Limits {
            message_bytes: 64,
            ..Limits::default()
        })
    });
    let mut socket = websocket(tcp(hub.address), "/echo");
    let fitting = Message::text("x".repeat(64));
    socket.send(fitting.clone()).unwrap();
    assert_eq!(socket.read().unwrap(), fitting);
    for (opcode, is_final, length) in [
        (Data::Text, false, 40),
        (Data::Continue, false, 23),
        (Data::Continue, true, 1),
    ] {
        let frame = Frame::message(vec![b'x'; length], OpCode::Data(opcode), is_final);
        socket.send(Message::Frame(frame)).unwrap();
    }
    assert_eq!(socket.read().unwrap(), fitting, "fragments count together");

    // The header alone is enough, whatever it declares; no payload ever comes.
    let whole = [65, 126, 70_000, 1 << 40].map(|length| frame_head(0x81, length));
    let mut fragments = client_frame(0x01, &[b'x'; 40]);
    fragments.extend(frame_head(0x80, 25));
    for bytes in whole.into_iter().chain([fragments]) {
        let mut raw = Raw::connect(hub.address);
        assert_eq!(raw.send(handshake("/echo")).answer().status, 101);
        raw.send(&bytes);
        assert_eq!(raw.close_code(), 1009, "{bytes:?}");
        assert!(raw.rest().is_empty(), "nothing follows a close");
    }
    socket.send(fitting.clone()).unwrap();
    assert_eq!(socket.read().unwrap(), fitting, "the others are unaffected");
}

#[test]
fn message_bytes_by_default() {
    let hub = TestHub::start(quiet());
    let (mut one, mut other) = pair(hub.address);
    let shell = json!({"type": "notify", "messageid": "m", "peer": other.id, "content": ""});
    let content = "x".repeat((1 << 20) - shell.to_string().len());
    let message = |content: &str| {
        let mut message = shell.clone();
        message["content"] = json!(content);
        message.to_string()
    };
    one.send_text(message(&content));
    assert_eq!(other.expect("notify")["content"], content);
    one.send_text(message(&format!("{content}x")));
    let (code, _) = one.closed().expect("the hub says why");
    assert_eq!(code, 1009);
    assert_eq!(other.expect("leave")["peer"], one.id);
}

#[test]
fn head_bytes() {
    let hub = TestHub::start(bounded(Limits {
        head_bytes: 512,
        ..Limits::default()
    }));
    let head = |bytes: usize| {
        let empty = "GET /healthz HTTP/1.1\r\nHost: hub\r\nX-Filler: \r\n\r\n";
        empty.replace(
            "Filler: ",
            &format!("Filler: {}", "x".repeat(bytes - empty.len())),
        )
    };
    assert_eq!(head(512).len(), 512);
    assert_eq!(
        Raw::connect(hub.address).send(head(512)).answer().status,
        200
    );
    for (what, bytes) in [
        ("whole", head(513)),
        ("not whole", head(600)[..512].to_owned()),
        ("no end in sight", "x".repeat(2000)),
    ] {
        let mut raw = Raw::connect(hub.address);
        assert_eq!(raw.send(bytes).answer().status, 431, "{what}");
        assert!(raw.rest().is_empty(), "{what}");
    }
}

#[test]
fn body_bytes() {
    let hub = TestHub::start(bounded(Limits {
        body_bytes: 128,
        ..Limits::default()
    }));
    let post = |length: usize| {
        format!(
            "POST /api HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let call = r#"{"name": "getpeersource", "parameters": {"minimized": true}}"#;
    let mut raw = Raw::connect(hub.address);
    raw.send(post(128)).send(format!("{call:<128}"));
    let answer = raw.answer();
    assert_eq!(
        (answer.status, &answer.json()["succeed"]),
        (200, &json!(true))
    );
    raw.send(post(129));
    assert_eq!(raw.answer().status, 413, "before the body comes");
    assert!(raw.rest().is_empty());
}

/// Settings with one short time and all others long.
fn hasty(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config {
        handshake_timeout_ms: 60_000,
        http_idle_timeout_ms: 60_000,
        close_timeout_ms: 60_000,
        ..quiet()
    };
    change(&mut config);
    config
}

/// Deadlines are kept this coarsely.
const RESOLUTION: Duration = Duration::from_millis(20);

#[test]
fn handshake_time() {
    let time = Duration::from_millis(400);
    let hub = TestHub::start(hasty(|config| config.handshake_timeout_ms = 400));
    let (mut one, mut other) = pair(hub.address);

    let begun = Instant::now();
    let mut crowd: Vec<Raw> = (0..100).map(|_| Raw::connect(hub.address)).collect();
    for (place, raw) in crowd.iter_mut().enumerate() {
        if place % 2 == 0 {
            raw.send("GET / HTTP/1.1\r\nHost: h");
        }
    }
    talk(&mut one, &mut other);
    for (place, raw) in crowd.iter_mut().enumerate() {
        if place % 2 == 0 {
            assert_eq!(raw.answer().status, 408);
        }
        assert!(raw.rest().is_empty(), "who said nothing is told nothing");
    }
    assert!(begun.elapsed() + RESOLUTION >= time, "nobody was hurried");
    talk(&mut other, &mut one);
}

#[test]
fn handshake_time_is_not_stretched_by_single_bytes() {
    let time = Duration::from_millis(400);
    let hub = TestHub::start(hasty(|config| config.handshake_timeout_ms = 400));
    let head = "GET / HTTP/1.1\r\nHost: hub\r\nX: ";
    let body = "POST /api HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n";
    for beginning in [head, body] {
        let begun = Instant::now();
        let mut stream = tcp(hub.address);
        stream.write_all(beginning.as_bytes()).unwrap();
        // The wait for an answer is what paces the bytes.
        stream
            .set_read_timeout(Some(Duration::from_millis(10)))
            .unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            assert!(begun.elapsed() < PATIENCE, "it is never cut off");
            let _ = stream.write(b"x");
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(bytes) => answer.extend_from_slice(&buffer[..bytes]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if is_end(&error) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(begun.elapsed() + RESOLUTION >= time);
    }
}

#[test]
fn http_idle_time() {
    let time = Duration::from_millis(800);
    let hub = TestHub::start(hasty(|config| config.http_idle_timeout_ms = 800));
    let request = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
    let mut raw = Raw::connect(hub.address);
    assert_eq!(raw.send(request).answer().status, 200);
    let begun = Instant::now();
    assert_eq!(raw.send(request).answer().status, 200, "within the time");
    assert!(raw.rest().is_empty());
    assert!(begun.elapsed() + RESOLUTION >= time);
    // A request that has begun has the handshake's time.
    let mut raw = Raw::connect(hub.address);
    assert_eq!(raw.send(request).answer().status, 200);
    raw.send(&request[..20]);
    assert!(get(hub.address, "/healthz").body.contains("ok"));
    assert_eq!(raw.send(&request[20..]).answer().status, 200);
}

#[test]
fn close_time() {
    let time = Duration::from_millis(400);
    let hub = TestHub::start(hasty(|config| config.close_timeout_ms = 400));
    let mut raw = Raw::connect(hub.address);
    assert_eq!(raw.send(handshake("/")).answer().status, 101);
    raw.frame();
    let begun = Instant::now();
    raw.send(client_frame(0x81, br#"{"type": "leave"}"#));
    assert_eq!(raw.close_code(), 1000);
    assert!(raw.rest().is_empty(), "dropped without its answer");
    assert!(begun.elapsed() + RESOLUTION >= time);
}

/// A message on the channel that the tests about slow readers use.
fn numbered(number: u64, pad: &str) -> Value {
    json!({"type": "publish", "messageid": format!("n{number}"), "content": {"channel": "c", "message": [number, pad]}})
}

fn subscribe(peer: &mut TestPeer, channels: &[&str]) {
    peer.send(json!({"type": "subscribe", "messageid": "s", "content": {"channels": channels}}));
}

/// Publishes one message and waits until `reader` has it; whether a `leave` came before it.
fn publish_in_step(
    publisher: &mut TestPeer,
    reader: &mut TestPeer,
    number: u64,
    pad: &str,
) -> bool {
    publisher.send(numbered(number, pad));
    let mut left = false;
    loop {
        let message = reader.next();
        match message["type"].as_str() {
            Some("leave") => left = true,
            Some("message") => {
                assert_eq!(message["content"]["message"][0], number, "nothing is lost");
                return left;
            }
            _ => panic!("{message}"),
        }
    }
}

#[test]
fn queue_bytes() {
    let hub = TestHub::start(bounded(Limits {
        queue_bytes: 256 << 10,
        ..Limits::default()
    }));
    // The publisher is elsewhere, so only the reader hears who comes and goes.
    let mut publisher = TestPeer::join(hub.address, "publisher");
    let mut reader = TestPeer::join(hub.address, "readers");
    subscribe(&mut reader, &["c"]);
    reader.settle();
    let mut stalled = TestPeer::over(tcp_narrow(hub.address), "/");
    stalled.initiate("readers", json!({}));
    subscribe(&mut stalled, &["c"]);
    stalled.settle();
    reader.expect("presence");

    let pad = "x".repeat(64 << 10);
    let cut_off_after = (0..4000)
        .find(|&number| publish_in_step(&mut publisher, &mut reader, number, &pad))
        .expect("a reader that never reads is cut off");
    for number in 0..50 {
        publish_in_step(
            &mut publisher,
            &mut reader,
            cut_off_after + 1 + number,
            &pad,
        );
    }
    // What the system had taken for it still comes, in order, and then the end without a close.
    let mut next = 0;
    loop {
        match stalled.socket.read() {
            Ok(Message::Text(text)) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(message["content"]["message"][0], next);
                next += 1;
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
    }
    assert!(next <= cut_off_after);
}

#[test]
fn a_queue_within_the_bound_loses_nothing() {
    let hub = TestHub::start(quiet());
    let mut publisher = TestPeer::join(hub.address, "publisher");
    let mut late = TestPeer::over(tcp_narrow(hub.address), "/");
    late.initiate("readers", json!({}));
    subscribe(&mut late, &["c"]);
    late.settle();
    // 14 of the 16 MiB; the system's buffers take a few of them.
    let pad = "x".repeat(64 << 10);
    for number in 0..14 * 16 {
        publisher.send(numbered(number, &pad));
    }
    assert!(publisher.settle().is_empty(), "all of it was accepted");
    for number in 0..14 * 16 {
        assert_eq!(late.expect("message")["content"]["message"][0], number);
    }
    assert!(late.settle().is_empty());
}

#[test]
fn slow_readers_cost_no_memory_beyond_the_bound() {
    let mut program = Program::start(&["--max-queue-bytes", "1MiB"]);
    let mut publisher = TestPeer::join(program.address(), "publisher");
    let mut reader = TestPeer::join(program.address(), "reader");
    subscribe(&mut reader, &["c"]);
    reader.settle();
    let stalled: Vec<TestPeer> = (0..4)
        .map(|_| {
            let mut stalled = TestPeer::over(tcp_narrow(program.address()), "/");
            subscribe(&mut stalled, &["c"]);
            stalled.settle();
            stalled
        })
        .collect();
    let before = program.peak_memory_bytes();
    let pad = "x".repeat(64 << 10);
    for number in 0..512 {
        publish_in_step(&mut publisher, &mut reader, number, &pad);
    }
    let grown = program.peak_memory_bytes() - before;
    assert!(
        grown < 16 << 20,
        "32 MiB were published, {grown} bytes were kept"
    );
    for _ in &stalled {
        program.wait_for("reads too slowly");
    }
}

#[test]
fn many_requests_in_one_read_cost_no_memory_beyond_the_bound() {
    let program = Program::start(&[]);
    let request = "GET /nothing HTTP/1.1\r\nHost:h\r\n\r\n";
    let mut raw = Raw::connect(program.address());
    let bytes_of_one = {
        let answer = raw.send(request).answer();
        assert_eq!(answer.status, 404);
        answer.head.len() + answer.body.len()
    };
    let before = program.peak_memory_bytes();
    let count = (12 << 20) / bytes_of_one;
    let mut writer = raw.stream.try_clone().unwrap();
    let flood = std::thread::spawn(move || writer.write_all(request.repeat(count).as_bytes()));
    for _ in 0..count {
        assert_eq!(raw.answer().status, 404);
    }
    flood.join().unwrap().unwrap();
    let grown = program.peak_memory_bytes() - before;
    assert!(grown < 24 << 20, "{grown} bytes were kept");
}

#[test]
fn a_reader_of_no_http_answers_is_cut_off() {
    let hub = TestHub::start(bounded(Limits {
        queue_bytes: 64 << 10,
        ..Limits::default()
    }));
    let mut stream = tcp_narrow(hub.address);
    let requests = "GET /nothing HTTP/1.1\r\nHost:h\r\n\r\n".repeat(1000);
    let error = (0..4000)
        .find_map(|_| stream.write_all(requests.as_bytes()).err())
        .expect("it is cut off");
    assert!(is_end(&error), "{error}");
    assert_eq!(get(hub.address, "/healthz").status, 200);
}

/// The tags or properties that others see of the only other peer of the linkage.
fn seen(witness: &mut TestPeer, field: &str) -> Value {
    witness.peers()[0][field].clone()
}

#[test]
fn tags() {
    let hub = TestHub::start(bounded(Limits {
        tags: 3,
        ..Limits::default()
    }));
    let mut witness = TestPeer::join(hub.address, "tags");
    for extended in [false, true] {
        let mut peer = TestPeer::connect(hub.address);
        let resume = if extended { json!(true) } else { json!(null) };
        peer.initiate("tags", json!({"tags": ["a", "b", "a"], "resume": resume}));
        witness.expect("presence");
        let add = |tags: Value| json!({"type": "addTag", "messageid": "t", "content": tags});
        peer.send(add(json!(["c", "a"])));
        assert_eq!(
            witness.expect("alter")["content"]["tags"],
            json!(["a", "b", "c"])
        );
        for tags in [json!("d"), json!(["c", "d"])] {
            peer.send(add(tags));
            let told = peer.settle();
            assert_eq!(told.len(), usize::from(extended), "{told:?}");
            for error in told {
                assert_eq!(error["content"]["code"], "E_TOOMANYTAGS");
                assert_eq!(error["content"]["messageid"], "t");
            }
        }
        peer.send(json!({"type": "removeTag", "messageid": "r", "content": "b"}));
        assert_eq!(
            witness.expect("alter")["content"]["tags"],
            json!(["a", "c"])
        );
        peer.send(add(json!("d")));
        assert_eq!(
            witness.expect("alter")["content"]["tags"],
            json!(["a", "c", "d"])
        );
        peer.vanish();
        witness.expect("leave");
    }
    let mut greedy = TestPeer::connect(hub.address);
    greedy.initiate("elsewhere", json!({"tags": ["x", "y"], "resume": true}));
    let tags = |tags: &[&str]| initiation("tags", json!({"tags": tags}));
    assert_eq!(greedy.fault(tags(&["a", "b"])), "E_TOOMANYTAGS");
    assert_eq!(greedy.fault(tags(&["a", "b", "c", "d"])), "E_TOOMANYTAGS");
    assert!(
        witness.peers().is_empty(),
        "a refused initiation leaves no trace"
    );
}

#[test]
fn properties_bytes() {
    let hub = TestHub::start(bounded(Limits {
        properties_bytes: 64,
        ..Limits::default()
    }));
    let mut witness = TestPeer::join(hub.address, "properties");
    let mut peer = TestPeer::join_extended(hub.address, "properties");
    witness.expect("presence");
    let set = |properties: Value| json!({"type": "setProperties", "messageid": "p", "content": properties});
    // "a" and its value with their quotes, and a byte for the end of each: 3 + 1 + 59 + 1.
    let fitting = json!({"a": "x".repeat(57)});
    peer.send(set(fitting.clone()));
    assert_eq!(witness.expect("alter")["content"]["properties"], fitting);
    let too_large = "E_PROPERTIESTOOLARGE";
    assert_eq!(peer.fault(set(json!({"a": "x".repeat(58)}))), too_large);
    assert_eq!(
        peer.fault(set(json!({"b": 1}))),
        too_large,
        "the sum counts"
    );
    assert_eq!(seen(&mut witness, "properties"), fitting);
    peer.send(set(json!({"a": 0})));
    assert_eq!(
        witness.expect("alter")["content"]["properties"],
        json!({"a": 0})
    );
    let mut greedy = TestPeer::connect(hub.address);
    let much = json!({"properties": {"a": "x".repeat(58)}, "resume": true});
    assert_eq!(greedy.fault(initiation("properties", much)), too_large);
}

#[test]
fn channels() {
    let hub = TestHub::start(bounded(Limits {
        channels: 3,
        ..Limits::default()
    }));
    let mut peer = TestPeer::join_extended(hub.address, "channels");
    subscribe(&mut peer, &["1", "2", "3"]);
    subscribe(&mut peer, &["2", "3"]);
    assert!(peer.settle().is_empty());
    let fourth =
        json!({"type": "subscribe", "messageid": "s", "content": {"channels": ["3", "c"]}});
    assert_eq!(peer.fault(fourth.clone()), "E_TOOMANYCHANNELS");
    peer.send(numbered(1, ""));
    assert!(peer.settle().is_empty(), "it is not subscribed");
    peer.send(json!({"type": "unsubscribe", "messageid": "u", "content": {"channels": ["1"]}}));
    peer.send(fourth);
    peer.send(numbered(2, ""));
    assert_eq!(peer.expect("message")["messageid"], "n2");
}

#[test]
fn targets() {
    let hub = TestHub::start(bounded(Limits {
        targets: 2,
        ..Limits::default()
    }));
    let mut sender = TestPeer::join_extended(hub.address, "targets");
    let mut receiver = TestPeer::join(hub.address, "targets");
    sender.expect("presence");
    let notify = |to: &[&str]| json!({"type": "notify", "messageid": "n", "peer": to});
    sender.send(notify(&[&receiver.id, "nobody"]));
    receiver.expect("notify");
    let three = [&*receiver.id, &receiver.id, "nobody"];
    assert_eq!(sender.fault(notify(&three)), "E_TOOMANYPEERS");
    assert_eq!(sender.fault(request("r", json!(three))), "E_TOOMANYPEERS");
    assert!(receiver.settle().is_empty(), "nobody of them was told");
}

fn request(id: &str, to: Value) -> Value {
    json!({"type": "request", "messageid": id, "name": "q", "peer": to, "content": 1})
}

#[test]
fn pending_requests() {
    let hub = TestHub::start(bounded(Limits {
        pending_requests: 2,
        ..Limits::default()
    }));
    let (mut asker, mut asked) = pair(hub.address);
    asker.send(request("r1", json!(asked.id)));
    asker.send(request("r2", json!([asked.id, asker.id])));
    for id in ["r1", "r2"] {
        assert_eq!(asked.expect("request")["messageid"], id);
    }
    let too_many = |failed: &Value, id: &str| {
        assert_eq!(failed["content"]["code"], "E_TOOMANYREQUESTS", "{failed}");
        assert_eq!(
            (&failed["messageid"], &failed["name"]),
            (&json!(id), &json!("q"))
        );
    };
    let failed = asker.expect("requestfailed");
    too_many(&failed, "r2");
    assert_eq!(failed["peer"], asker.id, "one of the two who were asked");
    asker.send(request("r3", json!(asked.id)));
    too_many(&asker.expect("requestfailed"), "r3");
    assert!(asked.settle().is_empty(), "it was not forwarded");
    asked.send(
        json!({"type": "response", "messageid": "r1", "name": "q", "peer": asker.id, "content": 2}),
    );
    assert_eq!(asker.expect("response")["messageid"], "r1");
    asker.send(request("r4", json!(asked.id)));
    assert_eq!(asked.expect("request")["messageid"], "r4");
}

#[test]
fn request_times() {
    let hub = TestHub::start(Config {
        request_timeout_ms: 300,
        request_timeout_max_ms: 600,
        ..quiet()
    });
    let (mut asker, asked) = pair(hub.address);
    for (timeout, least_ms) in [(None, 300), (Some(3_600_000), 600), (Some(1), 1)] {
        let begun = Instant::now();
        let mut message = request("r", json!(asked.id));
        if let Some(ms) = timeout {
            message["timeout"] = json!(ms);
        }
        asker.send(message);
        let failed = asker.expect("requestfailed");
        assert_eq!(failed["content"]["code"], "E_REQUESTTIMEOUT");
        assert!(begun.elapsed() + RESOLUTION >= Duration::from_millis(least_ms));
    }
}

#[test]
fn json_depth() {
    let hub = TestHub::start(bounded(Limits {
        json_depth: 4,
        ..Limits::default()
    }));
    let (mut plain, mut other) = pair(hub.address);
    let mut extended = TestPeer::join_extended(hub.address, "elsewhere");
    let nested = |to: &str, levels: usize| {
        let content = "[".repeat(levels - 1) + &"]".repeat(levels - 1);
        format!(r#"{{"type":"notify","messageid":"d","peer":"{to}","content":{content}}}"#)
    };
    plain.send_text(nested(&other.id, 4));
    assert_eq!(other.expect("notify")["content"], json!([[[]]]));
    for levels in [5, 100_000] {
        plain.send_text(nested(&other.id, levels));
        extended.send_text(nested(&other.id, levels));
        assert_eq!(extended.expect("error")["content"]["code"], "E_TOODEEP");
        assert!(
            plain.settle().is_empty(),
            "an original client is told nothing"
        );
        assert!(other.settle().is_empty());
    }
    talk(&mut plain, &mut other);
}

#[test]
fn json_depth_by_default() {
    let hub = TestHub::start(quiet());
    let (mut plain, mut other) = pair(hub.address);
    let mut extended = TestPeer::join_extended(hub.address, "elsewhere");
    let opened = "[".repeat(100_000);
    let closed = "]".repeat(100_000);
    let messages = [
        format!("{opened}{closed}"),
        format!(r#"{{"type":"publish","content":{{"channel":"c","message":{opened}{closed}}}}}"#),
        format!(r#"{{"type":"setProperties","content":{{"a":{opened}{closed}}}}}"#),
        r#"{"a":"#.repeat(100_000) + "1" + &"}".repeat(100_000),
        opened,
    ];
    for message in messages {
        plain.send_text(message.clone());
        assert!(plain.settle().is_empty());
        extended.send_text(message);
        assert_eq!(extended.expect("error")["content"]["code"], "E_TOODEEP");
    }
    talk(&mut plain, &mut other);
}

#[test]
fn name_bytes() {
    let hub = TestHub::start(bounded(Limits {
        name_bytes: 16,
        ..Limits::default()
    }));
    let (fits, too_long) = ("é".repeat(8), "x".repeat(17));
    let mut peer = TestPeer::join_extended(hub.address, "names");
    let all = |name: &str| json!({"id": name, "userid": name, "deboutCluster": name, "tags": [name], "resume": true});
    for field in ["id", "userid", "deboutCluster", "tags", "startTime"] {
        let mut content = all(&fits);
        content[field] = json!(too_long);
        assert_eq!(
            peer.fault(initiation("names", content)),
            "E_TOOLONG",
            "{field}"
        );
    }
    assert_eq!(peer.fault(initiation(&too_long, all(&fits))), "E_TOOLONG");
    let confirm = peer.initiate(&fits, all(&fits));
    assert_eq!(
        (&confirm["peer"], &confirm["content"]["userid"]),
        (&json!(fits), &json!(fits))
    );

    let me = peer.id.clone();
    let with_names = |name: &str| {
        [
            json!({"type": "addTag", "messageid": "m", "content": name}),
            json!({"type": "subscribe", "messageid": "m", "content": {"channels": [name]}}),
            json!({"type": "notify", "messageid": name, "peer": me}),
            json!({"type": "notify", "messageid": "m", "name": name, "peer": me}),
        ]
    };
    for message in with_names(&too_long) {
        assert_eq!(peer.fault(message.clone()), "E_TOOLONG", "{message}");
    }
    for message in with_names(&fits) {
        peer.send(message);
    }
    let told = peer.settle();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        (&told[0]["messageid"], &told[1]["name"]),
        (&json!(fits), &json!(fits))
    );

    // The hub's own words are not held against who repeats them.
    let secret = confirm["content"]["resume"].clone();
    let mut again = TestPeer::connect(hub.address);
    let confirm = again.initiate(&fits, json!({"id": fits, "resume": secret}));
    assert_eq!(confirm["peer"], fits);
    let (code, _) = peer.closed().expect("it is replaced");
    assert_eq!(code, 4410);
}

#[test]
fn a_sealed_user_id_is_taken_back_however_long_it_is() {
    let hub = TestHub::start(Config {
        encryption_key: Some("a passphrase".to_owned()),
        ..bounded(Limits {
            name_bytes: 64,
            ..Limits::default()
        })
    });
    let mut peer = TestPeer::connect(hub.address);
    let user = |id: &str| json!({"userid": id, "resume": true});
    let confirm = peer.initiate("users", user(&"u".repeat(64)));
    let sealed = confirm["content"]["userid"].as_str().unwrap().to_owned();
    assert!(sealed.len() > 64 && !sealed.contains('u'));
    let mut again = TestPeer::connect(hub.address);
    let confirm = again.initiate("users", user(&sealed));
    assert_eq!(confirm["content"]["userid"], sealed);
    for too_long in ["u".repeat(65), "0".repeat(sealed.len()), sealed + "0"] {
        assert_eq!(
            again.fault(initiation("users", user(&too_long))),
            "E_TOOLONG"
        );
    }
}

#[test]
fn a_user_id_sealed_with_an_older_key_is_sealed_anew() {
    let keyed = |key: &str, old: &[&str]| {
        TestHub::start(Config {
            encryption_key: Some(key.to_owned()),
            encryption_keys_old: old.iter().map(|&key| key.to_owned()).collect(),
            ..bounded(Limits {
                name_bytes: 64,
                ..Limits::default()
            })
        })
    };
    let user = |id: &str| json!({"userid": id, "resume": true});
    let as_shown = |hub: &TestHub, id: &str| {
        let mut peer = TestPeer::connect(hub.address);
        let confirm = peer.initiate("users", user(id));
        let told = confirm["content"]["userid"].as_str().unwrap().to_owned();
        // The others see what the client itself is told.
        let mut onlooker = TestPeer::join(hub.address, "users");
        assert_eq!(onlooker.peers()[0]["userid"], told);
        told
    };
    let longest = "u".repeat(64);
    let first = as_shown(&keyed("first", &[]), &longest);
    let rotated = keyed("second", &["zeroth", "first"]);
    let second = as_shown(&rotated, &longest);
    assert_ne!(first, second);
    for id in [&first, &second] {
        assert_eq!(as_shown(&rotated, id), second);
    }
    // A key that is known no more opens nothing: what was sealed with it is a text like any other, and a long one.
    let forgotten = keyed("second", &[]);
    let mut peer = TestPeer::connect(forgotten.address);
    peer.initiate("users", json!({"resume": true}));
    assert_eq!(peer.fault(initiation("users", user(&first))), "E_TOOLONG");
}

#[test]
fn running_out_of_descriptors_neither_stops_nor_spins_it() {
    let mut program = Program::start(&[]);
    let (mut one, mut other) = pair(program.address());
    let mut leavers: Vec<TestPeer> = (0..3)
        .map(|_| TestPeer::connect(program.address()))
        .collect();
    // From now on the system has no descriptor to give.
    let pid = Pid::from_raw(program.pid().cast_signed());
    let limit = Rlimit {
        current: Some(program.descriptor_count() as u64),
        maximum: None,
    };
    let maximum = prlimit(pid, Resource::Nofile, limit);
    if maximum.is_err() {
        // Without the right to lift the ceiling it must be repeated as it is.
        let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit {
            maximum: hard,
            ..limit
        };
        prlimit(pid, Resource::Nofile, limit).expect("a limit may be lowered");
    }
    let waiting: Vec<TcpStream> = (0..3).map(|_| tcp(program.address())).collect();
    program.wait_for("cannot accept a connection: too many open files");
    talk(&mut one, &mut other);

    let before = program.cpu_time();
    std::thread::sleep(Duration::from_secs(1));
    let used = program.cpu_time() - before;
    assert!(
        used < Duration::from_millis(200),
        "it spins: {used:?} in a second"
    );
    talk(&mut other, &mut one);

    for stream in waiting {
        leavers.pop().unwrap().vanish();
        let mut newcomer = TestPeer::over(stream, "/");
        assert!(newcomer.settle().is_empty());
        // It stays, or its own place would be the next one's.
        std::mem::forget(newcomer);
    }
    talk(&mut one, &mut other);
}

#[test]
fn few_descriptors_are_enough_to_serve() {
    let program = Program::run(shell(
        "ulimit -n 40; exec \"$0\" --listen 127.0.0.1:0 --nudge-interval 0 --ping-interval 0 --handshake-timeout 500",
    ));
    let address = program.address();
    let mut peers: Vec<TestPeer> = (0..20).map(|_| TestPeer::connect(address)).collect();
    assert_eq!(upgrade_status(tcp(address)), 503, "half of them are places");
    // More newcomers than there are descriptors left.
    let silent: Vec<TcpStream> = (0..30).map(|_| tcp(address)).collect();
    for peer in &mut peers {
        assert!(peer.settle().is_empty());
    }
    let mut leaver = peers.pop().unwrap();
    leaver.send(json!({"type": "leave"}));
    leaver.closed();
    // Those who wait come first: one has the place until its handshake's time is up.
    for stream in silent {
        Raw::over(stream).rest();
    }
    let deadline = Instant::now() + PATIENCE;
    while upgrade_status(tcp(address)) != 101 {
        assert!(Instant::now() < deadline, "the place is never free again");
    }
}

#[test]
fn a_close_from_the_client_is_answered_at_the_bound_too() {
    let hub = TestHub::start(bounded(Limits {
        connections: 1,
        ..Limits::default()
    }));
    let mut only = websocket(tcp(hub.address), "/");
    only.close(None).unwrap();
    closed(&mut only);
    TestPeer::connect(hub.address);
}
