//! What an operator should be told about the chosen settings: what is open to the world, and what can hardly be meant.
//!
//! Called by `main` after the addresses are bound, for the log. Pure; refuses nothing, which is `Config::check`'s part.

use super::{Config, Proxies, ProxyProtocol, value};
use std::net::{IpAddr, SocketAddr};

/// The warnings, a line each. `bound` are the addresses that the server really listens on.
pub fn cautions(config: &Config, bound: &[SocketAddr]) -> Vec<String> {
    let mut lines = Vec::new();
    let open: Vec<String> = bound
        .iter()
        .filter(|address| !is_loopback(address.ip()))
        .map(SocketAddr::to_string)
        .collect();
    if !open.is_empty() {
        let addresses = open.join(" and ");
        if !is_guarded(config) {
            lines.push(format!("open to the network: whoever reaches {addresses} can join, and the text on the wire is not encrypted; nothing is set against that (--allow-origin, --token-secret-file, --tls-cert)"));
        } else if config.tokens.are_required() && !config.tls.is_on() {
            lines.push(format!("open to the network: whoever reads the wire to {addresses} has the tokens; it is not encrypted (--tls-cert)"));
        } else if config.tls.is_on() && !config.tls.encrypts_all() {
            lines.push(format!("open to the network: who comes to {addresses} without TLS is served too, and that text is not encrypted (--plaintext)"));
        }
        let guarded = config.tokens.are_required();
        if config.debout && !guarded {
            lines.push("open to the network: the debug stream (--debout) shows every client what the others send".to_owned());
        }
        if config.echo && !guarded {
            lines.push("open to the network: /echo (--echo) answers anybody".to_owned());
        }
    }
    if config.encryption_key.is_none() {
        lines.push("without --encryption-key, user ids are shown to peers as they came".to_owned());
        if !config.encryption_keys_old.is_empty() {
            lines.push("--encryption-key-old does nothing without --encryption-key".to_owned());
        }
    }
    if config.proxy_protocol != ProxyProtocol::Off && config.trusted_proxies.is_empty() {
        lines.push("--proxy-protocol does nothing without --trusted-proxy: only those who are named there are heard".to_owned());
    }
    if Proxies::new(&config.trusted_proxies).is_ok_and(|proxies| proxies.are_too_many()) {
        lines.push("--trusted-proxy holds for half of all addresses or more: whoever has one of them can take on any other".to_owned());
    }
    let tokens = &config.tokens;
    let names_somebody = !tokens.audiences.is_empty() || !tokens.issuers.is_empty();
    if names_somebody && !tokens.are_on() {
        lines.push("--token-audience and --token-issuer do nothing without a key: tokens are not looked at".to_owned());
    }
    let peerjs = &config.peerjs;
    if peerjs.on && peerjs.waiting_per_sender >= peerjs.waiting {
        let (one, all) = (peerjs.waiting_per_sender, peerjs.waiting);
        lines.push(format!("one PeerJS client alone may fill what may wait: it may have {one} messages waiting (--peerjs-max-waiting-per-sender) of {all} in all (--peerjs-max-waiting)"));
    }
    let limits = &config.limits;
    if limits.queue_bytes < limits.message_bytes {
        let (queue, message) = (limits.queue_bytes as u64, limits.message_bytes as u64);
        let (queue, message) = (value::show_size(queue), value::show_size(message));
        lines.push(format!("a message may have {message} (--max-message-bytes), but a reader is cut off at {queue} (--max-queue-bytes)"));
    }
    lines
}

/// The URL to open in a browser on this machine, for an address that the server listens on.
///
/// ```
/// let mut config = peerhub::Config::default();
/// let url = |config: &_, address: &str| peerhub::config::browser_url(config, address.parse().unwrap());
/// assert_eq!(url(&config, "127.0.0.1:3007"), "http://127.0.0.1:3007/");
/// assert_eq!(url(&config, "0.0.0.0:3007"), "http://localhost:3007/");
/// config.tls.self_signed = true;
/// assert_eq!(url(&config, "[::1]:80"), "https://[::1]:80/");
/// ```
pub fn browser_url(config: &Config, address: SocketAddr) -> String {
    let scheme = match config.tls.is_on() {
        true => "https",
        false => "http",
    };
    if address.ip().is_unspecified() {
        return format!("{scheme}://localhost:{}/", address.port());
    }
    format!("{scheme}://{address}/")
}

/// Whether something is set that keeps strangers out, or what is said to those for whom it is.
fn is_guarded(config: &Config) -> bool {
    !config.allowed_origins.is_empty() || config.tls.is_on() || config.tokens.are_required()
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::super::Plaintext;
    use super::*;

    fn told(config: &Config, bound: &str, word: &str) -> bool {
        cautions(config, &[bound.parse().unwrap()])
            .iter()
            .any(|line| line.contains(word))
    }

    #[test]
    fn each_caution_comes_with_its_cause_and_not_without() {
        let mut config = Config {
            encryption_key: Some("key".to_owned()),
            ..Config::default()
        };
        let loopbacks = [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ];
        for address in loopbacks {
            assert_eq!(
                cautions(&config, &[address.parse().unwrap()]),
                Vec::<String>::new(),
                "{address}"
            );
        }
        for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"] {
            assert!(told(&config, address, address), "{address}");
            assert!(!told(&config, address, "--debout") && !told(&config, address, "--echo"));
        }
        config.allowed_origins = vec!["https://app.example.org".to_owned()];
        assert_eq!(
            cautions(&config, &["0.0.0.0:1".parse().unwrap()]),
            Vec::<String>::new()
        );
        config.allowed_origins = Vec::new();
        config.tls.self_signed = true;
        assert!(told(&config, "0.0.0.0:1", "--plaintext"));
        config.tls.plaintext = Plaintext::Redirect;
        assert_eq!(
            cautions(&config, &["0.0.0.0:1".parse().unwrap()]),
            Vec::<String>::new()
        );
        (config.debout, config.echo) = (true, true);
        assert!(told(&config, "0.0.0.0:1", "--debout") && told(&config, "0.0.0.0:1", "--echo"));
        assert!(
            !told(&config, "127.0.0.1:1", "--debout") && !told(&config, "127.0.0.1:1", "--echo")
        );
        config.tls.self_signed = false;
        config.tokens.secret_file = Some("a file".to_owned());
        assert!(told(&config, "0.0.0.0:1", "has the tokens"));
        assert!(!told(&config, "0.0.0.0:1", "can join") && !told(&config, "0.0.0.0:1", "--echo"));
        config.tokens.required = false;
        assert!(told(&config, "0.0.0.0:1", "can join") && told(&config, "0.0.0.0:1", "--echo"));
        config.tokens.issuers = vec!["me".to_owned()];
        assert!(!told(&config, "127.0.0.1:1", "--token-issuer"));
        config.tokens.secret_file = None;
        assert!(told(&config, "127.0.0.1:1", "--token-issuer"));
        config.encryption_key = None;
        assert!(told(&config, "127.0.0.1:1", "--encryption-key"));
        assert!(!told(&config, "127.0.0.1:1", "--encryption-key-old"));
        config.encryption_keys_old = vec!["old".to_owned()];
        assert!(told(&config, "127.0.0.1:1", "--encryption-key-old"));
        config.proxy_protocol = ProxyProtocol::Accept;
        assert!(told(&config, "127.0.0.1:1", "--proxy-protocol"));
        config.trusted_proxies = vec!["loopback".to_owned()];
        assert!(!told(&config, "127.0.0.1:1", "--proxy-protocol"));
        assert!(!told(&config, "127.0.0.1:1", "--max-queue-bytes"));
        config.limits.queue_bytes = config.limits.message_bytes - 1;
        assert!(told(&config, "127.0.0.1:1", "--max-queue-bytes"));
        assert!(!told(&config, "127.0.0.1:1", "--peerjs-max-waiting"));
        config.peerjs.waiting = config.peerjs.waiting_per_sender;
        assert!(told(&config, "127.0.0.1:1", "--peerjs-max-waiting"));
        config.peerjs.on = false;
        assert!(!told(&config, "127.0.0.1:1", "--peerjs-max-waiting"));
        for (range, is_too_much) in [
            ("10.0.0.0/8", false),
            ("loopback", false),
            ("0.0.0.0/0", true),
            ("128.0.0.0/1", true),
            ("::/0", true),
        ] {
            config.trusted_proxies = vec![range.to_owned()];
            assert_eq!(
                told(&config, "127.0.0.1:1", "--trusted-proxy"),
                is_too_much,
                "{range}"
            );
        }
    }
}
