//! The settings of how much there may be, and how much in a second.
//!
//! Owns nothing but this part of the [`table`](super).

use super::super::settings::{Form, Group, Range, Setting};
use super::super::word;
use super::{CONNECTIONS_MOST, ENVELOPE_DEPTH, GIB, HOUR_MS, ID_BYTES, KIB, MIB, RATE_MOST, TIB};

pub(super) const SETTINGS: &[Setting] = &[
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
        help: "What is not sent to such a reader: of the hub's own protocol nudges, debout, messages (published) or notifies, of peer-relay relayed, or none; may be given several times; nothing else is ever dropped",
        form: Form::Texts(|config| &mut config.drop_first, word::DROPPABLE),
        common: false,
    },
    Setting {
        name: "max-memory",
        group: Group::Bounds,
        help: "Size of all that waits for slow readers, is incomplete, or is kept for peers (tags, properties, subscriptions, requests); near it the largest are cut off, at it newcomers are turned away",
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
