//! The bodies of the fuzz targets over their seeds, and over random inputs made out of the seeds' pieces.
mod support;

use peerhub::fuzzing;
use support::Dice;

#[test]
fn conversations() {
    exercise("conversations", 150, fuzzing::conversations::run);
}

#[test]
fn for_whom_a_proxy_comes() {
    exercise("forwarded", 20_000, fuzzing::forwarded::run);
}

#[test]
fn headers_of_the_proxy_protocol() {
    exercise("proxied", 20_000, fuzzing::proxied::run);
}

#[test]
fn http_heads() {
    exercise("http_head", 2_000, fuzzing::http_head::run);
}

#[test]
fn websocket_bytes() {
    exercise("ws_bytes", 4_000, fuzzing::ws_bytes::run);
}

#[test]
fn messages_of_the_hubs_own_protocol() {
    exercise("ok_inbound", 20_000, fuzzing::ok_inbound::run);
}

#[test]
fn lines() {
    exercise("lines", 20_000, fuzzing::lines::run);
}

#[test]
fn lines_of_net_peer() {
    exercise("netpeer_inbound", 20_000, fuzzing::netpeer_inbound::run);
}

#[test]
fn messages_of_peerjs() {
    exercise("peerjs_inbound", 5_000, fuzzing::peerjs_inbound::run);
}

#[test]
fn clients_of_peerjs() {
    exercise("peerjs_realm", 5_000, fuzzing::peerjs_realm::run);
}

#[test]
fn commands_to_the_hub() {
    exercise("hub_commands", 1_500, fuzzing::hub_commands::run);
}

#[test]
fn index_operations() {
    exercise("index_ops", 100, fuzzing::index_ops::run);
}

#[test]
fn wheel_operations() {
    exercise("wheel_ops", 500, fuzzing::wheel_ops::run);
}

#[test]
fn messages_of_relay_nodes() {
    exercise("relay_inbound", 20_000, fuzzing::relay_inbound::run);
}

#[test]
fn relay_nodes() {
    exercise("relay_node", 4_000, fuzzing::relay_node::run);
}

#[test]
fn messages_of_peero() {
    exercise("peero_inbound", 20_000, fuzzing::peero_inbound::run);
}

#[test]
fn visitors_of_the_peero_lobby() {
    exercise("peero_lobby", 3_000, fuzzing::peero_lobby::run);
}

#[test]
fn tls_bytes() {
    exercise("tls_bytes", 100, fuzzing::tls_bytes::run);
}

#[test]
fn tokens() {
    exercise("tokens", 5_000, fuzzing::tokens::run);
}

/// Runs a body over every committed seed, then over `seed_count` inputs that chance makes out of them.
fn exercise(target: &str, seed_count: u64, body: impl Fn(&[u8])) {
    let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("every target has seeds")
        .map(|entry| entry.expect("a folder can be listed").path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files
        .iter()
        .map(|file| std::fs::read(file).expect("a seed can be read"))
        .collect();
    assert!(!seeds.is_empty(), "{folder} is empty");
    for (file, seed) in files.iter().zip(&seeds) {
        println!("{}", file.display());
        body(seed);
    }
    support::for_each_seed(seed_count, |dice| body(&mutant(dice, &seeds)));
}

/// A seed after some changes: pieces of other seeds put in, bytes changed, parts cut out or repeated; or plain noise.
fn mutant(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    if dice.chance(10) {
        let count = dice.below(400);
        return dice.bytes(count);
    }
    let mut bytes = seeds[dice.below(seeds.len() as u64) as usize].clone();
    for _ in 0..1 + dice.below(6) {
        let place = dice.below(bytes.len() as u64 + 1) as usize;
        match dice.below(4) {
            0 => {
                let other = dice.below(seeds.len() as u64) as usize;
                let piece = part(dice, &seeds[other]);
                bytes.splice(place..place, piece);
            }
            1 => {
                let end = bytes.len().min(place + dice.below(16) as usize);
                bytes.drain(place..end);
            }
            2 => {
                let piece = part(dice, &bytes);
                bytes.splice(place..place, piece);
            }
            _ => {
                let count = dice.below(8);
                let noise = dice.bytes(count);
                let end = bytes.len().min(place + noise.len());
                bytes.splice(place..end, noise);
            }
        }
    }
    bytes
}

fn part(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    let start = dice.below(bytes.len() as u64 + 1) as usize;
    let end = bytes.len().min(start + dice.below(48) as usize);
    bytes[start..end].to_vec()
}
