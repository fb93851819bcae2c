//! The table of settings: the only place where a setting has a name, a range and a help text.
//!
//! Flags, environment variables, keys of the file, `--help`, `--print-config`, the README's table and
//! [`Config::check`](super::Config::check) are all made from [`SETTINGS`]; a new setting is one field of
//! [`Config`](super::Config) or [`Limits`](super::Limits) and one entry here. Defaults are those of `Config::default`. A
//! range keeps out what cannot work, not what is merely unwise.

use super::settings::{Form, Group, Range, Setting};
use super::word;

/// Every setting, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        group: Group::Serving,
        help: "Address and port to listen on; may be given several times; :3007 means every IPv4 address, 3007 loopback, \
               port 0 any free port",
        form: Form::Addresses(|config| &mut config.listen),
        common: true,
    },
    Setting {
        name: "allow-origin",
        group: Group::Serving,
        help: "Origin of pages that may come in, such as https://app.example.org or https://*.example.org; may be given several \
               times; without it, pages of every origin may; programs, which name none, always may",
        form: Form::Texts(|config| &mut config.allowed_origins, word::ORIGIN),
        common: false,
    },
    Setting {
        name: "trusted-proxy",
        group: Group::Serving,
        help: "Address or range of a reverse proxy whose X-Forwarded-For or else Forwarded header names the client; may be given \
               several times; loopback and private stand for such ranges",
        form: Form::Texts(|config| &mut config.trusted_proxies, word::NETWORK),
        common: false,
    },
    Setting {
        name: "proxy-protocol",
        group: Group::Serving,
        help: "Whether each connection of a trusted proxy begins with a header of the PROXY protocol, version 1 or 2, that names \
               the client: it may, or it must",
        form: Form::Choice(|config| &mut config.proxy_protocol),
        common: false,
    },
    Setting {
        name: "tls-cert",
        group: Group::Serving,
        help: "PEM file with the certificate chain for https and wss; read again on SIGHUP and when it changes",
        form: Form::Maybe(|config| &mut config.tls.cert, word::FILE),
        common: true,
    },
    Setting {
        name: "tls-key",
        group: Group::Serving,
        help: "PEM file with the private key of tls-cert, unless it is in the same file",
        form: Form::Maybe(|config| &mut config.tls.key, word::FILE),
        common: true,
    },
    Setting {
        name: "tls-self-signed",
        group: Group::Serving,
        help: "Makes a certificate at start for https and wss, for development: clients must be told to trust it",
        form: Form::Switch(|config| &mut config.tls.self_signed),
        common: false,
    },
    Setting {
        name: "plaintext",
        group: Group::Serving,
        help: "What becomes of those who come without TLS while there is a certificate: they are served as well, are told to \
               come with TLS, or are sent to https",
        form: Form::Choice(|config| &mut config.tls.plaintext),
        common: false,
    },
    Setting {
        name: "encryption-key",
        group: Group::Serving,
        help: "Passphrase that user ids are encrypted with; if a file of that name exists, its trimmed content is the \
               passphrase (other users of the machine can read a command line)",
        form: Form::Secret(|config| &mut config.encryption_key),
        common: true,
    },
    Setting {
        name: "encryption-key-old",
        group: Group::Serving,
        help: "Passphrase, or file that holds it, that user ids were encrypted with before; may be given several times, in a \
               variable once",
        form: Form::Secrets(|config| &mut config.encryption_keys_old),
        common: false,
    },
    Setting {
        name: "debout",
        group: Group::Serving,
        help: "Lets clients receive the debug stream (debout), which shows them what others send",
        form: Form::Switch(|config| &mut config.debout),
        common: true,
    },
    Setting {
        name: "echo",
        group: Group::Serving,
        help: "Answers WebSockets at /echo with what they send, for diagnostics",
        form: Form::Switch(|config| &mut config.echo),
        common: true,
    },
    Setting {
        name: "remote-address",
        group: Group::Peers,
        help: "Tells peers each other's IP addresses",
        form: Form::Switch(|config| &mut config.remote_address),
        common: false,
    },
    Setting {
        name: "scope",
        group: Group::Peers,
        help: "How far publish, notify and request reach: the whole hub, or only peers with the sender's linkage key",
        form: Form::Choice(|config| &mut config.scope),
        common: false,
    },
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
    Setting {
        name: "nudge-interval",
        group: Group::Times,
        help: "Time between two nudges to a client, by which browsers notice that they slept",
        form: Form::Time(
            |config| &mut config.nudge_interval_ms,
            Range::of(10, DAY_MS).or_zero("no nudges"),
        ),
        common: true,
    },
    Setting {
        name: "ping-interval",
        group: Group::Times,
        help: "Time between two WebSocket pings to a client, by which dead connections are found",
        form: Form::Time(
            |config| &mut config.ping_interval_ms,
            Range::of(10, DAY_MS).or_zero("no pings"),
        ),
        common: true,
    },
    Setting {
        name: "probe-time",
        group: Group::Times,
        help: "Time that the holder of an id has to show that it lives when another connection claims the id",
        form: Form::Time(|config| &mut config.probe_time_ms, Range::of(1, HOUR_MS)),
        common: false,
    },
    Setting {
        name: "request-timeout",
        group: Group::Times,
        help: "Time after which an unanswered request fails, unless the request itself says otherwise",
        form: Form::Time(
            |config| &mut config.request_timeout_ms,
            Range::of(1, DAY_MS),
        ),
        common: false,
    },
    Setting {
        name: "max-request-timeout",
        group: Group::Times,
        help: "Longest time that a request may ask for",
        form: Form::Time(
            |config| &mut config.request_timeout_max_ms,
            Range::of(1, DAY_MS),
        ),
        common: false,
    },
    Setting {
        name: "handshake-timeout",
        group: Group::Times,
        help: "Time that a new connection has to send a whole HTTP head, and before it to finish the handshake of TLS",
        form: Form::Time(
            |config| &mut config.handshake_timeout_ms,
            Range::of(1, HOUR_MS),
        ),
        common: false,
    },
    Setting {
        name: "http-idle-timeout",
        group: Group::Times,
        help: "Time that an HTTP connection may stay open between two requests",
        form: Form::Time(
            |config| &mut config.http_idle_timeout_ms,
            Range::of(1, HOUR_MS),
        ),
        common: false,
    },
    Setting {
        name: "message-timeout",
        group: Group::Times,
        help: "Time that a message has to be complete once it has begun, be it in fragments or a line",
        form: Form::Time(
            |config| &mut config.message_timeout_ms,
            Range::of(10, DAY_MS).or_zero("as long as pings are answered"),
        ),
        common: false,
    },
    Setting {
        name: "soft-queue-time",
        group: Group::Times,
        help: "Time after which a reader is cut off that has had more than soft-queue-bytes waiting all the while",
        form: Form::Time(
            |config| &mut config.soft_queue_time_ms,
            Range::of(10, DAY_MS),
        ),
        common: false,
    },
    Setting {
        name: "close-timeout",
        group: Group::Times,
        help: "Time that a client has to answer a close frame",
        form: Form::Time(|config| &mut config.close_timeout_ms, Range::of(1, HOUR_MS)),
        common: false,
    },
    Setting {
        name: "drain-time",
        group: Group::Times,
        help: "Time that clients get to take leave when the server is stopped; a second signal ends it at once",
        form: Form::Time(|config| &mut config.drain_time_ms, Range::of(1, HOUR_MS)),
        common: false,
    },
    Setting {
        name: "drain-rate",
        group: Group::Times,
        help: "Clients told in a second to leave when the server is stopped; all have been told in half of drain-time",
        form: Form::Count(|config| &mut config.stop.rate, Range::of(1, 1_000_000)),
        common: false,
    },
    Setting {
        name: "stop-returns",
        group: Group::Times,
        help: "Tells them then that the server comes back (close code 1012), not only that it goes (1001)",
        form: Form::Switch(|config| &mut config.stop.returns),
        common: false,
    },
    Setting {
        name: "read-buffer",
        group: Group::Bounds,
        help: "Bytes read from one connection before the next one has its turn",
        form: Form::Size(
            |config| &mut config.read_buffer_bytes,
            Range::of(KIB, 16 * MIB),
        ),
        common: false,
    },
    Setting {
        name: "max-connections",
        group: Group::Bounds,
        help: "Open connections; the file descriptors that the system grants may lower it",
        form: Form::Count(
            |config| &mut config.limits.connections,
            Range::of(1, CONNECTIONS_MOST),
        ),
        common: false,
    },
    Setting {
        name: "max-connections-per-address",
        group: Group::Bounds,
        help: "Open connections from one IP address",
        form: Form::Count(
            |config| &mut config.limits.connections_per_address,
            Range::of(1, CONNECTIONS_MOST).or_zero("no bound but max-connections"),
        ),
        common: false,
    },
    Setting {
        name: "max-message-bytes",
        group: Group::Bounds,
        help: "Size of one message from a client",
        form: Form::Size(
            |config| &mut config.limits.message_bytes,
            Range::of(64, GIB),
        ),
        common: true,
    },
    Setting {
        name: "max-queue-bytes",
        group: Group::Bounds,
        help: "Size of what may wait for one slow reader before it is cut off",
        form: Form::Size(|config| &mut config.limits.queue_bytes, Range::of(KIB, GIB)),
        common: true,
    },
    Setting {
        name: "soft-queue-bytes",
        group: Group::Bounds,
        help: "Size of what may wait for one slow reader only for soft-queue-time; beyond it, drop-first is not sent",
        form: Form::Size(
            |config| &mut config.limits.soft_queue_bytes,
            Range::of(KIB, GIB).or_zero("no such bound"),
        ),
        common: false,
    },
    Setting {
        name: "drop-first",
        group: Group::Bounds,
        help: "What is not sent to such a reader of the hub's own protocol: nudges, debout, messages (published), notifies, or none; may be given several times; nothing else is ever dropped",
        form: Form::Texts(|config| &mut config.drop_first, word::DROPPABLE),
        common: false,
    },
    Setting {
        name: "max-memory",
        group: Group::Bounds,
        help: "Size of all that waits for slow readers or is incomplete; near it newcomers are turned away, at it the largest are cut off",
        form: Form::Size(
            |config| &mut config.limits.memory_bytes,
            Range::of(KIB, TIB),
        ),
        common: false,
    },
    Setting {
        name: "max-head-bytes",
        group: Group::Bounds,
        help: "Size of one HTTP request head",
        form: Form::Size(|config| &mut config.limits.head_bytes, Range::of(512, MIB)),
        common: false,
    },
    Setting {
        name: "max-body-bytes",
        group: Group::Bounds,
        help: "Size of one HTTP request body",
        form: Form::Size(|config| &mut config.limits.body_bytes, Range::of(64, GIB)),
        common: false,
    },
    Setting {
        name: "max-name-bytes",
        group: Group::Bounds,
        help: "Size of one id, linkage key, tag, channel name, message id, user id or debout cluster",
        form: Form::Size(
            |config| &mut config.limits.name_bytes,
            Range::of(ID_BYTES, 64 * KIB),
        ),
        common: false,
    },
    Setting {
        name: "max-tags",
        group: Group::Bounds,
        help: "Tags of one client",
        form: Form::Count(|config| &mut config.limits.tags, Range::of(1, 100_000)),
        common: false,
    },
    Setting {
        name: "max-properties-bytes",
        group: Group::Bounds,
        help: "Size of one client's properties, names and values together",
        form: Form::Size(
            |config| &mut config.limits.properties_bytes,
            Range::of(64, GIB),
        ),
        common: false,
    },
    Setting {
        name: "max-channels",
        group: Group::Bounds,
        help: "Channels that one client may be subscribed to",
        form: Form::Count(
            |config| &mut config.limits.channels,
            Range::of(1, 1_000_000),
        ),
        common: false,
    },
    Setting {
        name: "max-targets",
        group: Group::Bounds,
        help: "Peers that one notify or request may name",
        form: Form::Count(|config| &mut config.limits.targets, Range::of(1, 1_000_000)),
        common: false,
    },
    Setting {
        name: "max-pending-requests",
        group: Group::Bounds,
        help: "Requests of one client that may wait for an answer",
        form: Form::Count(
            |config| &mut config.limits.pending_requests,
            Range::of(1, 1_000_000),
        ),
        common: false,
    },
    Setting {
        name: "max-json-depth",
        group: Group::Bounds,
        help: "Levels of arrays and objects inside one message",
        form: Form::Count(
            |config| &mut config.limits.json_depth,
            Range::of(ENVELOPE_DEPTH, 10_000),
        ),
        common: false,
    },
    Setting {
        name: "rate-messages",
        group: Group::Rates,
        help: "Messages of one connection, a second",
        form: Form::Count(
            |config| &mut config.rates.messages,
            Range::of(1, RATE_MOST).or_zero("no rate"),
        ),
        common: false,
    },
    Setting {
        name: "rate-bytes",
        group: Group::Rates,
        help: "Size of the messages of one connection, a second",
        form: Form::Size(
            |config| &mut config.rates.bytes,
            Range::of(KIB, GIB).or_zero("no rate"),
        ),
        common: false,
    },
    Setting {
        name: "rate-deliveries",
        group: Group::Rates,
        help: "What the messages of one connection make the hub send, one for each receiver, a second",
        form: Form::Count(
            |config| &mut config.rates.deliveries,
            Range::of(1, RATE_MOST).or_zero("no rate"),
        ),
        common: false,
    },
    Setting {
        name: "rate-joins",
        group: Group::Rates,
        help: "Times that one connection may join a linkage or a world of another protocol, a second",
        form: Form::Count(
            |config| &mut config.rates.joins,
            Range::of(1, RATE_MOST).or_zero("no rate"),
        ),
        common: false,
    },
    Setting {
        name: "address-rate-messages",
        group: Group::Rates,
        help: "Messages of all connections of one address together, a second",
        form: Form::Count(
            |config| &mut config.rates.address_messages,
            Range::of(1, RATE_MOST).or_zero("no rate"),
        ),
        common: false,
    },
    Setting {
        name: "address-rate-bytes",
        group: Group::Rates,
        help: "Size of the messages of all connections of one address together, a second",
        form: Form::Size(
            |config| &mut config.rates.address_bytes,
            Range::of(KIB, GIB).or_zero("no rate"),
        ),
        common: false,
    },
    Setting {
        name: "address-rate-deliveries",
        group: Group::Rates,
        help: "What the messages of all connections of one address together make the hub send, one for each receiver, a second",
        form: Form::Count(
            |config| &mut config.rates.address_deliveries,
            Range::of(1, RATE_MOST).or_zero("no rate"),
        ),
        common: false,
    },
    Setting {
        name: "address-rate-joins",
        group: Group::Rates,
        help: "Times that all connections of one address together may join a linkage or a world of another protocol, a second",
        form: Form::Count(
            |config| &mut config.rates.address_joins,
            Range::of(1, RATE_MOST).or_zero("no rate"),
        ),
        common: false,
    },
    Setting {
        name: "address-rate-connections",
        group: Group::Rates,
        help: "New connections of one address, a second; more are turned away",
        form: Form::Count(
            |config| &mut config.rates.address_connections,
            Range::of(1, RATE_MOST).or_zero("no rate"),
        ),
        common: false,
    },
    Setting {
        name: "rate-burst",
        group: Group::Rates,
        help: "Time whose worth of each rate may be used at once after a silence",
        form: Form::Time(|config| &mut config.rates.burst_ms, Range::of(100, HOUR_MS)),
        common: false,
    },
    Setting {
        name: "on-excess",
        group: Group::Rates,
        help: "What becomes of who is over a rate: nothing more is read until it is paid off, its messages are dropped until then, or it is closed with 4429",
        form: Form::Choice(|config| &mut config.rates.excess),
        common: false,
    },
    Setting {
        name: "address-prefix-bits",
        group: Group::Rates,
        help: "Leading bits of an IPv6 address that count as one address, for all bounds on addresses",
        form: Form::Count(|config| &mut config.rates.prefix_bits, Range::of(16, 128)),
        common: false,
    },
    Setting {
        name: "max-remembered-addresses",
        group: Group::Rates,
        help: "Addresses without a connection that are remembered until their rates are paid off",
        form: Form::Count(
            |config| &mut config.rates.remembered,
            Range::of(1, 10_000_000),
        ),
        common: false,
    },
];

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// The most for sizes: fits `usize` on every target, and the sum of three still fits 32 bits.
const GIB: u64 = 1 << 30;
/// What no machine has, though a few may come near.
const TIB: u64 = 1 << 40;
/// One each nanosecond: finer than anything is counted.
const RATE_MOST: u64 = 1_000_000_000;
/// Below `Hub::CAPACITY`, 2^22, and beyond what one machine's memory holds.
const CONNECTIONS_MOST: u64 = 4_000_000;
/// Small enough that 32 bits count them, and beyond what a sound network leaves waiting.
const WAITING_MOST: u64 = 10_000_000;
/// Half of the keys that one arena has.
const REMEMBERED_MOST: u64 = 1 << 23;
/// The ids that the hub makes, and the name of the debout channel, are 16 bytes long and must themselves fit.
const ID_BYTES: u64 = 16;
/// `initiate` nests its options two levels below the envelope: 3 levels; a level of content must fit beside them.
const ENVELOPE_DEPTH: u64 = 4;

#[cfg(test)]
mod tests {
    /// Reads the two sources, since the compiler cannot count fields.
    #[test]
    fn every_field_has_one_setting() {
        let structs = concat!(
            include_str!("mod.rs"),
            include_str!("dialects.rs"),
            include_str!("rates.rs"),
            include_str!("stop.rs"),
            include_str!("tls.rs"),
        );
        let table = include_str!("table.rs");
        for (opening, prefix) in [
            ("pub struct Config {", "config."),
            ("pub struct Limits {", "config.limits."),
            ("pub struct Rates {", "config.rates."),
            ("pub struct PeerJs {", "config.peerjs."),
            ("pub struct Relay {", "config.relay."),
            ("pub struct NetPeer {", "config.netpeer."),
            ("pub struct Peero {", "config.peero."),
            ("pub struct Stop {", "config.stop."),
            ("pub struct Tls {", "config.tls."),
        ] {
            let (_, body) = structs
                .split_once(opening)
                .expect("the struct is in mod.rs");
            let (body, _) = body.split_once("\n}").expect("the struct ends");
            let fields: Vec<&str> = body
                .lines()
                .filter_map(|line| Some(line.strip_prefix("    pub ")?.split_once(':')?.0))
                .collect();
            assert!(fields.len() > 1, "{fields:?}");
            let parts = [
                "limits", "rates", "peerjs", "relay", "netpeer", "peero", "stop", "tls",
            ];
            for field in fields.into_iter().filter(|field| !parts.contains(field)) {
                let place = format!("&mut {prefix}{field}");
                let count = table
                    .split(place.as_str())
                    .skip(1)
                    .filter(|rest| rest.starts_with([',', ')']))
                    .count();
                assert_eq!(count, 1, "entries of the table that place {field}");
            }
        }
    }
}
