//! Sockets and the loop: the only room with mio, the clock and the random source.
//!
//! A tick is: wait → read → expire → reap → flush. `driver` waits and feeds what has happened to the `Switchboard`,
//! which does the rest and knows neither mio nor the clock, so that simulations run the very same steps over sockets of
//! their own.
//!
//! - `driver` — the loop; `listener` — accepting
//! - `switchboard` — all connections, and the phases of a tick; `floor` — what a message may touch, and how connections end
//! - `turns` — whose turn it is to be read from
//! - `conn` — one connection; `out_queue` — bytes on their way out
//! - `talk` — WebSocket messages in; `fanout` — events out; `request` — plain HTTP
//! - `entropy` — random bytes; `log_limit` — floods in the log

mod conn;
mod driver;
mod entropy;
mod fanout;
mod floor;
mod listener;
mod log_limit;
mod out_queue;
mod request;
mod switchboard;
mod talk;
mod turns;

pub use conn::ConnKey;
pub use driver::{Ended, Server, StartError, Stopper};
pub use entropy::Entropy;
pub use switchboard::{Census, Now, Readiness, Switchboard};

use std::io::{self, Read, Write};
use std::net::Shutdown;

/// What the switchboard needs of a socket: non-blocking, and edges are told to it. The only trait at this seam.
pub trait Socket: Read + Write {
    /// Ends our direction: what is written arrives, then the end.
    fn finish(&mut self) -> io::Result<()>;
}

impl Socket for mio::net::TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}
