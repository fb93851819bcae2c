//! The settings of the dialects beside the hub's own.
//!
//! Owns nothing but this part of the [`table`](super).

use super::super::settings::{Form, Group, Range, Setting};
use super::super::word;
use super::{CONNECTIONS_MOST, DAY_MS, GIB, HOUR_MS, KIB, REMEMBERED_MOST, WAITING_MOST};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "peerjs",
        group: Group::PeerJs,
        help: "Speaks PeerJS: takes the place of a PeerServer",
        form: Form::Switch(|config| &mut config.peerjs.on),
        common: false,
    },
    Setting {
        name: "peerjs-key",
        group: Group::PeerJs,
        help: "Key that PeerJS clients must come with; may be given several times, each is a world of ids of its own",
        form: Form::Texts(|config| &mut config.peerjs.keys, word::KEY),
        common: true,
    },
    Setting {
        name: "peerjs-path",
        group: Group::PeerJs,
        help: "Path below which PeerJS lies: ids at PATH/KEY/id, the WebSocket at PATH/peerjs",
        form: Form::Text(|config| &mut config.peerjs.path, word::PATH),
        common: false,
    },
    Setting {
        name: "peerjs-expire-timeout",
        group: Group::PeerJs,
        help: "Time that messages wait for a client that is not there, from the first of them on",
        form: Form::Time(
            |config| &mut config.peerjs.expire_timeout_ms,
            Range::of(10, HOUR_MS),
        ),
        common: false,
    },
    Setting {
        name: "peerjs-alive-timeout",
        group: Group::PeerJs,
        help: "Time after which a client that has sent no message, not even a heartbeat, is closed",
        form: Form::Time(
            |config| &mut config.peerjs.alive_timeout_ms,
            Range::of(10, DAY_MS).or_zero("only pings find the dead"),
        ),
        common: false,
    },
    Setting {
        name: "peerjs-concurrent-limit",
        group: Group::PeerJs,
        help: "PeerJS clients at a time, of all keys together",
        form: Form::Count(
            |config| &mut config.peerjs.concurrent_limit,
            Range::of(1, CONNECTIONS_MOST),
        ),
        common: false,
    },
    Setting {
        name: "peerjs-allow-discovery",
        group: Group::PeerJs,
        help: "Lets everybody list the ids of a key",
        form: Form::Switch(|config| &mut config.peerjs.allow_discovery),
        common: false,
    },
    Setting {
        name: "peerjs-max-waiting",
        group: Group::PeerJs,
        help: "Messages that may wait for absent clients, in all",
        form: Form::Count(
            |config| &mut config.peerjs.waiting,
            Range::of(1, WAITING_MOST),
        ),
        common: false,
    },
    Setting {
        name: "peerjs-max-waiting-bytes",
        group: Group::PeerJs,
        help: "Size of all messages that wait for absent clients",
        form: Form::Size(
            |config| &mut config.peerjs.waiting_bytes,
            Range::of(KIB, GIB),
        ),
        common: false,
    },
    Setting {
        name: "peerjs-max-waiting-per-sender",
        group: Group::PeerJs,
        help: "Messages of one client that may wait for absent ones",
        form: Form::Count(
            |config| &mut config.peerjs.waiting_per_sender,
            Range::of(1, WAITING_MOST),
        ),
        common: false,
    },
    Setting {
        name: "peerjs-max-waiting-bytes-per-sender",
        group: Group::PeerJs,
        help: "Size of the messages of one client that wait for absent ones",
        form: Form::Size(
            |config| &mut config.peerjs.waiting_bytes_per_sender,
            Range::of(KIB, GIB),
        ),
        common: false,
    },
    Setting {
        name: "peerjs-max-waiting-per-destination",
        group: Group::PeerJs,
        help: "Messages that may wait for one absent client",
        form: Form::Count(
            |config| &mut config.peerjs.waiting_per_destination,
            Range::of(1, WAITING_MOST),
        ),
        common: false,
    },
    Setting {
        name: "relay",
        group: Group::Relay,
        help: "Speaks peer-relay at /peer-relay: is an always-on node of the network",
        form: Form::Switch(|config| &mut config.relay.on),
        common: false,
    },
    Setting {
        name: "relay-id",
        group: Group::Relay,
        help: "Id of the node; without it, one is made at each start",
        form: Form::Maybe(|config| &mut config.relay.id, word::NODE_ID),
        common: false,
    },
    Setting {
        name: "relay-url",
        group: Group::Relay,
        help: "URL at which other nodes reach this one, told in handshakes; without it they are told that they cannot",
        form: Form::Maybe(|config| &mut config.relay.url, word::PUBLIC_URL),
        common: false,
    },
    Setting {
        name: "relay-bootstrap",
        group: Group::Relay,
        help: "URL of a node to connect to, so as to join its network; may be given several times",
        form: Form::Texts(|config| &mut config.relay.bootstrap, word::NODE_URL),
        common: false,
    },
    Setting {
        name: "relay-dials",
        group: Group::Relay,
        help: "Nodes learnt of from others that it may connect to by itself: anybody can make it connect to any address",
        form: Form::Count(
            |config| &mut config.relay.dials,
            Range::of(1, 1_000).or_zero("only to those of relay-bootstrap"),
        ),
        common: false,
    },
    Setting {
        name: "relay-redial-time",
        group: Group::Relay,
        help: "Shortest wait before a lost node of relay-bootstrap is dialled again; the longest is 32 times that",
        form: Form::Time(|config| &mut config.relay.redial_ms, Range::of(10, HOUR_MS)),
        common: false,
    },
    Setting {
        name: "relay-max-nonces",
        group: Group::Relay,
        help: "Messages that are remembered so as not to be passed on twice",
        form: Form::Count(
            |config| &mut config.relay.nonces,
            Range::of(1, REMEMBERED_MOST),
        ),
        common: false,
    },
    Setting {
        name: "relay-nonce-time",
        group: Group::Relay,
        help: "Time for which a message is remembered",
        form: Form::Time(
            |config| &mut config.relay.nonce_time_ms,
            Range::of(10, DAY_MS),
        ),
        common: false,
    },
    Setting {
        name: "relay-max-paths",
        group: Group::Relay,
        help: "Nodes for which the way on which they were last heard of is remembered",
        form: Form::Count(
            |config| &mut config.relay.paths,
            Range::of(1, REMEMBERED_MOST),
        ),
        common: false,
    },
    Setting {
        name: "relay-path-time",
        group: Group::Relay,
        help: "Time for which such a way is remembered",
        form: Form::Time(
            |config| &mut config.relay.path_time_ms,
            Range::of(10, DAY_MS),
        ),
        common: false,
    },
    Setting {
        name: "relay-max-waiting",
        group: Group::Relay,
        help: "Messages that may wait while no node is connected",
        form: Form::Count(
            |config| &mut config.relay.waiting,
            Range::of(1, WAITING_MOST),
        ),
        common: false,
    },
    Setting {
        name: "relay-max-waiting-bytes",
        group: Group::Relay,
        help: "Size of all messages that wait while no node is connected",
        form: Form::Size(
            |config| &mut config.relay.waiting_bytes,
            Range::of(KIB, GIB),
        ),
        common: false,
    },
    Setting {
        name: "netpeer",
        group: Group::NetPeer,
        help: "Speaks net-peer on plain TCP: is an always-on member of the mesh",
        form: Form::Switch(|config| &mut config.netpeer.on),
        common: false,
    },
    Setting {
        name: "netpeer-name",
        group: Group::NetPeer,
        help: "Name of the hub in the mesh",
        form: Form::Text(|config| &mut config.netpeer.name, word::NAME),
        common: false,
    },
    Setting {
        name: "netpeer-state",
        group: Group::NetPeer,
        help: "State of the mesh that newcomers are given until a later one is seen",
        form: Form::Maybe(|config| &mut config.netpeer.state, word::JSON),
        common: false,
    },
    Setting {
        name: "netpeer-state-file",
        group: Group::NetPeer,
        help: "File in which the state that was seen last survives a restart; what it holds counts more than netpeer-state",
        form: Form::Maybe(|config| &mut config.netpeer.state_file, word::FILE),
        common: false,
    },
    Setting {
        name: "netpeer-port",
        group: Group::NetPeer,
        help: "Port that the hub names as its own",
        form: Form::Count(
            |config| &mut config.netpeer.port,
            Range::of(1, 65_535).or_zero("the one that was dialled"),
        ),
        common: false,
    },
    Setting {
        name: "netpeer-state-time",
        group: Group::NetPeer,
        help: "Time that a member has to tell the state of the mesh when a newcomer asks the hub for it",
        form: Form::Time(
            |config| &mut config.netpeer.state_time_ms,
            Range::of(1, HOUR_MS).or_zero("nobody is asked"),
        ),
        common: false,
    },
    Setting {
        name: "netpeer-max-members",
        group: Group::NetPeer,
        help: "Members of the mesh at a time",
        form: Form::Count(|config| &mut config.netpeer.members, Range::of(1, 100_000)),
        common: false,
    },
    Setting {
        name: "peero",
        group: Group::Peero,
        help: "Speaks peero at /peero: WebRTC discovery and signalling",
        form: Form::Switch(|config| &mut config.peero.on),
        common: false,
    },
    Setting {
        name: "peero-max-peers",
        group: Group::Peero,
        help: "Peers at a time; each is told of all the others",
        form: Form::Count(|config| &mut config.peero.peers, Range::of(2, 100_000)),
        common: false,
    },
    Setting {
        name: "peero-max-signal-bytes",
        group: Group::Peero,
        help: "Size of one signal: ample for session descriptions, too little for user data",
        form: Form::Size(|config| &mut config.peero.signal_bytes, Range::of(64, GIB)),
        common: false,
    },
];
