//! The settings of how long things take.
//!
//! Owns nothing but this part of the [`table`](super).

use super::super::settings::{Form, Group, Range, Setting};
use super::{DAY_MS, HOUR_MS};

pub(super) const SETTINGS: &[Setting] = &[
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
];
