//! The bounds of peero: what is just within each passes, what is just beyond meets the bound and nobody else; and what
//! coming, going and signalling cost.

#[path = "support/live.rs"]
mod live;

use live::{TestHub, bounded, closed, quiet, tcp, tcp_narrow, websocket};
use peerhub::Config;
use peerhub::config::Limits;
use peerhub::dialect::peero::Lobby;
use peerhub::dialect::{Act, Arrival, Lent, Mail};
use peerhub::hub::id::FreshIds;
use peerhub::index::{ConnKey, VisitorKey};
use serde_json::{Value, json};
use std::hash::RandomState;
use std::net::{SocketAddr, TcpStream};
use tungstenite::{Message, WebSocket};

/// A peer over a real socket.
struct Visitor {
    socket: WebSocket<TcpStream>,
    id: String,
}

impl Visitor {
    fn connect(address: SocketAddr) -> Visitor {
        Visitor::over(tcp(address))
    }

    fn over(stream: TcpStream) -> Visitor {
        let mut visitor = Visitor {
            socket: websocket(stream, "/peero"),
            id: String::new(),
        };
        let id = visitor.expect("id");
        visitor.id = id["id"].as_str().expect("an id").to_owned();
        visitor
    }

    fn send(&mut self, message: impl Into<String>) {
        let message = Message::text(message.into());
        self.socket.send(message).expect("the hub takes messages");
    }

    fn next(&mut self) -> Value {
        match self.socket.read().expect("the hub says something") {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("the hub says {other:?}"),
        }
    }

    /// The next message, which is of this type.
    fn expect(&mut self, kind: &str) -> Value {
        let message = self.next();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Everything that was said until now: the answer to a question asked now comes last.
    fn settle(&mut self) -> Vec<Value> {
        self.send(r#"{"type":"register"}"#);
        let mut said = Vec::new();
        loop {
            let message = self.next();
            match message["type"].as_str() {
                Some("id") => {
                    self.expect("peers");
                    return said;
                }
                _ => said.push(message),
            }
        }
    }

    fn fault(&mut self, message: impl Into<String>) -> String {
        self.send(message);
        let error = self.expect("error");
        error["code"].as_str().expect("a code").to_owned()
    }
}

/// Visitors of one hub, all told of each other.
fn crowd<const N: usize>(address: SocketAddr) -> [Visitor; N] {
    let mut crowd: Vec<Visitor> = (0..N).map(|_| Visitor::connect(address)).collect();
    for visitor in &mut crowd {
        visitor.settle();
    }
    crowd.try_into().unwrap_or_else(|_| unreachable!())
}

/// A text of this many bytes as a JSON string.
fn string(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

#[test]
fn peers() {
    let mut config = quiet();
    config.peero.peers = 3;
    let hub = TestHub::start(config);
    let [mut one, two, mut three] = crowd(hub.address);
    for _ in 0..2 {
        let mut newcomer = websocket(tcp(hub.address), "/peero");
        let error = newcomer.read().unwrap().into_text().unwrap();
        let error: Value = serde_json::from_str(&error).unwrap();
        assert_eq!(error["code"], "E_FULL");
        let (code, _) = closed(&mut newcomer).expect("it is closed");
        assert_eq!(code, 1013);
    }
    assert!(one.settle().is_empty(), "they heard nothing of it");
    let gone = two.id.clone();
    drop(two);
    for visitor in [&mut one, &mut three] {
        assert_eq!(visitor.expect("remove")["id"], gone);
    }
    let mut newcomer = Visitor::connect(hub.address);
    assert_eq!(newcomer.expect("peers")["peers"], json!([one.id, three.id]));
    // Other dialects have places of their own.
    live::TestPeer::connect(hub.address);
}

#[test]
fn signal_bytes() {
    let mut config = quiet();
    config.peero.signal_bytes = 100;
    let hub = TestHub::start(config);
    let [mut one, mut other] = crowd(hub.address);
    let to = other.id.clone();
    for (form, bytes) in [
        (r#"{"type":"offer","signal":%}"#.to_owned(), 100),
        (
            format!(r#"{{"type":"answer","peerId":"{to}","signal":%}}"#),
            100,
        ),
        (r#"{"type":"signal","data":%}"#.to_owned(), 100),
    ] {
        one.send(form.replace('%', &string(bytes)));
        assert_eq!(other.next()["signal"].as_str().unwrap().len(), bytes - 2);
        let code = one.fault(form.replace('%', &string(bytes + 1)));
        assert_eq!(code, "E_TOOLONG", "{form}");
    }
    assert!(other.settle().is_empty(), "only the sender was told");
}

#[test]
fn json_depth() {
    let hub = TestHub::start(bounded(Limits {
        json_depth: 8,
        ..Limits::default()
    }));
    let [mut one, mut other] = crowd(hub.address);
    let nested = |levels: usize| {
        let arrays = "[".repeat(levels - 2) + &"]".repeat(levels - 2);
        format!(r#"{{"type":"offer","signal":{{"a":{arrays}}}}}"#)
    };
    one.send(nested(8));
    other.expect("offer");
    assert_eq!(one.fault(nested(9)), "E_TOODEEP");
    assert!(other.settle().is_empty());
}

#[test]
fn message_bytes() {
    let hub = TestHub::start(bounded(Limits {
        message_bytes: 200,
        ..Limits::default()
    }));
    let [mut one, mut other] = crowd(hub.address);
    let message = |bytes: usize| {
        let padding = " ".repeat(bytes - r#"{"type":"offer","signal":{}}"#.len());
        format!(r#"{{"type":"offer","signal":{{{padding}}}}}"#)
    };
    one.send(message(200));
    other.expect("offer");
    one.send(message(201));
    assert_eq!(closed(&mut one.socket).expect("it is closed").0, 1009);
    assert_eq!(other.expect("remove")["id"], one.id);
    assert!(other.settle().is_empty());
}

#[test]
fn who_reads_nothing_is_removed_and_the_others_are_told() {
    let hub = TestHub::start(bounded(Limits {
        queue_bytes: 256 << 10,
        ..Limits::default()
    }));
    let [mut signaller, mut reader] = crowd(hub.address);
    let stalled = Visitor::over(tcp_narrow(hub.address));
    for visitor in [&mut signaller, &mut reader] {
        assert_eq!(visitor.expect("announce")["id"], stalled.id);
    }
    let offer = format!(r#"{{"type":"offer","signal":{}}}"#, string(60 << 10));
    let is_removed = (0..4000).any(|_| {
        signaller.send(&*offer);
        let said = reader.next();
        match said["type"].as_str() {
            Some("offer") => false,
            Some("remove") => said["id"] == stalled.id,
            _ => panic!("{said}"),
        }
    });
    assert!(is_removed, "who never reads is cut off");
    assert_eq!(signaller.expect("remove")["id"], stalled.id);
    signaller.send(&*offer);
    reader.expect("offer");
}

/// A lobby without sockets.
struct Bare {
    lobby: Lobby,
    ids: FreshIds,
    mail: Mail,
}

impl Bare {
    fn new() -> Bare {
        Bare {
            lobby: Lobby::new(&Config::default(), RandomState::new()),
            ids: FreshIds::default(),
            mail: Mail::default(),
        }
    }

    fn lent(&mut self) -> (&mut Lobby, Lent<'_>) {
        self.mail.clear();
        let mut count = self.lobby.member_count() as u64;
        self.ids.top_up(0, |stock| {
            for chunk in stock.chunks_exact_mut(8) {
                count += 1;
                chunk.copy_from_slice(&count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            }
        });
        let lent = Lent {
            now: 0,
            ids: &mut self.ids,
            mail: &mut self.mail,
        };
        (&mut self.lobby, lent)
    }

    fn join(&mut self, conn: usize) -> VisitorKey {
        let arrival = Arrival {
            conn: ConnKey::at(conn),
            remote: ([127, 0, 0, 1], 1).into(),
            local_port: 1,
            query: "",
            has_fixed_id: false,
        };
        let (lobby, lent) = self.lent();
        lobby.join(arrival, lent).expect("there is place")
    }

    fn hear(&mut self, member: VisitorKey, text: &str) {
        let (lobby, lent) = self.lent();
        lobby.hear(member, text, lent).expect("it is a message");
    }

    /// Texts written, and texts sent.
    fn cost(&self) -> (usize, usize) {
        let sent = |act: &&Act| matches!(act, Act::Send { .. });
        (
            self.mail.text_count(),
            self.mail.acts().iter().filter(sent).count(),
        )
    }
}

#[test]
fn each_text_is_written_once_however_many_receive_it() {
    let mut bare = Bare::new();
    let members: Vec<VisitorKey> = (0..1000).map(|conn| bare.join(conn)).collect();
    // The newcomer's id and list, and one announcement to all the others.
    assert_eq!(bare.cost(), (3, 2 + 999));
    bare.hear(members[0], r#"{"type":"offer","signal":{}}"#);
    assert_eq!(bare.cost(), (1, 999));
    bare.hear(members[0], r#"{"type":"register"}"#);
    assert_eq!(bare.cost(), (2, 2));
    let (lobby, lent) = bare.lent();
    lobby.depart(members[500], lent);
    assert_eq!(bare.cost(), (1, 999));
}

#[test]
fn signalling_allocates_nothing() {
    let mut bare = Bare::new();
    let members: Vec<VisitorKey> = (0..50).map(|conn| bare.join(conn)).collect();
    bare.hear(members[7], r#"{"type":"register"}"#);
    let id = String::from_utf8(bare.mail.read(0).to_vec()).unwrap();
    let id: Value = serde_json::from_str(&id).unwrap();
    let id = id["id"].as_str().unwrap();
    let messages = [
        r#"{"type":"offer","signal":{"type":"offer","sdp":"v=0\r\n"}}"#.to_owned(),
        format!(r#"{{"type":"answer","peerId":"{id}","signal":{{"type":"answer","sdp":"v=0"}}}}"#),
        format!(r#"{{"type":"signal","data":{{"type":"offer","peerId":"{id}","sdp":"v=0"}}}}"#),
    ];
    let mut talk = || {
        for message in &messages {
            bare.hear(members[0], message);
        }
    };
    talk();
    let info = allocation_counter::measure(|| (0..100).for_each(|_| talk()));
    assert_eq!(info.count_total, 0);
}
