//! The settings of each dialect beside the hub's own.
//!
//! Defaults are those of the programs that the dialects stand in for, where these have any. Times are milliseconds.

/// PeerJS: the role of a PeerServer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerJs {
    /// Whether it is spoken.
    pub on: bool,
    /// The keys that clients may come with. Each is a world of ids of its own.
    pub keys: Vec<String>,
    /// The path below which everything of it lies, with a slash at its beginning and none at its end, or a lone slash.
    pub path: String,
    /// Time that a message waits for a client that is not there, ms, counted from the first that waits for it.
    pub expire_timeout_ms: u64,
    /// Time after which a client from which no message has come is closed, ms; 0 leaves it to pings alone.
    pub alive_timeout_ms: u64,
    /// Clients at a time, of all keys together.
    pub concurrent_limit: usize,
    /// Whether everybody may list the ids of a key.
    pub allow_discovery: bool,
    /// Messages that may wait for absent clients, in all.
    pub waiting: usize,
    /// Bytes of all messages that wait.
    pub waiting_bytes: usize,
    /// Messages of one sender that may wait.
    pub waiting_per_sender: usize,
    /// Bytes of the messages of one sender that wait.
    pub waiting_bytes_per_sender: usize,
    /// Messages that may wait for one client.
    pub waiting_per_destination: usize,
}

impl Default for PeerJs {
    fn default() -> PeerJs {
        PeerJs {
            on: true,
            keys: vec!["peerjs".to_owned()],
            path: "/".to_owned(),
            expire_timeout_ms: 5_000,
            alive_timeout_ms: 60_000,
            concurrent_limit: 5_000,
            allow_discovery: false,
            waiting: 100_000,
            waiting_bytes: 64 << 20,
            // A connection attempt is an offer and some dozens of candidates.
            waiting_per_sender: 1_000,
            // Far more than a thousand candidates have, and a small part of what may wait in all.
            waiting_bytes_per_sender: 4 << 20,
            waiting_per_destination: 1_000,
        }
    }
}

/// peer-relay: a node of the relay network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Whether it is spoken.
    pub on: bool,
    /// The node's id, 40 hexadecimal digits; without one it is made at start.
    pub id: Option<String>,
    /// Where other nodes can reach this one, told in handshakes; without it, that they cannot.
    pub url: Option<String>,
    /// Nodes that this one connects to by itself, to join their network.
    pub bootstrap: Vec<String>,
    /// Nodes that it may learn of from others and connect to by itself; 0 connects to none.
    pub dials: usize,
    /// Shortest wait before a lost node of `bootstrap` is dialled again, ms; the longest is 32 times that.
    pub redial_ms: u64,
    /// Nonces that are remembered at most.
    pub nonces: usize,
    /// Time for which a nonce is remembered, ms.
    pub nonce_time_ms: u64,
    /// Ways to nodes that are remembered at most.
    pub paths: usize,
    /// Time for which a way is remembered, ms.
    pub path_time_ms: u64,
    /// Messages that may wait while nobody is connected.
    pub waiting: usize,
    /// Bytes of all messages that wait.
    pub waiting_bytes: usize,
}

impl Default for Relay {
    fn default() -> Relay {
        Relay {
            on: true,
            id: None,
            url: None,
            bootstrap: Vec::new(),
            dials: 0,
            redial_ms: 1_000,
            // A minute of a thousand messages each second.
            nonces: 65_536,
            nonce_time_ms: 60_000,
            paths: 65_536,
            path_time_ms: 300_000,
            waiting: 1_000,
            waiting_bytes: 4 << 20,
        }
    }
}

/// net-peer: a member of the TCP mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetPeer {
    /// Whether it is spoken.
    pub on: bool,
    /// The hub's name on the network.
    pub name: String,
    /// The state that newcomers are given until a later one is seen on the network (JSON).
    pub state: Option<String>,
    /// The file in which the state that was seen last survives a restart; what it holds counts more than `state`.
    pub state_file: Option<String>,
    /// The port that the hub names as its own; 0 names the one that was dialled.
    pub port: usize,
    /// Time that a member has to tell its state to a newcomer through the hub, ms; 0 asks nobody.
    pub state_time_ms: u64,
    /// Members at a time.
    pub members: usize,
}

impl Default for NetPeer {
    fn default() -> NetPeer {
        NetPeer {
            on: true,
            name: "hub".to_owned(),
            state: None,
            state_file: None,
            port: 0,
            state_time_ms: 500,
            members: 10_000,
        }
    }
}

/// peero: WebRTC discovery and signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peero {
    /// Whether it is spoken.
    pub on: bool,
    /// Peers at a time: each is told of all the others.
    pub peers: usize,
    /// Bytes of one signal.
    pub signal_bytes: usize,
}

impl Default for Peero {
    fn default() -> Peero {
        Peero {
            on: true,
            peers: 10_000,
            // Several times the session description of a call with every codec and a dozen candidates.
            signal_bytes: 64 << 10,
        }
    }
}
