//! TLS over real sockets, with rustls as the client: versions, resumption, what is refused, and certificates that change.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/live.rs"]
mod live;
#[path = "support/tls.rs"]
mod tls;

use folder::Folder;
use live::{
    Program, Raw, TestHub, TestPeer, client_frame, command, get, handshake, initiation, quiet, tcp,
};
use peerhub::Config;
use peerhub::config::Plaintext;
use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, StreamOwned,
};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tls::{Issued, client, client_config};
use tungstenite::{Message, WebSocket};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A hub with this certificate from a file that has the key too.
fn hub(issued: &Issued, folder: &Folder, mut config: Config) -> TestHub {
    config.tls.cert = Some(folder.file("both.pem", format!("{}{}", issued.cert, issued.key)));
    config.echo = true;
    TestHub::start(config)
}

/// A connection whose handshake is done, unless the hub refuses it.
fn try_connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let mut stream = StreamOwned::new(client(config), tcp(address));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Stream {
    try_connect(address, config).expect("a handshake")
}

/// A peer of the hub inside TLS, and its id.
fn join(stream: Stream, linkage: &str) -> (WebSocket<Stream>, String) {
    let (mut socket, _) = tungstenite::client("wss://localhost/", stream).expect("a WebSocket");
    socket
        .send(Message::text(initiation(linkage, json!({})).to_string()))
        .expect("it is taken");
    let confirm = expect(&mut socket, "confirm");
    let id = confirm["peer"].as_str().expect("an id").to_owned();
    (socket, id)
}

/// The next message of this type.
fn expect(socket: &mut WebSocket<Stream>, kind: &str) -> Value {
    loop {
        if let Message::Text(text) = socket.read().expect("a message") {
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["type"] == kind {
                return message;
            }
        }
    }
}

fn request(stream: &mut Stream, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it is taken");
    let mut text = String::new();
    // Without a word of leave this would be an error.
    stream.read_to_string(&mut text).expect("an orderly end");
    text
}

fn everything(issued: &Issued) -> Arc<ClientConfig> {
    client_config(&[issued], &[&TLS12, &TLS13], &["http/1.1"])
}

#[test]
fn peers_with_and_without_tls_meet() {
    let (issued, folder) = (Issued::new(), Folder::new("tls-meet"));
    let hub = hub(&issued, &folder, quiet());
    for (version, number) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let config = client_config(&[&issued], &[version], &["http/1.1"]);
        let stream = connect(hub.address, &config);
        assert_eq!(stream.conn.protocol_version(), Some(number));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let (mut inside, inside_id) = join(stream, "room");
        let mut outside = TestPeer::join(hub.address, "room");
        let notify = |to: &str, content: &str| json!({"type": "notify", "peer": to, "content": content, "name": "n"});
        outside.send(notify(&inside_id, "from outside"));
        assert_eq!(expect(&mut inside, "notify")["content"], "from outside");
        let text = notify(&outside.id, "from inside").to_string();
        inside.send(Message::text(text)).expect("it is taken");
        assert_eq!(outside.expect("notify")["content"], "from inside");
        // The hub answers the close, and then takes leave of TLS too.
        inside.close(None).expect("it is taken");
        let end = loop {
            match inside.read() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end}");
        outside.vanish();
    }
}

/// What certificate authorities issue.
#[test]
fn keys_of_every_usual_kind_serve() {
    for key in ["rsa2048.pem", "p256.pem", "p384.pem", "ed25519.pem"] {
        let (issued, folder) = (Issued::for_key(key), Folder::new("tls-kinds"));
        let hub = hub(&issued, &folder, quiet());
        for version in [&TLS12, &TLS13] {
            let config = client_config(&[&issued], &[version], &["http/1.1"]);
            let answer = request(&mut connect(hub.address, &config), "/healthz");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{key}: {answer}");
        }
    }
}

#[test]
fn plain_answers_end_in_order() {
    let (issued, folder) = (Issued::new(), Folder::new("tls-http"));
    let hub = hub(&issued, &folder, quiet());
    for version in [&TLS12, &TLS13] {
        // Who names no protocol is taken to mean HTTP/1.1.
        let config = client_config(&[&issued], &[version], &[]);
        for path in ["/healthz", "/", "/ok-peerconnection.js"] {
            let answer = request(&mut connect(hub.address, &config), path);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
}

/// Of more than a record, and read slowly at first.
#[test]
fn large_messages_come_back_whole() {
    let (issued, folder) = (Issued::new(), Folder::new("tls-large"));
    let hub = hub(&issued, &folder, quiet());
    let stream = connect(hub.address, &everything(&issued));
    let (mut socket, _) = tungstenite::client("wss://localhost/echo", stream).unwrap();
    let texts: Vec<String> = (0..8).map(|n| n.to_string().repeat(1_000_000)).collect();
    for text in &texts {
        socket
            .send(Message::text(text.as_str()))
            .expect("it is taken");
    }
    for text in &texts {
        assert!(socket.read().expect("a message").to_text().unwrap() == text);
    }
}

#[test]
fn sessions_are_resumed() {
    let (issued, folder) = (Issued::new(), Folder::new("tls-resume"));
    let hub = hub(&issued, &folder, quiet());
    for version in [&TLS12, &TLS13] {
        let config = client_config(&[&issued], &[version], &["http/1.1"]);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut stream = connect(hub.address, &config);
            request(&mut stream, "/healthz");
            assert_eq!(stream.conn.handshake_kind(), Some(kind), "{version:?}");
        }
    }
}

#[test]
fn who_wants_another_protocol_is_told() {
    let (issued, folder) = (Issued::new(), Folder::new("tls-alpn"));
    let hub = hub(&issued, &folder, quiet());
    let alert = |config: &Arc<ClientConfig>| {
        let error = try_connect(hub.address, config).expect_err("an alert");
        let error = error.into_inner().expect("an error of TLS");
        match error.downcast_ref() {
            Some(&rustls::Error::AlertReceived(alert)) => alert,
            _ => panic!("{error}"),
        }
    };
    let h2 = client_config(&[&issued], &[&TLS12, &TLS13], &["h2"]);
    assert_eq!(alert(&h2), AlertDescription::NoApplicationProtocol);
    // Among others there is one that is spoken.
    let both = client_config(&[&issued], &[&TLS13], &["h2", "http/1.1"]);
    let stream = connect(hub.address, &both);
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
}

/// What is no TLS behind the first byte is answered with an alert: a record of type 21, fatal, decode error.
#[test]
fn broken_tls_is_answered_with_an_alert() {
    let (issued, folder) = (Issued::new(), Folder::new("tls-broken"));
    let hub = hub(&issued, &folder, quiet());
    let mut raw = Raw::connect(hub.address);
    let answer = raw
        .send(b"\x16\x03\x01\x00\x0c\x01\x00\x00\x08nonsense")
        .rest();
    assert_eq!(answer[..1], [0x15]);
    assert_eq!(answer[5..], [2, 50]);
    assert_eq!(get(hub.address, "/healthz").status, 200);
}

#[test]
fn net_peer_works_inside() {
    let (issued, folder) = (Issued::new(), Folder::new("tls-lines"));
    let hub = hub(&issued, &folder, quiet());
    let mut stream = connect(hub.address, &everything(&issued));
    let content = json!({"port": 5001, "needNetworkInformation": true});
    let line = json!({"senderName": "ann", "type": "@PRESENTATION", "content": content});
    writeln!(stream, "{line}").expect("it is taken");
    let mut told = BufReader::new(stream).lines();
    let first: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["type"], "@PRESENTATION");
}

#[test]
fn who_comes_without_tls_is_served_refused_or_sent_on() {
    let (issued, folder) = (Issued::new(), Folder::new("tls-plaintext"));
    for (plaintext, status) in [
        (Plaintext::Serve, 200),
        (Plaintext::Refuse, 400),
        (Plaintext::Redirect, 308),
    ] {
        let mut config = quiet();
        config.tls.plaintext = plaintext;
        let hub = hub(&issued, &folder, config);
        let inside = request(&mut connect(hub.address, &everything(&issued)), "/healthz");
        assert!(inside.starts_with("HTTP/1.1 200 "), "{inside}");
        let answer = get(hub.address, "/healthz?a=b");
        assert_eq!(answer.status, status);
        let upgrade = Raw::connect(hub.address).send(handshake("/echo")).answer();
        let line = json!({"senderName": "ann", "type": "@PRESENTATION", "content": {"port": 1, "needNetworkInformation": true}});
        let mut lines = Raw::connect(hub.address);
        lines.send(format!("{line}\n"));
        match status {
            200 => {
                assert_eq!(upgrade.status, 101);
                let told = BufReader::new(lines.stream)
                    .lines()
                    .next()
                    .unwrap()
                    .unwrap();
                assert!(told.contains("@PRESENTATION"), "{told}");
                continue;
            }
            400 => assert!(answer.body.contains("https://"), "{}", answer.body),
            _ => {
                assert_eq!(answer.header("location"), Some("https://hub/healthz?a=b"));
                assert_eq!(upgrade.header("location"), Some("https://hub/echo"));
            }
        }
        assert_eq!(upgrade.status, status);
        let told = String::from_utf8(lines.rest()).unwrap();
        assert!(
            told.contains("Come with TLS") && told.ends_with('\n'),
            "{told}"
        );
    }
}

/// A program whose certificate and key are these files.
fn program(folder: &Folder, issued: &Issued) -> Program {
    let cert = folder.file("cert.pem", &issued.cert);
    let key = folder.file("key.pem", &issued.key);
    Program::start(&["--tls-cert", &cert, "--tls-key", &key])
}

#[test]
fn a_certificate_is_read_again_on_a_signal() {
    let (old, new, folder) = (Issued::new(), Issued::new(), Folder::new("tls-signal"));
    let mut program = program(&folder, &old);
    // Sessions are of the hub and not of the certificate: who has one resumes it.
    let knows_old = client_config(&[&old], &[&TLS13], &[]);
    request(&mut connect(program.address(), &knows_old), "/healthz");
    let living = connect(program.address(), &knows_old);
    folder.file("cert.pem", &new.cert);
    program.signal(Signal::HUP);
    let told = program.wait_for("stays as it was");
    assert!(
        told.contains("the key is not that of the certificate"),
        "{told}"
    );
    let fresh = client_config(&[&old], &[&TLS13], &[]);
    connect(program.address(), &fresh);
    folder.file("key.pem", &new.key);
    program.signal(Signal::HUP);
    program.wait_for("the certificate is that of");
    let stream = connect(program.address(), &everything(&new));
    assert_eq!(stream.conn.peer_certificates(), Some(&[new.der()][..]));
    let resumed = connect(program.address(), &knows_old);
    assert_eq!(resumed.conn.handshake_kind(), Some(HandshakeKind::Resumed));
    let fresh = client_config(&[&old], &[&TLS13], &[]);
    assert!(try_connect(program.address(), &fresh).is_err());
    // Who was there before is served on.
    join(living, "room");
}

#[test]
fn a_certificate_is_read_again_when_it_has_changed() {
    let (old, new, folder) = (Issued::new(), Issued::new(), Folder::new("tls-change"));
    let mut program = program(&folder, &old);
    folder.file("cert.pem", "");
    program.wait_for("there is no certificate in it");
    connect(program.address(), &client_config(&[&old], &[&TLS13], &[]));
    folder.file("key.pem", &new.key);
    folder.file("cert.pem", &new.cert);
    // Whatever was met in between was not taken.
    program.wait_for("the certificate is that of");
    let stream = connect(program.address(), &everything(&new));
    assert_eq!(stream.conn.peer_certificates(), Some(&[new.der()][..]));
}

#[test]
fn a_certificate_is_made_on_request() {
    let mut program = Program::start(&["--tls-self-signed"]);
    let made = program
        .log
        .iter()
        .find(|line| line.contains("made a certificate for"));
    let made = made.expect("it is told").clone();
    assert!(made.contains("localhost, 127.0.0.1, ::1"), "{made}");
    let (_, fingerprint) = made.split_once("SHA-256 ").expect("a fingerprint");
    assert_eq!(fingerprint.len(), 32 * 3 - 1);
    assert!(
        program
            .log
            .iter()
            .any(|line| line.contains("open https://127.0.0.1:"))
    );
    // Nobody trusts it, and the hub does not mind being told.
    let config = client_config(&[&Issued::new()], &[&TLS13], &[]);
    assert!(try_connect(program.address(), &config).is_err());
    assert_eq!(get(program.address(), "/healthz").status, 200);
    // From no file it cannot be read again: the signal is what it is to any program.
    program.signal(Signal::HUP);
    assert!(!program.exit().success());
}

#[test]
fn bad_certificates_are_told_at_start_on_one_line() {
    let folder = Folder::new("tls-start");
    let (one, other) = (Issued::new(), Issued::new());
    let cert = folder.file("cert.pem", &one.cert);
    let key = folder.file("key.pem", &one.key);
    let other_key = folder.file("other.pem", &other.key);
    let text = folder.file("text.pem", "no PEM");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = folder.file("broken.pem", broken);
    let cut = folder.file("cut.pem", &one.cert[..200]);
    let nothing = folder.0.join("nothing.pem").to_str().unwrap().to_owned();
    let cases: [(&[&str], &str); 11] = [
        (
            &["--tls-cert", &cert],
            "there is no private key in it: name its file with tls-key",
        ),
        (
            &["--tls-key", &key],
            "tls-key: names a key, but no tls-cert",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &other_key],
            "the key is not that of the certificate",
        ),
        (
            &["--tls-cert", &nothing, "--tls-key", &key],
            "nothing.pem: no such file",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &nothing],
            "nothing.pem: no such file",
        ),
        (
            &["--tls-cert", &text, "--tls-key", &key],
            "there is no certificate in it",
        ),
        (
            &["--tls-cert", &cut, "--tls-key", &key],
            "cut.pem: it is not PEM",
        ),
        (
            &["--tls-cert", &broken, "--tls-key", &key],
            "the certificate cannot be understood",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &cert],
            "there is no private key in it",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &key, "--tls-self-signed"],
            "write only one of them",
        ),
        (&["--plaintext", "refuse"], "nobody can come with TLS"),
    ];
    for (arguments, expected) in cases {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        let output = command.output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines.len() == 1 && text.contains(expected),
            "{arguments:?}: {text}"
        );
    }
}

/// One who reads nothing is cut off as without TLS, and a stopped hub takes leave inside TLS.
#[test]
fn slow_readers_and_the_end_are_as_without_tls() {
    let (issued, folder) = (Issued::new(), Folder::new("tls-slow"));
    let mut config = quiet();
    config.limits.queue_bytes = 64 << 10;
    let hub = hub(&issued, &folder, config);
    let config = everything(&issued);
    let (mut polite, _) = join(connect(hub.address, &config), "room");
    let mut greedy = connect(hub.address, &config);
    greedy.write_all(handshake("/echo").as_bytes()).unwrap();
    let message = client_frame(0x82, &[7; 50_000]);
    // What is not read fills the sockets between them, then the queue.
    let ended = (0..2_000).any(|_| greedy.write_all(&message).is_err());
    assert!(ended, "it is cut off");
    hub.ask_to_stop();
    let close = loop {
        if let Message::Close(frame) = polite.read().expect("a close") {
            break frame.expect("a code");
        }
    };
    assert_eq!(u16::from(close.code), 1001);
}
