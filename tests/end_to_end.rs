//! The hub and the program over real sockets: whole lives of connections, plain HTTP beside them, starting and stopping.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/live.rs"]
mod live;

use folder::Folder;
use live::{
    PATIENCE, Program, Raw, TestHub, TestPeer, client_frame, closed, command, get, handshake,
    initiation, quiet, tcp, websocket,
};
use peerhub::{Config, Ended, Server};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Bytes, Message};

#[test]
fn the_whole_life_of_a_client() {
    let hub = TestHub::start(quiet());
    let mut one = TestPeer::connect(hub.address);
    let mut other = TestPeer::join(hub.address, "room");
    let confirm = one.initiate(
        "room",
        json!({"userid": "me", "tags": "a", "properties": {"p": 1}, "startTime": 7}),
    );
    assert_eq!(confirm["messageid"].as_str().map(str::len), Some(16));
    assert_eq!(confirm["content"], json!({"userid": "me"}));
    let mut card = json!({
        "id": one.id, "userid": "me", "linkageKey": "room", "tags": ["a"], "properties": {"p": 1},
        "remoteAddress": "127.0.0.1", "startTime": 7,
    });
    let presence = other.expect("presence");
    assert_eq!(
        (&presence["peer"], &presence["content"]),
        (&json!(one.id), &card)
    );

    one.send(json!({"type": "addTag", "messageid": "m1", "content": ["b", "a"]}));
    card["tags"] = json!(["a", "b"]);
    assert_eq!(other.expect("alter")["content"], card);
    one.send(json!({"type": "removeTag", "messageid": "m2", "content": "a"}));
    card["tags"] = json!(["b"]);
    assert_eq!(other.expect("alter")["content"], card);
    one.send(json!({"type": "setProperties", "messageid": "m3", "content": {"q": [null]}}));
    card["properties"] = json!({"p": 1, "q": [null]});
    assert_eq!(other.expect("alter")["content"], card);
    assert_eq!(other.peers(), [card.clone()]);

    other.send(json!({"type": "notify", "messageid": "m4", "name": "n", "peer": [one.id], "content": {"x": 1}}));
    let notify = json!({"type": "notify", "messageid": "m4", "name": "n", "peer": other.id, "content": {"x": 1}});
    assert_eq!(one.next(), notify);
    other.send(
        json!({"type": "request", "messageid": "m5", "name": "q", "peer": one.id, "content": 1}),
    );
    let request =
        json!({"type": "request", "messageid": "m5", "name": "q", "peer": other.id, "content": 1});
    assert_eq!(one.next(), request);
    one.send(
        json!({"type": "response", "messageid": "m5", "name": "q", "peer": other.id, "content": 2}),
    );
    let response =
        json!({"type": "response", "messageid": "m5", "name": "q", "peer": one.id, "content": 2});
    assert_eq!(other.next(), response);
    other.send(json!({"type": "request", "messageid": "m6", "peer": "nobody", "content": 1}));
    assert_eq!(
        other.expect("requestfailed")["content"]["code"],
        "E_PEERUNKNOWN"
    );

    let mut stranger = TestPeer::join(hub.address, "another room");
    stranger
        .send(json!({"type": "subscribe", "messageid": "m7", "content": {"channels": ["c", "d"]}}));
    stranger
        .send(json!({"type": "unsubscribe", "messageid": "m8", "content": {"channels": ["d"]}}));
    assert!(stranger.settle().is_empty());
    for (channel, message) in [
        ("d", json!(1)),
        ("c", json!(false)),
        ("c", json!({"deep": []})),
    ] {
        one.send(json!({"type": "publish", "messageid": "m9", "content": {"channel": channel, "message": message}}));
    }
    for message in [json!(false), json!({"deep": []})] {
        let expected = json!({"type": "message", "messageid": "m9", "peer": one.id, "content": {"channel": "c", "message": message}});
        assert_eq!(stranger.next(), expected);
    }

    one.send(json!({"type": "leave"}));
    assert_eq!(one.closed(), Some((1000, String::new())));
    let leave = other.expect("leave");
    assert_eq!((&leave["peer"], &leave["content"]), (&json!(one.id), &card));
    assert!(other.settle().is_empty(), "it left once");
    assert!(
        stranger.settle().is_empty(),
        "who is elsewhere hears nothing of it"
    );
}

#[test]
fn frames_may_come_with_the_handshake() {
    let hub = TestHub::start(quiet());
    let initiate = initiation("pipelined", json!({})).to_string();
    let mut bytes = handshake("/").into_bytes();
    bytes.extend(client_frame(0x81, initiate.as_bytes()));
    let tag = json!({"type": "addTag", "messageid": "t", "content": "quick"}).to_string();
    let tag = client_frame(0x81, tag.as_bytes());
    bytes.extend(&tag[..9]);
    let mut witness = TestPeer::join(hub.address, "pipelined");

    let mut raw = Raw::connect(hub.address);
    let answer = raw.send(bytes).answer();
    assert_eq!(answer.status, 101);
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    for kind in ["accept", "confirm"] {
        let (first, payload) = raw.frame();
        let message: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!((first, &message["type"]), (0x81, &json!(kind)));
    }
    witness.expect("presence");
    raw.send(&tag[9..]);
    assert_eq!(witness.expect("alter")["content"]["tags"], json!(["quick"]));

    // A request and a handshake in one segment: the answers come in order.
    let mut raw = Raw::connect(hub.address);
    raw.send(format!(
        "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n{}",
        handshake("/")
    ));
    assert_eq!(raw.answer().json()["status"], "ok");
    assert_eq!(raw.answer().status, 101);
    assert!(raw.frame().1.starts_with(br#"{"type":"accept""#));
}

#[test]
fn the_first_sub_protocol_is_taken_up() {
    let hub = TestHub::start(quiet());
    for (offered, taken) in [(Some("chat, superchat"), Some("chat")), (None, None)] {
        let mut request = "ws://hub.test/any/path?x=1".into_client_request().unwrap();
        if let Some(offered) = offered {
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", offered.parse().unwrap());
        }
        let (mut socket, response) = tungstenite::client(request, tcp(hub.address)).unwrap();
        let named = response.headers().get("sec-websocket-protocol");
        assert_eq!(named.map(|name| name.to_str().unwrap()), taken);
        let accept = socket.read().unwrap().into_text().unwrap();
        assert!(accept.starts_with(r#"{"type":"accept""#), "{accept}");
    }
}

#[test]
fn http_connections_are_kept_and_pipelined() {
    let hub = TestHub::start(quiet());
    let mut raw = Raw::connect(hub.address);
    let call = r#"{"name": "GetPeerSource", "parameters": {"minimized": false}}"#;
    let requests = [
        "GET / HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\n\r\n".to_owned(),
        "HEAD /ok-peerconnection.js HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET /ok-peerconnection.js HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody".to_owned(),
        "DELETE /healthz HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "OPTIONS /api HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        format!(
            "POST /api HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{call}",
            call.len()
        ),
        "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(),
    ];
    // Once all in one segment, once each by itself, once with every byte by itself.
    for round in 0..3 {
        let mut writer = raw.stream.try_clone().unwrap();
        match round {
            0 => writer.write_all(requests.concat().as_bytes()).unwrap(),
            1 => requests
                .iter()
                .for_each(|one| writer.write_all(one.as_bytes()).unwrap()),
            _ => requests
                .concat()
                .bytes()
                .for_each(|one| writer.write_all(&[one]).unwrap()),
        }
        let start = raw.answer();
        assert_eq!(
            (start.status, start.header("connection")),
            (200, Some("keep-alive"))
        );
        assert!(
            start
                .header("content-type")
                .unwrap()
                .starts_with("text/html")
        );
        let head = raw.answer_to(true);
        let source = raw.answer();
        assert_eq!((head.status, source.status), (200, 200));
        assert!(
            source
                .header("content-type")
                .unwrap()
                .starts_with("text/javascript")
        );
        let length = source.body.len().to_string();
        assert_eq!(
            head.header("content-length"),
            Some(&*length),
            "HEAD says how long it is"
        );
        let missing = raw.answer();
        assert_eq!(missing.status, 404);
        assert!(
            missing.body.contains("/ok-peerconnection.js") && missing.body.contains("/healthz")
        );
        let refused = raw.answer();
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, Some("GET, HEAD, OPTIONS"))
        );
        let options = raw.answer();
        assert_eq!(
            (
                options.status,
                options.header("access-control-allow-origin")
            ),
            (204, Some("*"))
        );
        let api = raw.answer();
        let told = api.json();
        assert_eq!(
            (api.status, &told["succeed"], &told["content"]),
            (200, &json!(true), &json!(source.body))
        );
        let health = raw.answer();
        assert_eq!(health.header("connection"), Some("close"));
        let told = health.json();
        assert_eq!(
            (&told["status"], &told["version"]),
            (&json!("ok"), &json!(env!("CARGO_PKG_VERSION")))
        );
        // The connection of the round before may not be gone yet.
        assert_eq!(told["peers"], 0);
        assert!(told["connections"].as_u64() >= Some(1));
        assert!(raw.rest().is_empty(), "it asked for the end");
        drop(writer);
        raw = Raw::connect(hub.address);
    }
}

#[test]
fn bad_handshakes_are_told_what_is_wrong() {
    let hub = TestHub::start(quiet());
    let good = handshake("/");
    let cases = [
        (good.replace("Version: 13", "Version: 8"), 426),
        (good.replace("Sec-WebSocket-Version: 13\r\n", ""), 400),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400),
        (
            good.replace("Connection: Upgrade", "Connection: close"),
            400,
        ),
        (good.replace("GET", "POST"), 400),
        (good.replace("HTTP/1.1", "HTTP/1.0"), 400),
        (good.replace("HTTP/1.1", "HTTP/3.0"), 505),
        (good.replace("Host: hub\r\n", ""), 400),
        (
            good.replace("Host: hub", "Host: hub\r\nContent-Length: 3"),
            400,
        ),
        (
            good.replace("Host: hub", "Host: hub\r\nTransfer-Encoding: chunked"),
            411,
        ),
        (
            good.replace("Host: hub", "Host: hub\r\nSec-WebSocket-Protocol: a b"),
            400,
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}\n\n".to_owned(), 400),
    ];
    for (request, status) in cases {
        let mut raw = Raw::connect(hub.address);
        // A frame behind a refused handshake is never looked at.
        let frame = client_frame(0x81, initiation("x", json!({})).to_string().as_bytes());
        let answer = raw.send([request.as_bytes(), &frame].concat()).answer();
        assert_eq!(answer.status, status, "{request}");
        assert!(answer.body.len() > 10, "{request} is told nothing");
        if status == 426 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"));
            assert_eq!(answer.header("upgrade"), Some("websocket"));
        }
        assert!(raw.rest().is_empty(), "{request}");
    }
    assert_eq!(get(hub.address, "/healthz").json()["peers"], 0);
    TestPeer::join(hub.address, "x");
}

#[test]
fn the_echo() {
    let hub = TestHub::start(Config {
        echo: true,
        ..quiet()
    });
    let mut socket = websocket(tcp(hub.address), "/echo");
    let large: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    for message in [
        Message::text(""),
        Message::text("ä\u{1f41d}"),
        Message::binary(vec![]),
        Message::binary(vec![0, 255]),
        Message::binary(large),
    ] {
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    // Fragments, one of which splits a character, with a ping between them.
    let text = "ä-ö".as_bytes();
    let fragment = |opcode, range: std::ops::Range<usize>, is_final| {
        Message::Frame(Frame::message(
            text[range].to_vec(),
            OpCode::Data(opcode),
            is_final,
        ))
    };
    socket.send(fragment(Data::Text, 0..1, false)).unwrap();
    socket
        .send(Message::Ping(Bytes::from_static(b"there?")))
        .unwrap();
    assert_eq!(
        socket.read().unwrap(),
        Message::Pong(Bytes::from_static(b"there?"))
    );
    socket.send(fragment(Data::Continue, 1..3, false)).unwrap();
    socket.send(fragment(Data::Continue, 3..5, true)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("ä-ö"));
    socket.close(None).unwrap();
    closed(&mut socket);

    // Bad frames end their own connection with the code that fits.
    for (frame, code) in [
        (client_frame(0x81, b"\xff"), 1007),
        (client_frame(0xc1, b"x"), 1002),
        (client_frame(0x83, b"x"), 1002),
        (vec![0x81, 1, b'x'], 1002),
        (client_frame(0x80, b"x"), 1002),
    ] {
        let mut raw = Raw::connect(hub.address);
        assert_eq!(raw.send(handshake("/echo")).answer().status, 101);
        assert_eq!(raw.send(&frame).close_code(), code, "{frame:?}");
        assert!(raw.rest().is_empty());
    }

    let hub = TestHub::start(quiet());
    let mut peer = TestPeer::over(tcp(hub.address), "/echo");
    assert!(
        peer.settle().is_empty(),
        "without the setting the path is the hub's"
    );
}

#[test]
fn several_addresses_of_both_families() {
    let mut listen: Vec<SocketAddr> = vec![([127, 0, 0, 1], 0).into(), ([127, 0, 0, 2], 0).into()];
    if TcpListener::bind("[::1]:0").is_ok() {
        listen.push("[::1]:0".parse().unwrap());
    }
    let hub = TestHub::start(Config {
        listen: listen.clone(),
        ..quiet()
    });
    assert_eq!(hub.addresses.len(), listen.len());
    let mut first = TestPeer::join(hub.address, "everywhere");
    for (bound, asked) in hub.addresses.iter().zip(&listen) {
        assert_eq!(bound.ip(), asked.ip());
        assert_ne!(bound.port(), 0);
        let mut peer = TestPeer::join(*bound, "everywhere");
        let presence = first.expect("presence");
        assert_eq!(presence["peer"], peer.id);
        assert_eq!(presence["content"]["remoteAddress"], "127.0.0.1");
        peer.send(json!({"type": "notify", "messageid": "m", "peer": first.id}));
        assert_eq!(first.expect("notify")["peer"], peer.id);
        assert_eq!(get(*bound, "/healthz").status, 200);
        peer.vanish();
        first.expect("leave");
    }
}

#[test]
fn the_peerserver_preset_listens_on_every_address_of_both_families() {
    let mut command = live::command();
    command.arg("--peerserver").env("PORT", "0");
    let program = Program::run(command);
    let bound = program.address();
    assert!(bound.ip().is_unspecified(), "{bound}");
    let mut own: Vec<IpAddr> = vec![[127, 0, 0, 1].into()];
    if TcpListener::bind("[::1]:0").is_ok() {
        own.push("::1".parse().unwrap());
    }
    for ip in own {
        let address = SocketAddr::new(ip, bound.port());
        assert_eq!(get(address, "/healthz").status, 200, "{address}");
    }
}

#[test]
fn who_answers_no_pings_is_cut_off_and_who_does_stays() {
    let hub = TestHub::start(Config {
        ping_interval_ms: 1000,
        ..quiet()
    });
    let mut witness = TestPeer::join(hub.address, "pings");
    let begun = Instant::now();
    let mut silent = Raw::connect(hub.address);
    silent.send(handshake("/")).answer();
    silent.frame();
    silent.send(client_frame(
        0x81,
        initiation("pings", json!({})).to_string().as_bytes(),
    ));
    silent.frame();
    let id = witness.expect("presence")["peer"].clone();
    // The witness answers pings while it waits.
    assert_eq!(witness.expect("leave")["peer"], id);
    let elapsed = begun.elapsed();
    assert!(
        elapsed >= Duration::from_millis(1000),
        "{elapsed:?} is less than an interval"
    );
    assert_eq!(
        silent.rest(),
        [0x89, 0],
        "it was asked once, and cut off without a close"
    );
    assert!(witness.settle().is_empty());
}

#[test]
fn the_death_of_a_process_is_seen_at_once() {
    let hub = TestHub::start(quiet());
    let mut witness = TestPeer::join(hub.address, "deaths");
    // The shell opens the socket, and the process that takes its place writes to it whatever it is given.
    let mut victim = Command::new("bash")
        .args(["-c", "exec cat >/dev/tcp/$0/$1"])
        .args([hub.address.ip().to_string(), hub.address.port().to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .expect("there is a bash");
    let mut input = victim.stdin.take().unwrap();
    input.write_all(handshake("/").as_bytes()).unwrap();
    let initiate = initiation("deaths", json!({})).to_string();
    input
        .write_all(&client_frame(0x81, initiate.as_bytes()))
        .unwrap();
    input.flush().unwrap();
    let id = witness.expect("presence")["peer"].clone();
    victim.kill().unwrap();
    // There are no pings here: nothing but the end of its socket can tell.
    assert_eq!(witness.expect("leave")["peer"], id);
    victim.wait().unwrap();
}

#[test]
fn a_hub_is_embedded_and_stopped_from_another_thread() {
    let server = Server::bind(quiet()).unwrap();
    let address = server.local_addrs()[0];
    let stopper = server.stopper();
    let thread = std::thread::spawn(move || server.run());
    let mut peer = TestPeer::join(address, "embedded");
    // A second hub beside it knows nothing of the first one's peers.
    let beside = TestHub::start(quiet());
    assert!(
        TestPeer::join(beside.address, "embedded")
            .peers()
            .is_empty()
    );
    assert!(peer.settle().is_empty());

    let from_elsewhere = stopper.clone();
    std::thread::spawn(move || from_elsewhere.stop())
        .join()
        .unwrap();
    let reason = "the hub is shutting down".to_owned();
    assert_eq!(peer.closed(), Some((1001, reason)));
    assert_eq!(thread.join().unwrap().unwrap(), Ended::Drained);
    // To ask a hub that has ended does nothing.
    stopper.stop();

    let stopped_before = Server::bind(quiet()).unwrap();
    stopped_before.stopper().stop();
    assert_eq!(stopped_before.run().unwrap(), Ended::Drained);

    let hub = TestHub::start(Config {
        drain_time_ms: 60_000,
        close_timeout_ms: 60_000,
        ..quiet()
    });
    let mut raw = Raw::connect(hub.address);
    raw.send(handshake("/")).answer();
    raw.frame();
    hub.ask_to_stop();
    assert_eq!(raw.close_code(), 1001);
    hub.ask_to_stop();
    assert_eq!(hub.ended(), Ended::Forced);
}

#[test]
fn a_bad_config_is_refused_by_bind() {
    let mut config = quiet();
    config.limits.tags = 0;
    let error = Server::bind(config).expect_err("0 tags").to_string();
    assert_eq!(error, "max-tags: 0 is out of range: allowed is 1 to 100000");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config {
        listen: vec![taken.local_addr().unwrap()],
        ..quiet()
    };
    let error = Server::bind(config).expect_err("a port in use").to_string();
    assert!(error.ends_with(": address already in use"), "{error}");
}

#[test]
fn what_a_drain_finds_under_way_is_finished() {
    let hub = TestHub::start(quiet());
    let mut half = Raw::connect(hub.address);
    half.send("GET /healthz HTTP/1.1\r\nHo");
    let mut idle = Raw::connect(hub.address);
    idle.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(idle.answer().status, 200);
    let mut peer = TestPeer::join(hub.address, "drain");
    hub.ask_to_stop();
    peer.closed();
    assert!(idle.rest().is_empty());
    half.send("st: h\r\n\r\n");
    let answer = half.answer();
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (503, &json!("draining"))
    );
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(half.rest().is_empty());
    drop(half);
    assert_eq!(hub.ended(), Ended::Drained);
}

#[test]
fn a_restarted_hub_has_its_port_at_once() {
    let hub = TestHub::start(quiet());
    let address = hub.address;
    let mut peers: Vec<TestPeer> = (0..5).map(|_| TestPeer::connect(address)).collect();
    hub.ask_to_stop();
    for peer in &mut peers {
        assert_eq!(peer.closed().unwrap().0, 1001);
    }
    assert_eq!(hub.ended(), Ended::Drained);
    let again = TestHub::start(Config {
        listen: vec![address],
        ..quiet()
    });
    TestPeer::join(again.address, "again");
    drop(again);

    // The same after a death without leave-taking, connections and all.
    let listen = address.to_string();
    let program = || {
        let mut command = command();
        command.args(["--listen", &listen]);
        Program::run(command)
    };
    let mut first = program();
    let mut peer = TestPeer::join(address, "again");
    first.signal(Signal::KILL);
    first.exit();
    assert_eq!(peer.closed(), None);
    let _second = program();
    TestPeer::join(address, "again");
}

fn stops_in_order(signal: Signal) {
    let mut program = Program::start(&["--drain-time", "1m"]);
    let address = program.address();
    let mut peers: Vec<TestPeer> = (0..20).map(|_| TestPeer::join(address, "all")).collect();
    let begun = Instant::now();
    program.signal(signal);
    for peer in &mut peers {
        let (code, _) = peer.closed().expect("it is told");
        assert_eq!(code, 1001);
    }
    assert_eq!(program.exit().code(), Some(0));
    assert!(begun.elapsed() < PATIENCE, "it does not wait for nobody");
    let log = program.log.join("\n");
    assert!(log.contains("stopping; connections: 20;"), "{log}");
    assert!(
        log.contains("stopped; did not take leave in time: 0;"),
        "{log}"
    );
}

#[test]
fn sigterm_takes_leave_of_everybody() {
    stops_in_order(Signal::TERM);
}

#[test]
fn sigint_takes_leave_of_everybody() {
    stops_in_order(Signal::INT);
}

#[test]
fn who_does_not_take_leave_is_dropped_when_the_drain_time_is_over() {
    let mut program = Program::start(&["--drain-time", "500", "--close-timeout", "1m"]);
    let mut mute = Raw::connect(program.address());
    mute.send(handshake("/")).answer();
    mute.frame();
    let begun = Instant::now();
    program.signal(Signal::TERM);
    assert!(mute.rest().starts_with(&[0x88]), "it was told");
    assert_eq!(program.exit().code(), Some(0));
    assert!(
        begun.elapsed() >= Duration::from_millis(480),
        "it had its time"
    );
    assert!(
        program
            .log
            .last()
            .unwrap()
            .contains("stopped; did not take leave in time: 1;")
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut program = Program::start(&["--drain-time", "1h", "--close-timeout", "1h"]);
    let mut mute = Raw::connect(program.address());
    mute.send(handshake("/")).answer();
    mute.frame();
    program.signal(Signal::TERM);
    assert_eq!(mute.close_code(), 1001);
    program.signal(Signal::INT);
    assert_eq!(program.exit().code(), Some(130));
}

/// Runs the program to its end, which must come by itself.
fn fails(arguments: &[&str]) -> String {
    let output = command().args(arguments).output().expect("it starts");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    assert_eq!(errors.lines().count(), 1, "{arguments:?}: {errors}");
    assert!(errors.starts_with("peerhub: "), "{errors}");
    assert!(output.stdout.is_empty());
    errors
}

#[test]
fn what_keeps_it_from_starting_is_one_line_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = fails(&["--listen", &address]);
    assert_eq!(
        told,
        format!("peerhub: cannot listen on {address}: address already in use\n")
    );
    // An address in use among others is no less in use.
    fails(&["--listen", "127.0.0.1:0", "--listen", &address]);
    fails(&["--listen", "192.0.2.77:0"]);
    let folder = Folder::new("end-to-end-start");
    let directory = folder.0.to_str().unwrap().to_owned();
    for (config, word) in [
        (
            format!("{directory}/missing.toml"),
            "no such file or directory",
        ),
        (directory.clone(), "is a directory"),
        (folder.file("broken.toml", "listen = ["), "broken.toml:1"),
        (
            folder.file("unknown.toml", "\nechoo = true"),
            "did you mean echo?",
        ),
        (folder.file("wrong.toml", "max-tags = 0"), "out of range"),
    ] {
        let told = fails(&["--config", &config]);
        assert!(told.contains(word) && told.contains(&directory), "{told}");
    }
    assert!(fails(&["--max-tags", "none"]).contains("--max-tags"));
    assert!(fails(&["--no-such-flag"]).contains("--no-such-flag"));
}

/// Whether an echo of so many bytes comes back; else the hub must close with 1009.
fn echoes(address: SocketAddr, bytes: usize) -> bool {
    let mut socket = websocket(tcp(address), "/echo");
    socket.send(Message::text("x".repeat(bytes))).unwrap();
    match socket.read().unwrap() {
        Message::Text(text) => text.len() == bytes,
        Message::Close(Some(frame)) => {
            assert_eq!(u16::from(frame.code), 1009);
            false
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_from_file_variable_and_flag_take_effect() {
    let folder = Folder::new("end-to-end-settings");
    let config = folder.file("hub.toml", "echo = true\nmax-message-bytes = 100\n");
    let start = |variable: Option<&str>, flags: &[&str]| {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0"]).args(flags);
        command.env("PEERHUB_CONFIG", &config);
        if let Some(bytes) = variable {
            command.env("PEERHUB_MAX_MESSAGE_BYTES", bytes);
        }
        Program::run(command)
    };
    for (variable, flags, most) in [
        (None, &[][..], 100),
        (Some("200"), &[], 200),
        (Some("200"), &["--max-message-bytes", "300"], 300),
    ] {
        let program = start(variable, flags);
        assert!(echoes(program.address(), most), "{most}");
        assert!(!echoes(program.address(), most + 1), "{most}");
    }
}

#[test]
fn the_log_says_where_it_listens_and_what_is_open() {
    let mut program = Program::start(&["--listen", "0.0.0.0:0", "--echo"]);
    program.wait_for("--encryption-key");
    let [local, open] = program.addresses[..] else {
        panic!("{:?}", program.addresses);
    };
    let says = |level: &str, text: String| {
        let line = program.log.iter().find(|line| line.contains(&text));
        let line = line.unwrap_or_else(|| panic!("{text:?} is not in {:#?}", program.log));
        assert!(line.contains(level), "{line}");
    };
    says("INFO", format!("peerhub {}", env!("CARGO_PKG_VERSION")));
    says("INFO", format!("open http://{local}/ in a browser"));
    says(
        "INFO",
        format!("open http://localhost:{}/ in a browser", open.port()),
    );
    says(
        "WARN",
        format!("open to the network: whoever reaches {open}"),
    );
    says("WARN", "open to the network: /echo".to_owned());
    let answer = get(SocketAddr::from(([127, 0, 0, 1], open.port())), "/");
    assert_eq!(answer.status, 200);

    let mut command = command();
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("RUST_LOG", "warn");
    let mut program = Program::run(command);
    program.signal(Signal::TERM);
    assert_eq!(program.exit().code(), Some(0));
    assert!(
        program.log.iter().all(|line| line.contains("WARN")),
        "{:#?}",
        program.log
    );
}

#[test]
fn faults_are_logged_and_a_flood_of_them_is_not() {
    let mut program = Program::start(&[]);
    let mut peer = TestPeer::join(program.address(), "faults");
    for _ in 0..1000 {
        peer.send_text("no JSON".to_owned());
    }
    assert!(peer.settle().is_empty());
    program.signal(Signal::TERM);
    peer.closed();
    assert!(program.exit().success());
    let lines = program
        .log
        .iter()
        .filter(|line| line.contains("bad message from"));
    let count = lines.count();
    assert!((1..100).contains(&count), "{count} lines for 1000 faults");
    assert!(program.log.last().unwrap().contains("bad messages 1000"));
}
