//! What peers see where the hub once differed from the original server, found by running the same talks against both.
//!
//! Over real sockets on loopback, since the order of delivering and forgetting is part of what is pinned. Nothing sleeps:
//! each talk ends with a message whose arrival says that everything before it has been worked off.

use peerhub::{Config, Server, Stopper};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use tungstenite::{Message, WebSocket};

const DEBOUT_CHANNEL: &str = "w2dutnc-k7vsj2og";

struct Hub {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Hub {
    fn start(debout: bool) -> Hub {
        let config = Config {
            listen: vec!["127.0.0.1:0".parse().expect("an address")],
            debout,
            ..Config::default()
        };
        let server = Server::bind(config).expect("port 0 is free");
        Hub {
            address: server.local_addrs()[0],
            stopper: server.stopper(),
            thread: Some(std::thread::spawn(move || {
                server.run().expect("poll works");
            })),
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stopper.stop();
        self.stopper.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.expect("the hub ran").expect("the hub does not panic");
        }
    }
}

struct Peer {
    socket: WebSocket<TcpStream>,
    id: String,
}

impl Peer {
    fn connect(hub: &Hub) -> Peer {
        let stream = TcpStream::connect(hub.address).expect("the hub listens");
        let url = format!("ws://{}/", hub.address);
        let (socket, _) = tungstenite::client(url, stream).expect("an upgrade");
        let mut peer = Peer {
            socket,
            id: String::new(),
        };
        peer.id = peer.expect("accept")["peer"]
            .as_str()
            .expect("an id")
            .into();
        peer
    }

    fn join(hub: &Hub, content: Value) -> Peer {
        let mut peer = Peer::connect(hub);
        peer.send(json!({"type": "initiate", "content": content}));
        peer.expect("confirm");
        peer
    }

    fn send(&mut self, message: Value) {
        let text = message.to_string();
        self.socket
            .send(Message::text(text))
            .expect("the hub takes it");
    }

    /// The next message but nudges.
    fn next(&mut self) -> Value {
        loop {
            let Message::Text(text) = self.socket.read().expect("the hub says something") else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["type"] != "nudge" {
                return message;
            }
        }
    }

    fn expect(&mut self, kind: &str) -> Value {
        let message = self.next();
        assert_eq!(message["type"], kind, "{message}");
        message
    }
}

fn initiation() -> Value {
    let options = json!({"peerInitiationReceiver": true, "peerInitiationSender": true});
    json!({"linkageKey": "k", "options": options})
}

#[test]
fn a_leave_names_the_linkage_that_was_left() {
    let hub = Hub::start(false);
    let mut witness = Peer::join(&hub, initiation());
    for goes_in_order in [true, false] {
        let mut leaver = Peer::join(&hub, initiation());
        witness.expect("presence");
        if goes_in_order {
            leaver.send(json!({"type": "leave"}));
        }
        let id = leaver.id.clone();
        drop(leaver);
        let leave = witness.expect("leave");
        assert_eq!(leave["content"]["id"], id);
        assert_eq!(leave["content"]["linkageKey"], "k");
    }
}

#[test]
fn who_watches_the_debug_stream_is_not_listed_even_while_it_is_off() {
    for debout in [false, true] {
        let hub = Hub::start(debout);
        let mut asker = Peer::join(&hub, initiation());
        let mut watcher = Peer::join(&hub, initiation());
        asker.expect("presence");
        for (kind, listed) in [("subscribe", 0), ("unsubscribe", 1)] {
            watcher.send(json!({"type": kind, "content": {"channels": [DEBOUT_CHANNEL]}}));
            watcher.send(json!({"type": "notify", "peer": asker.id, "content": 1}));
            asker.expect("notify");
            asker.send(json!({"type": "retrievePeers"}));
            let peers = &asker.expect("response")["content"]["peers"];
            assert_eq!(peers.as_array().expect("a list").len(), listed, "{kind}");
        }
    }
}

#[test]
fn the_debug_stream_shows_a_client_as_it_was_when_it_spoke() {
    let hub = Hub::start(true);
    let mut watcher = Peer::join(&hub, json!({"linkageKey": "other"}));
    watcher.send(json!({"type": "subscribe", "content": {"channels": [DEBOUT_CHANNEL]}}));
    watcher.send(json!({"type": "deboutSelection", "content": {"client2hub": true}}));
    watcher.send(json!({"type": "notify", "peer": watcher.id, "content": "ready"}));
    let shown = watcher.expect("message");
    assert_eq!(shown["content"]["message"]["message"]["content"], "ready");
    watcher.expect("notify");
    let peer = Peer::join(&hub, initiation());
    let shown = watcher.expect("message");
    let shown = &shown["content"]["message"];
    assert_eq!(shown["message"]["type"], "initiate");
    assert_eq!(shown["client"]["id"], peer.id);
    assert_eq!(shown["client"]["linkageKey"], "");
}

#[test]
fn a_channel_without_a_name_hears_nothing() {
    let hub = Hub::start(false);
    let mut peer = Peer::join(&hub, initiation());
    peer.send(json!({"type": "subscribe", "content": {"channels": ["", 0, "c"]}}));
    for channel in [json!(""), json!(0), json!("c")] {
        peer.send(json!({"type": "publish", "content": {"channel": channel, "message": 1}}));
    }
    assert_eq!(peer.expect("message")["content"]["channel"], "c");
}

#[test]
fn an_option_of_null_is_off() {
    let hub = Hub::start(false);
    let mut deaf = Peer::join(&hub, initiation());
    deaf.send(json!({"type": "initiate", "content": {
        "linkageKey": "k", "options": {"peerInitiationReceiver": null},
    }}));
    deaf.expect("confirm");
    let mut other = Peer::join(&hub, initiation());
    other.send(json!({"type": "notify", "peer": deaf.id, "content": 1}));
    // No presence comes before it.
    deaf.expect("notify");
}
