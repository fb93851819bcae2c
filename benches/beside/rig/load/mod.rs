//! The load: many clients in one thread, which wait for the server and never the server for them.
//!
//! [`Crowd`] is the clients; a [`Room`] has them publish, [`Pairs`] has them ask each other, [`arrivals`] has them come and
//! go. Each delivery is checked: it must come once, in order and as it was sent. What does not is counted in [`Faults`], and
//! a load with a fault is no result.

pub mod arrivals;
mod client;
mod crowd;
mod frame;
mod pairs;
mod room;
pub mod stamp;
mod stream;

pub use pairs::Pairs;
pub use room::Room;

use rustls::ClientConfig;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long nothing may happen before a load gives up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Where a server is, and how it is entered.
#[derive(Clone)]
pub struct Door {
    pub address: SocketAddr,
    /// With TLS, if there is something here.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Door {
    /// Without TLS.
    pub fn plain(address: SocketAddr) -> Door {
        Door { address, tls: None }
    }

    /// With TLS, whoever the server says that it is; each connection with a handshake of its own.
    pub fn sealed(address: SocketAddr) -> Door {
        let tls = Some(stream::credulous());
        Door { address, tls }
    }
}

/// How long a load goes on.
#[derive(Clone, Copy)]
pub enum Until {
    /// This long; what is under way then stays under way.
    Passed(Duration),
    /// So many messages, requests or visits more, and until all of them are through.
    Sent(u64),
}

/// Why a load could not be made.
#[derive(Debug)]
pub enum LoadError {
    /// The system refused.
    Io(io::Error),
    /// The server closed connections that nobody wanted closed.
    Lost { lost: u64, joined: usize },
    /// The server did not upgrade a connection; what it said instead.
    Refused(String),
    /// Nothing came for [`PATIENCE`]; what was being waited for.
    Stalled(String),
    /// The server split a message into frames, which no server here does.
    Fragmented,
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> LoadError {
        LoadError::Io(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Io(error) => error.fmt(f),
            LoadError::Lost { lost, joined } => {
                write!(f, "{lost} connections lost, {joined} still there")
            }
            LoadError::Refused(answer) => write!(f, "no upgrade: {answer}"),
            LoadError::Stalled(what) => write!(f, "stalled: {what}"),
            LoadError::Fragmented => f.write_str("a message in several frames"),
        }
    }
}

/// What went wrong with deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Did not come.
    pub missing: u64,
    /// Came again, too early or too late.
    pub out_of_order: u64,
    /// Came changed.
    pub torn: u64,
    /// Connections that the server ended.
    pub lost: u64,
}

impl Faults {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Faults::default()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults {
            missing,
            out_of_order,
            torn,
            lost,
        } = self;
        write!(
            f,
            "{missing} missing, {out_of_order} out of order, {torn} changed, {lost} connections lost"
        )
    }
}
