//! The settings of one simulated hub, drawn anew for each seed, with bounds that are met.
//!
//! Here is where a new bound takes part: one line in `limits`, or one function for a part of its own.

use super::{
    CONNECTIONS_MAX, PROBE_MS_MAX, REQUEST_MS_MAX, actions, guests, passes, peerjs, relay, roads,
};
use crate::support::Dice;
use peerhub::Config;
use peerhub::config::{
    Excess, Limits, NetPeer, PeerJs, Peero, ProxyProtocol, Rates, Relay, Scope, Stop, Tokens,
};

/// Settings that all parts of the simulation can live with.
pub(crate) fn draw(dice: &mut Dice) -> Config {
    let mut config = Config {
        debout: dice.chance(25),
        scope: one_of(dice, [Scope::Hub, Scope::Hub, Scope::Hub, Scope::Linkage]),
        echo: spoken(dice),
        nudge_interval_ms: one_of(dice, [0, 3_000]),
        ping_interval_ms: one_of(dice, [0, 2_000, 10_000]),
        probe_time_ms: 300 + dice.below(PROBE_MS_MAX - 300),
        request_timeout_ms: actions::REQUEST_MS,
        request_timeout_max_ms: REQUEST_MS_MAX,
        handshake_timeout_ms: 2_000,
        http_idle_timeout_ms: one_of(dice, [700, 30_000]),
        message_timeout_ms: one_of(dice, [1_000, 30_000]),
        soft_queue_time_ms: 1_000,
        close_timeout_ms: 500,
        drain_time_ms: 1_000,
        stop: Stop {
            returns: dice.chance(50),
            ..Stop::default()
        },
        read_buffer_bytes: one_of(dice, [200, 4_096, 128 << 10]),
        limits: limits(dice),
        rates: rates(dice),
        drop_first: drop_first(dice),
        trusted_proxies: trusted_proxies(dice),
        proxy_protocol: one_of(
            dice,
            [
                ProxyProtocol::Off,
                ProxyProtocol::Accept,
                ProxyProtocol::Require,
            ],
        ),
        tokens: tokens_of(dice),
        peerjs: peerjs(dice),
        relay: relay(dice),
        netpeer: netpeer(dice),
        peero: peero(dice),
        ..Config::default()
    };
    if config.read_buffer_bytes < 1_000 {
        // More bytes than such a rate allows would be thousands of ticks.
        (config.rates.bytes, config.rates.address_bytes) = (0, 0);
    }
    // The hub's own bound on what waits for the absent, which the verdict must know.
    let absent_bytes = config.limits.memory_bytes / 4;
    config.peerjs.waiting_bytes = absent_bytes.min(config.peerjs.waiting_bytes);
    config
}

fn limits(dice: &mut Dice) -> Limits {
    Limits {
        connections: CONNECTIONS_MAX,
        connections_per_address: one_of(dice, [0, 0, 2]),
        message_bytes: actions::MESSAGE_BYTES_MAX,
        queue_bytes: one_of(dice, [64 << 10, 1 << 20]),
        soft_queue_bytes: one_of(dice, [0, 8_000, 1 << 20]),
        memory_bytes: one_of(dice, [100_000, 200_000, 1 << 30, 1 << 30]),
        tags: actions::TAGS_MAX,
        properties_bytes: actions::PROPERTIES_BYTES_MAX,
        channels: actions::CHANNELS_MAX,
        pending_requests: one_of(dice, [6, 100]),
        json_depth: actions::JSON_DEPTH_MAX,
        body_bytes: one_of(dice, [1_000, 64 << 10]),
        ..Config::default().limits
    }
}

/// Rates that only a flood exceeds, and those of whom `hasty` tells.
fn rates(dice: &mut Dice) -> Rates {
    let mut rates = Rates {
        address_connections: one_of(dice, [0, 0, 4]),
        burst_ms: 500,
        excess: one_of(dice, [Excess::Delay, Excess::Drop, Excess::Close]),
        ..Rates::default()
    };
    let (messages, bytes, deliveries, joins) = (2_000, 2_000_000, 4_000, 200);
    match dice.below(16) {
        0 => rates.messages = messages,
        1 => rates.bytes = bytes,
        2 => rates.deliveries = deliveries,
        3 => rates.joins = joins,
        4 => rates.address_messages = messages,
        5 => rates.address_bytes = bytes,
        6 => rates.address_deliveries = deliveries,
        7 => rates.address_joins = joins,
        8 => {
            (rates.messages, rates.address_messages) = (messages, 2 * messages);
            (rates.bytes, rates.address_bytes) = (bytes, 2 * bytes);
            (rates.deliveries, rates.address_deliveries) = (deliveries, 2 * deliveries);
            (rates.joins, rates.address_joins) = (joins, 2 * joins);
        }
        _ => {}
    }
    rates
}

/// What slow readers may be spared.
fn drop_first(dice: &mut Dice) -> Vec<String> {
    let kinds = ["nudges", "debout", "messages", "notifies"];
    let some = kinds.into_iter().filter(|_| dice.chance(15));
    some.map(str::to_owned).collect()
}

fn trusted_proxies(dice: &mut Dice) -> Vec<String> {
    let are_there = dice.chance(35);
    are_there
        .then(|| roads::PROXIES.to_owned())
        .into_iter()
        .collect()
}

fn tokens_of(dice: &mut Dice) -> Tokens {
    let is_on = dice.chance(35);
    let lines = [roads::PROXIES, guests::LINES_NET].map(str::to_owned);
    Tokens {
        secret_file: is_on.then(|| "the simulation knows it".to_owned()),
        leeway_ms: passes::LEEWAY_MS,
        required: dice.chance(50),
        netpeer_allowed: match dice.below(4) {
            0 => vec![guests::NO_NET.to_owned()],
            _ => lines.to_vec(),
        },
        ..Tokens::default()
    }
}

fn peerjs(dice: &mut Dice) -> PeerJs {
    PeerJs {
        on: spoken(dice),
        keys: peerjs::KEYS[..2].iter().map(|&key| key.into()).collect(),
        path: one_of(dice, ["/", "/room1"]).to_owned(),
        expire_timeout_ms: 100 + dice.below(1_400),
        alive_timeout_ms: one_of(dice, [0, 5_000, 20_000]),
        concurrent_limit: one_of(dice, [3, 5, 5_000]),
        waiting: one_of(dice, [6, 1_000]),
        waiting_bytes: one_of(dice, [4_000, 1 << 20]),
        waiting_bytes_per_sender: one_of(dice, [2_000, 1 << 20]),
        waiting_per_sender: one_of(dice, [3, 1_000]),
        waiting_per_destination: one_of(dice, [4, 1_000]),
        ..PeerJs::default()
    }
}

fn relay(dice: &mut Dice) -> Relay {
    Relay {
        on: spoken(dice),
        id: Some(relay::hex(&dice.bytes(20))),
        url: dice
            .chance(50)
            .then(|| "wss://hub.example/peer-relay".to_owned()),
        nonces: one_of(dice, [10, 65_536, 65_536]),
        paths: one_of(dice, [2, 65_536]),
        waiting: 3,
        ..Relay::default()
    }
}

fn netpeer(dice: &mut Dice) -> NetPeer {
    NetPeer {
        on: spoken(dice),
        name: one_of(dice, ["hub", guests::NAMES[4]]).to_owned(),
        state: dice.chance(50).then(|| r#"{"s":"first"}"#.to_owned()),
        state_time_ms: one_of(dice, [0, 100, 500]),
        members: one_of(dice, [3, 10_000]),
        ..NetPeer::default()
    }
}

fn peero(dice: &mut Dice) -> Peero {
    Peero {
        on: spoken(dice),
        peers: one_of(dice, [3, 10_000]),
        signal_bytes: one_of(dice, [100, 64 << 10]),
    }
}

fn spoken(dice: &mut Dice) -> bool {
    !dice.chance(10)
}

fn one_of<T, const N: usize>(dice: &mut Dice, choices: [T; N]) -> T {
    let place = dice.below(N as u64) as usize;
    choices.into_iter().nth(place).expect("the dice are below")
}
