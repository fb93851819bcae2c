//! All five dialects at once: the program as one process on one port, over real sockets.
//!
//! In each dialect two clients talk to each other while a third one sends garbage as fast as it can and reads nothing.
//! Ids, names, keys and groups are the same in all dialects; nobody may hear anything of another one.

#[path = "support/live.rs"]
mod live;

use live::{PATIENCE, Program, TestPeer, closed, tcp, websocket};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::Scope;
use std::time::Instant;
use tungstenite::{Message, WebSocket};

/// What everybody is called, wherever a name can be chosen.
const NAMES: [&str; 2] = [
    "00000000000000000000000000000000000000aa",
    "ff000000000000000000000000000000000000bb",
];
const HUB_ID: &str = "7f00000000000000000000000000000000000000";
/// Messages between the two of each dialect.
const ROUNDS: usize = 100;
/// Messages of each who floods: work for longer than all rounds take.
const FLOOD: usize = 5_000;

/// A client whose messages are JSON in the frames of a WebSocket.
struct Talker(WebSocket<TcpStream>);

impl Talker {
    fn connect(address: SocketAddr, path: &str) -> Talker {
        Talker(websocket(tcp(address), path))
    }

    fn say(&mut self, message: &Value) {
        let text = Message::text(message.to_string());
        self.0.send(text).expect("the hub takes messages");
    }

    fn next(&mut self) -> Value {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "no message comes");
            match self.0.read().expect("a message comes") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("instead of a message came {other:?}"),
            }
        }
    }

    /// The next message that is not of these types.
    fn next_but(&mut self, passed_over: &[&str]) -> Value {
        loop {
            let message = self.next();
            if !passed_over.iter().any(|kind| message["type"] == *kind) {
                return message;
            }
        }
    }
}

/// A client whose messages are lines.
struct Liner {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
    name: &'static str,
}

impl Liner {
    fn connect(address: SocketAddr, name: &'static str) -> Liner {
        let stream = tcp(address);
        let lines = BufReader::new(stream.try_clone().expect("a second handle"));
        Liner {
            stream,
            lines,
            name,
        }
    }

    fn say(&mut self, kind: &str, content: Value) {
        let line = json!({"senderName": self.name, "type": kind, "content": content});
        writeln!(self.stream, "{line}").expect("the hub takes lines");
    }

    /// The next line; none at the end.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let bytes = self.lines.read_line(&mut line).expect("a line or the end");
        (bytes > 0).then(|| serde_json::from_str(&line).expect("JSON"))
    }
}

/// Two who talk in each dialect.
struct Pairs {
    ok: [TestPeer; 2],
    peerjs: [Talker; 2],
    relay: [Talker; 2],
    peero: [Talker; 2],
    peero_ids: [String; 2],
    netpeer: [Liner; 2],
}

#[test]
fn five_dialects_on_one_port_do_not_disturb_each_other() {
    let options = [
        "--peerjs-key",
        NAMES[0],
        "--relay-id",
        HUB_ID,
        "--netpeer-name",
        "hub",
    ];
    let bounds = ["--drain-time", "1m", "--max-message-bytes", "64KiB"];
    let mut program = Program::start(&[options.as_slice(), bounds.as_slice()].concat());
    let address = program.address();
    let mut pairs = Pairs::connect(address);
    std::thread::scope(|scope| {
        flood(scope, address);
        for round in 0..ROUNDS {
            pairs.exchange(round);
        }
    });
    pairs.look_around();
    program.signal(Signal::TERM);
    pairs.are_dismissed();
    assert!(program.exit().success());
}

impl Pairs {
    fn connect(address: SocketAddr) -> Pairs {
        let key = NAMES[0];
        let caller =
            |id| Talker::connect(address, &format!("/peerjs?key={key}&id={id}&token={id}"));
        let mut peerjs = NAMES.map(caller);
        for caller in &mut peerjs {
            assert_eq!(caller.next(), json!({"type": "OPEN"}));
        }

        let mut relay = [(); 2].map(|()| Talker::connect(address, "/peer-relay"));
        for (node, id) in relay.iter_mut().zip(NAMES) {
            assert_eq!(node.next(), buffer(HUB_ID), "the hub greets with its id");
            node.say(&buffer(id));
            let question = node.next();
            assert_eq!(
                (&question["to"], &question["data"]),
                (&json!(id), &json!({"type": "findPeers", "data": HUB_ID}))
            );
        }

        let mut peero = [(); 2].map(|()| Talker::connect(address, "/peero"));
        let peero_ids = [0, 1].map(|at: usize| {
            let id = peero[at].next();
            assert_eq!(id["type"], "id");
            id["id"].as_str().expect("an id").to_owned()
        });
        assert_eq!(peero[0].next(), json!({"type": "peers", "peers": []}));
        assert_eq!(
            peero[1].next(),
            json!({"type": "peers", "peers": [peero_ids[0]]})
        );
        assert_eq!(
            peero[0].next(),
            json!({"type": "announce", "id": peero_ids[1]})
        );

        let netpeer = NAMES.map(|name| {
            let mut member = Liner::connect(address, name);
            member.say(
                "@PRESENTATION",
                json!({"port": 4000, "needNetworkInformation": false}),
            );
            let presentation = member.next().expect("the hub presents itself");
            assert_eq!(presentation["content"]["port"], address.port());
            member
        });

        let ok = [(); 2].map(|()| TestPeer::connect(address));
        let mut pairs = Pairs {
            ok,
            peerjs,
            relay,
            peero,
            peero_ids,
            netpeer,
        };
        for (peer, id) in pairs.ok.iter_mut().zip(NAMES) {
            peer.initiate(NAMES[0], json!({"id": id, "resume": true}));
            assert_eq!(peer.id, id, "an id of another dialect is free here");
        }
        assert_eq!(pairs.ok[0].expect("presence")["peer"], NAMES[1]);
        pairs
    }

    /// In each dialect one says something to the other, in turns.
    fn exchange(&mut self, round: usize) {
        let (here, there) = (round % 2, (round + 1) % 2);
        let (own, other) = (NAMES[here], NAMES[there]);

        let said = json!({"n": round, "in": "ok-peerhub"});
        self.ok[here]
            .send(json!({"type": "notify", "messageid": "m", "peer": other, "content": said}));
        let heard = self.ok[there].next();
        assert_eq!(
            (&heard["type"], &heard["peer"], &heard["content"]),
            (&json!("notify"), &json!(own), &said)
        );

        let said = json!({"n": round, "in": "PeerJS"});
        self.peerjs[here].say(&json!({"type": "CANDIDATE", "dst": other, "payload": said}));
        let heard = json!({"type": "CANDIDATE", "src": own, "dst": other, "payload": said});
        assert_eq!(self.peerjs[there].next(), heard);

        let said = json!({"type": "user", "data": {"n": round, "in": "peer-relay"}});
        let nonce = format!("9{round}");
        let routed = |path: &[&str]| json!({"to": other, "from": own, "path": path, "nonce": nonce, "data": said});
        self.relay[here].say(&routed(&[own]));
        assert_eq!(self.relay[there].next(), routed(&[own, HUB_ID]));

        let said = json!({"n": round, "in": "peero"});
        let id = &self.peero_ids[here];
        let (message, kind) = match round % 4 {
            0 | 1 => (
                json!({"type": "answer", "peerId": self.peero_ids[there], "signal": said}),
                "answer",
            ),
            _ => (json!({"type": "offer", "signal": said}), "offer"),
        };
        self.peero[here].say(&message);
        // The one who floods comes and goes, which everybody is told.
        let heard = self.peero[there].next_but(&["announce", "remove"]);
        assert_eq!(heard, json!({"type": kind, "peerId": id, "signal": said}));

        // What members say to their applications goes to the hub's log; what the hub answers is the network.
        self.netpeer[here].say("chat", json!({"n": round, "in": "net-peer"}));
        self.netpeer[here].say("@REQUEST_NETWORK_INFORMATION", json!({}));
        let heard = self.netpeer[here].next().expect("an answer");
        assert_eq!(
            (&heard["senderName"], &heard["type"]),
            (&json!("hub"), &json!("@NETWORK_INFORMATION"))
        );
        assert!(
            heard["content"]["network"]["hosts"]
                .as_array()
                .expect("hosts")
                .iter()
                .any(|host| host["name"] == other)
        );
    }

    /// Nothing is left of those who flooded, and nobody sees anybody of another dialect.
    fn look_around(&mut self) {
        for at in [0, 1] {
            let others: Vec<Value> = self.ok[at]
                .peers()
                .iter()
                .map(|card| card["id"].clone())
                .collect();
            assert_eq!(others, [NAMES[1 - at]]);
            assert!(self.ok[at].settle().is_empty());

            self.netpeer[at].say("@REQUEST_NETWORK_INFORMATION", json!({}));
            let network = self.netpeer[at].next().expect("an answer");
            let hosts = network["content"]["network"]["hosts"]
                .as_array()
                .expect("hosts");
            let names: Vec<&Value> = hosts.iter().map(|host| &host["name"]).collect();
            assert_eq!(names, [NAMES[1 - at]]);

            let find = json!({"type": "findPeers", "data": NAMES[at]});
            let nonce = format!("8{at}");
            self.relay[at].say(&json!({"to": HUB_ID, "from": NAMES[at], "path": [NAMES[at]], "nonce": nonce, "data": find}));
            let found = self.relay[at].next();
            assert_eq!(found["data"]["type"], "foundPeers", "{found}");
            let found = found["data"]["data"].as_array().expect("ids");
            assert!(found.contains(&json!(NAMES[1 - at])), "{found:?}");
        }
        // The end of the one who flooded was seen before the end of his thread, but not by everybody yet.
        loop {
            self.peero[0].say(&json!({"type": "register"}));
            let message = self.peero[0].next_but(&["announce", "remove", "id"]);
            assert_eq!(message["type"], "peers");
            if message["peers"] == json!([self.peero_ids[1]]) {
                break;
            }
        }
    }

    /// The hub is stopped, and tells everybody.
    fn are_dismissed(&mut self) {
        let reason = Some((1001, "the hub is shutting down".to_owned()));
        for peer in &mut self.ok {
            assert_eq!(peer.closed(), reason);
        }
        let talkers = [&mut self.peerjs, &mut self.relay, &mut self.peero];
        for talker in talkers.into_iter().flatten() {
            assert_eq!(closed(&mut talker.0), reason);
        }
        for member in &mut self.netpeer {
            assert_eq!(member.next(), None, "a line has no word for it but its end");
        }
    }
}

/// In each dialect somebody sends garbage, reads nothing, and ends with more than a message may have.
fn flood<'scope>(scope: &'scope Scope<'scope, '_>, address: SocketAddr) {
    let greeting = buffer("3000000000000000000000000000000000000000").to_string();
    let find = format!(
        r#"{{"to":"{HUB_ID}","from":"3000000000000000000000000000000000000000","path":[],"nonce":"5NONCE","data":{{"type":"findPeers","data":"{HUB_ID}"}}}}"#
    );
    let floods: [(&str, &str, Vec<&str>); 4] = [
        (
            "/",
            r#"{"type":"initiate","content":{"linkageKey":"flood","resume":true}}"#,
            vec![
                r#"{"type":"constructor"}"#,
                r#"{"type":"publish","content":{"channel":"nobody's","message":1}}"#,
                r#"{"type":"request","messageid":"NONCE","peer":"nobody","content":1}"#,
            ],
        ),
        (
            "/peerjs?key=00000000000000000000000000000000000000aa&id=flood&token=t",
            r#"{"type":"HEARTBEAT"}"#,
            vec![
                r#"{"type":"OFFER","dst":"nobody-NONCE","payload":{}}"#,
                r#"{"type":"constructor"}"#,
            ],
        ),
        ("/peer-relay", &greeting, vec![&find, r#"{"to":"nobody"}"#]),
        (
            "/peero",
            r#"{"type":"register"}"#,
            vec![
                r#"{"type":"answer","peerId":"nobody","signal":{}}"#,
                r#"{"type":"constructor"}"#,
            ],
        ),
    ];
    for (path, first, garbage) in floods {
        let first = first.to_owned();
        let garbage: Vec<String> = garbage.into_iter().map(str::to_owned).collect();
        scope.spawn(move || {
            let mut socket = websocket(tcp(address), path);
            let mut alive = socket.send(Message::text(first)).is_ok();
            // Whoever reads too little may be cut off before the end.
            for count in 0..FLOOD {
                let text = garbage[count % garbage.len()].replace("NONCE", &count.to_string());
                let is_cut = count % 50 == 49;
                let text = if is_cut { "{\"type\"".to_owned() } else { text };
                alive = alive && socket.send(Message::text(text)).is_ok();
            }
            let _ = socket.send(Message::binary(vec![b'x'; 65 << 10]));
        });
    }
    scope.spawn(move || {
        let mut stream = tcp(address);
        let garbage = concat!(
            "{\"type\":\n{\"type\":\"@REQUEST_NETWORK_INFORMATION\"}\n",
            "[]\n{\"type\":\"chat\",\"content\":[1]}\r\n"
        );
        let first = r#"{"senderName":"flood","type":"@PRESENTATION","content":{"port":1}}"#;
        let mut alive = writeln!(stream, "{first}").is_ok();
        for _ in 0..FLOOD / 4 {
            alive = alive && stream.write_all(garbage.as_bytes()).is_ok();
        }
        let _ = stream.write_all(&vec![b'x'; 65 << 10]);
    });
}

/// An id of a node as the original sends its own.
fn buffer(id: &str) -> Value {
    let bytes: Vec<u8> = (0..20)
        .map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).expect("digits"))
        .collect();
    json!({"type": "Buffer", "data": bytes})
}
