//! Defaults of another program, so that its command lines translate one to one.
//!
//! Pure. A preset only replaces `Config::default`: everything that is given counts more.

use super::settings::Setting;
use super::value::quote;
use super::{Config, PeerJs, SETTINGS};
use std::net::{Ipv6Addr, SocketAddr};

impl Config {
    /// The defaults of PeerServer's command line: its port on every address, IPv4 and IPv6, and the path, key, times and
    /// limit that it has.
    ///
    /// ```
    /// let config = peerhub::Config::peerserver();
    /// assert_eq!(config.listen[0].to_string(), "[::]:9000");
    /// assert_eq!((config.peerjs.path.as_str(), &config.peerjs.keys[..]), ("/", &["peerjs".to_owned()][..]));
    /// ```
    pub fn peerserver() -> Config {
        Config {
            listen: everywhere(9000),
            peerjs: PeerJs {
                on: true,
                keys: vec!["peerjs".to_owned()],
                path: "/".to_owned(),
                expire_timeout_ms: 5_000,
                alive_timeout_ms: 60_000,
                concurrent_limit: 5_000,
                allow_discovery: false,
                ..PeerJs::default()
            },
            ..Config::default()
        }
    }
}

/// An environment variable of another program.
pub(super) struct ForeignVariable {
    pub(super) name: &'static str,
    /// The setting that it is for.
    setting: &'static str,
    /// How its text is written for that setting; the problem if it makes no sense.
    pub(super) translate: fn(&str) -> Result<String, String>,
}

/// What PeerServer's command line reads.
pub(super) const PEERSERVER_VARIABLES: [ForeignVariable; 2] = [
    ForeignVariable {
        name: "PORT",
        setting: "listen",
        translate: |text| match text.trim().parse() {
            Ok(port) => Ok(everywhere(port)[0].to_string()),
            Err(_) => Err(format!("{} is not a port: write 0 to 65535", quote(text))),
        },
    },
    ForeignVariable {
        name: "PEERSERVER_PATH",
        setting: "peerjs-path",
        translate: |text| Ok(text.to_owned()),
    },
];

impl ForeignVariable {
    /// The setting that it is for.
    pub(super) fn setting(&self) -> &'static Setting {
        SETTINGS
            .iter()
            .find(|setting| setting.name == self.setting)
            .expect("the names above are in the table")
    }
}

/// Every address of the machine. Where there is no IPv6, the listener takes every address of IPv4 instead.
fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![(Ipv6Addr::UNSPECIFIED, port).into()]
}
