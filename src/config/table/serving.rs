//! The settings of how it serves, who may come in, and what peers are told.
//!
//! Owns nothing but this part of the [`table`](super).

use super::super::settings::{Form, Group, Range, Setting};
use super::super::word;
use super::MINUTE_MS;

pub(super) const SETTINGS: &[Setting] = &[
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
        name: "token-secret-file",
        group: Group::Tokens,
        help: "File with the secret that tokens (JWT) are signed with by HS256, 32 bytes or more; with this or another key set, \
               nobody comes in without a token; read again on SIGHUP and when it changes",
        form: Form::Maybe(|config| &mut config.tokens.secret_file, word::FILE),
        common: false,
    },
    Setting {
        name: "token-public-key",
        group: Group::Tokens,
        help: "File with the public key of those who make tokens, in PEM: Ed25519 (EdDSA), P-256 (ES256) or RSA from 2048 bits on \
               (RS256); may be given several times; read again as the one before",
        form: Form::Texts(|config| &mut config.tokens.public_keys, word::FILE),
        common: false,
    },
    Setting {
        name: "token-jwks",
        group: Group::Tokens,
        help: "File with a set of such public keys (JWKS), of which a token names its own (kid); read again likewise",
        form: Form::Maybe(|config| &mut config.tokens.jwks_file, word::FILE),
        common: false,
    },
    Setting {
        name: "token-audience",
        group: Group::Tokens,
        help: "For whom a token must be made (aud); may be given several times, one of them is enough; without it, a token that \
               names an audience is refused",
        form: Form::Texts(|config| &mut config.tokens.audiences, word::CLAIM),
        common: false,
    },
    Setting {
        name: "token-issuer",
        group: Group::Tokens,
        help: "By whom a token must be made (iss); may be given several times, one of them is enough",
        form: Form::Texts(|config| &mut config.tokens.issuers, word::CLAIM),
        common: false,
    },
    Setting {
        name: "token-leeway",
        group: Group::Tokens,
        help: "How far the clock of those who make tokens may be off",
        form: Form::Time(
            |config| &mut config.tokens.leeway_ms,
            Range::of(1, 10 * MINUTE_MS).or_zero("none at all"),
        ),
        common: false,
    },
    Setting {
        name: "token-required",
        group: Group::Tokens,
        help: "Lets nobody in without a token, if there is a key for them; false lets those in who bring none, as without keys",
        form: Form::Switch(|config| &mut config.tokens.required),
        common: false,
    },
    Setting {
        name: "netpeer-allow",
        group: Group::Tokens,
        help: "Address or range that may speak net-peer, which has no tokens; may be given several times; without it everybody \
               may, or nobody where a token is required",
        form: Form::Texts(|config| &mut config.tokens.netpeer_allowed, word::NETWORK),
        common: false,
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
];
