//! The table of settings: the only place where a setting has a name, a range and a help text.
//!
//! Flags, environment variables, keys of the file, `--help`, `--print-config`, the README's table and
//! [`Config::check`](super::Config::check) are all made from [`SETTINGS`]; a new setting is one field of
//! [`Config`](super::Config) or [`Limits`](super::Limits) and one entry here. Defaults are those of `Config::default`. A
//! range keeps out what cannot work, not what is merely unwise.

use super::settings::{Form, Group, Range, Setting};

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
        name: "encryption-key",
        group: Group::Serving,
        help: "Passphrase that user ids are encrypted with; if a file of that name exists, its trimmed content is the \
               passphrase (other users of the machine can read a command line)",
        form: Form::Secret(|config| &mut config.encryption_key),
        common: true,
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
        form: Form::Scope(|config| &mut config.scope),
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
        help: "Time that a new connection has to send a whole HTTP head",
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
];

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// The most for sizes: fits `usize` on every target, and the sum of three still fits 32 bits.
const GIB: u64 = 1 << 30;
/// Below `Hub::CAPACITY`, 2^22, and beyond what one machine's memory holds.
const CONNECTIONS_MOST: u64 = 4_000_000;
/// The ids that the hub makes, and the name of the debout channel, are 16 bytes long and must themselves fit.
const ID_BYTES: u64 = 16;
/// `initiate` nests its options two levels below the envelope: 3 levels; a level of content must fit beside them.
const ENVELOPE_DEPTH: u64 = 4;

#[cfg(test)]
mod tests {
    /// Reads the two sources, since the compiler cannot count fields.
    #[test]
    fn every_field_has_one_setting() {
        let (structs, table) = (include_str!("mod.rs"), include_str!("table.rs"));
        for (opening, prefix) in [
            ("pub struct Config {", "config."),
            ("pub struct Limits {", "config.limits."),
        ] {
            let (_, body) = structs
                .split_once(opening)
                .expect("the struct is in mod.rs");
            let (body, _) = body.split_once("\n}").expect("the struct ends");
            let fields: Vec<&str> = body
                .lines()
                .filter_map(|line| Some(line.strip_prefix("    pub ")?.split_once(':')?.0))
                .collect();
            assert!(fields.len() > 5, "{fields:?}");
            for field in fields.into_iter().filter(|field| *field != "limits") {
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
