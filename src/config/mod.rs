//! Settings: every choice and every bound in the program, its unit, its default and why that number.
//!
//! Owned by `main` (which fills it from flags, environment and file through [`load`]) or by an embedding program, checked
//! once at start by [`Config::check`], never changed afterwards. Times are milliseconds, sizes are bytes, counts start at
//! 1; 0 turns a thing off only where its text says so. No room here opens a socket or reads a clock; only `load` reads files.
//!
//! - `table` — the one table: names, ranges and help, from which everything else here is made
//! - `settings` — what an entry of the table is and can do
//! - `choice` — values that are one of a few words
//! - `dialects` — what can be set of each dialect; `tls` and `tokens` — of TLS and of tokens; `rates` — how fast peers may
//!   be; `stop` — how the hub takes leave
//! - `value` — text ↔ times, sizes, counts, addresses; `word` — texts that must look like something
//! - `origin` — pages that may come in; `proxies` — addresses that may say for whom they come
//! - `load` — flag over environment over file over default; `preset` — other defaults
//! - `render` — the table as help, as TOML, as Markdown
//! - `caution` — what the operator should know about the chosen settings

mod caution;
mod choice;
mod dialects;
mod load;
mod origin;
mod preset;
mod proxies;
mod rates;
mod render;
mod settings;
mod stop;
mod table;
mod tls;
mod token_command;
mod tokens;
mod value;
mod word;

pub use caution::{browser_url, cautions};
pub use choice::Choice;
pub use dialects::{NetPeer, PeerJs, Peero, Relay};
pub use load::{Wish, load, plain_words};
pub use origin::Origins;
pub use proxies::{Proxies, ProxyProtocol};
pub use rates::{Excess, Rates};
pub use render::{markdown_table, toml_text};
pub use settings::{Form, Group, Range, Setting};
pub use stop::Stop;
pub use table::SETTINGS;
pub use tls::{Plaintext, Tls};
pub use token_command::{MakeToken, TokenWish};
pub use tokens::Tokens;
pub use word::Word;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// How far `publish`, `notify` and `request` reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole hub, whatever the linkage key: what the original server does.
    Hub,
    /// Only peers that have the sender's linkage key.
    Linkage,
}

/// Everything that can be set. Its `Debug` text withholds the encryption keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// Addresses to listen on; port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// Origins of the pages that may come in, as [`Origins::new`] reads them; none lets in those of every origin.
    pub allowed_origins: Vec<String>,
    /// Addresses of proxies that may say for whom they come, as [`Proxies::new`] reads them.
    pub trusted_proxies: Vec<String>,
    /// Whether those proxies begin their connections with a header of the PROXY protocol.
    pub proxy_protocol: ProxyProtocol,
    /// TLS.
    pub tls: Tls,
    /// The passphrase that user ids are encrypted with; none lets user ids out as they came.
    pub encryption_key: Option<String>,
    /// Passphrases that they were encrypted with before: what was is still recognised, and encrypted anew.
    pub encryption_keys_old: Vec<String>,
    /// Whether the debug stream (debout) may be received.
    pub debout: bool,
    /// Whether peers are told each other's IP addresses.
    pub remote_address: bool,
    /// How far `publish`, `notify` and `request` reach.
    pub scope: Scope,
    /// Whether `/echo` answers, a plain WebSocket echo for diagnostics.
    pub echo: bool,
    /// Time between two nudges to a connection, ms; 0 turns nudges off.
    pub nudge_interval_ms: u64,
    /// Time between two WebSocket pings to a connection, ms; 0 turns pings off.
    pub ping_interval_ms: u64,
    /// Time that the holder of a claimed id has to answer the hub's ping, ms.
    pub probe_time_ms: u64,
    /// Time after which an unanswered request fails, ms, unless the request says otherwise.
    pub request_timeout_ms: u64,
    /// The longest time that a request may ask for, ms.
    pub request_timeout_max_ms: u64,
    /// Time a new connection has to send a whole HTTP head, and before it to finish the handshake of TLS, ms.
    pub handshake_timeout_ms: u64,
    /// Time that an HTTP connection may stay open between two requests, ms.
    pub http_idle_timeout_ms: u64,
    /// Time that a message has to be complete once it has begun, ms; 0 leaves it to pings.
    pub message_timeout_ms: u64,
    /// Time that a reader may have more than `limits.soft_queue_bytes` waiting for it, ms.
    pub soft_queue_time_ms: u64,
    /// Time that a peer has to answer the hub's close frame, ms.
    pub close_timeout_ms: u64,
    /// Time that the hub gives its peers to take leave when it is stopped, ms.
    pub drain_time_ms: u64,
    /// How peers are told to leave then.
    pub stop: Stop,
    /// Bytes read from one connection in one tick: the size of the one read buffer that all connections share.
    pub read_buffer_bytes: usize,
    /// What is not sent to a reader that has more than `limits.soft_queue_bytes` waiting for it: of the hub's own protocol any
    /// of `nudges`, `debout`, `messages` and `notifies`, of peer-relay `relayed`. Everything else is never dropped.
    pub drop_first: Vec<String>,
    /// The bounds.
    pub limits: Limits,
    /// The rates.
    pub rates: Rates,
    /// PeerJS.
    pub peerjs: PeerJs,
    /// peer-relay.
    pub relay: Relay,
    /// net-peer.
    pub netpeer: NetPeer,
    /// peero.
    pub peero: Peero,
    /// Tokens.
    pub tokens: Tokens,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// An environment variable.
    Variable,
    /// An environment variable of this name, which is not the setting's own.
    Foreign(&'static str),
    /// A line of the settings file, counted from 1.
    File(PathBuf, usize),
}

/// Why the settings cannot be used; always the operator's or the embedding program's doing. Its `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A setting has a value that it may not have.
    Value {
        /// The setting's name in the table.
        setting: &'static str,
        /// Where the value came from; `None` for a default or a value that an embedding program wrote.
        origin: Option<Origin>,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The command line cannot be understood.
    Usage(String),
    /// The settings file cannot be read or understood; the text begins with its path.
    File(String),
}

impl Config {
    /// Whether every value is within its range and the values suit one another. O(settings).
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first setting of the table that is wrong.
    ///
    /// ```
    /// let mut config = peerhub::Config::default();
    /// assert!(config.check().is_ok());
    /// config.limits.tags = 0;
    /// assert_eq!(config.check().unwrap_err().to_string(), "max-tags: 0 is out of range: allowed is 1 to 100000");
    /// ```
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |setting, problem| ConfigError::Value {
            setting,
            origin: None,
            problem,
        };
        for setting in SETTINGS {
            setting
                .check(self)
                .map_err(|problem| wrong(setting.name, problem))?;
        }
        if self.request_timeout_ms > self.request_timeout_max_ms {
            let (default, longest) = (
                value::show_time(self.request_timeout_ms),
                value::show_time(self.request_timeout_max_ms),
            );
            let problem = format!(
                "{default} is longer than max-request-timeout, which is {longest}: shorten the one or lengthen the other"
            );
            return Err(wrong("request-timeout", problem));
        }
        if self
            .encryption_key
            .as_ref()
            .is_some_and(|key| self.encryption_keys_old.contains(key))
        {
            let problem =
                "has the passphrase of encryption-key too: write there only what was before";
            return Err(wrong("encryption-key-old", problem.to_owned()));
        }
        if self.peerjs.keys.is_empty() {
            let problem = "names no key: write at least one, such as peerjs".to_owned();
            return Err(wrong("peerjs-key", problem));
        }
        let state_bytes = self.netpeer.state.as_ref().map_or(0, String::len);
        if state_bytes > self.limits.message_bytes {
            let most = value::show_size(self.limits.message_bytes as u64);
            let problem = format!(
                "has {state_bytes} bytes, which is more than max-message-bytes, {most}: shorten the one or raise the other"
            );
            return Err(wrong("netpeer-state", problem));
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = SETTINGS
            .iter()
            .map(|setting| (setting.name, setting.show(self)));
        f.debug_map().entries(shown).finish()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (setting, origin, problem) = match self {
            ConfigError::Usage(text) | ConfigError::File(text) => return f.write_str(text),
            ConfigError::Value {
                setting,
                origin,
                problem,
            } => (setting, origin, problem),
        };
        match origin {
            None => write!(f, "{setting}: {problem}"),
            Some(Origin::Flag) => write!(f, "--{setting}: {problem}"),
            Some(Origin::Foreign(name)) => write!(f, "{name}: {problem}"),
            Some(Origin::Variable) => write!(f, "{}: {problem}", settings::variable(setting)),
            Some(Origin::File(path, line)) => {
                write!(f, "{}:{line}: {setting}: {problem}", path.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// The bounds on what peers can make the hub hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections. The file descriptors that the system grants may lower it.
    pub connections: usize,
    /// Open connections from one IP address; 0 sets no bound beyond `connections`.
    pub connections_per_address: usize,
    /// Bytes in one incoming message.
    pub message_bytes: usize,
    /// Bytes in one HTTP request head.
    pub head_bytes: usize,
    /// Bytes in one HTTP request body.
    pub body_bytes: usize,
    /// Bytes that may wait for one slow reader before it is cut off at once.
    pub queue_bytes: usize,
    /// Bytes that may wait for one slow reader for longer than `Config::soft_queue_time_ms`; 0 sets no such bound.
    pub soft_queue_bytes: usize,
    /// Bytes of all that waits in the hub: for slow readers, for absent clients, of which a dialect may keep a quarter of
    /// this, of messages, requests and lines that are not complete, and of what peers have the hub keep (`Hub::kept_bytes`).
    pub memory_bytes: usize,
    /// Bytes in one id, linkage key, tag, channel name, message id, user id or debout cluster.
    pub name_bytes: usize,
    /// Tags of one peer.
    pub tags: usize,
    /// Bytes of one peer's properties, names and values together.
    pub properties_bytes: usize,
    /// Channels that one connection may be subscribed to.
    pub channels: usize,
    /// Peers that one message may name.
    pub targets: usize,
    /// Requests that one peer may have waiting for an answer.
    pub pending_requests: usize,
    /// Levels of arrays and objects inside one message.
    pub json_depth: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 3007))],
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: ProxyProtocol::Off,
            tls: Tls::default(),
            encryption_key: None,
            encryption_keys_old: Vec::new(),
            debout: false,
            remote_address: true,
            scope: Scope::Hub,
            echo: false,
            nudge_interval_ms: 10_000,
            ping_interval_ms: 10_000,
            probe_time_ms: 2_000,
            request_timeout_ms: 120_000,
            request_timeout_max_ms: 600_000,
            handshake_timeout_ms: 10_000,
            http_idle_timeout_ms: 30_000,
            message_timeout_ms: 30_000,
            soft_queue_time_ms: 60_000,
            close_timeout_ms: 2_000,
            drain_time_ms: 5_000,
            stop: Stop::default(),
            // Large enough that a flood costs few system calls, small enough to stay in a core's cache.
            read_buffer_bytes: 128 << 10,
            drop_first: vec!["nudges".to_owned(), "debout".to_owned()],
            limits: Limits::default(),
            rates: Rates::default(),
            peerjs: PeerJs::default(),
            relay: Relay::default(),
            netpeer: NetPeer::default(),
            peero: Peero::default(),
            tokens: Tokens::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 1_000_000,
            connections_per_address: 0,
            message_bytes: 1 << 20,
            head_bytes: 16 << 10,
            body_bytes: 64 << 10,
            queue_bytes: 16 << 20,
            soft_queue_bytes: 1 << 20,
            memory_bytes: 1 << 30,
            name_bytes: 512,
            tags: 100,
            properties_bytes: 64 << 10,
            channels: 1_000,
            targets: 10_000,
            pending_requests: 1_000,
            json_depth: 512,
        }
    }
}
