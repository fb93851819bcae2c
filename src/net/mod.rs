//! net
use crate::Config;
use std::io;
use std::net::SocketAddr;

/// A bound server.
pub struct Server {}
/// Stops a running server from another thread.
#[derive(Clone)]
pub struct Stopper {}

impl Server {
    /// Binds every address of the configuration.
    pub fn bind(_config: Config) -> io::Result<Server> {
        Err(io::Error::other("not there yet"))
    }
    /// The addresses that the server listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &[]
    }
    /// A handle that stops the server from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper {}
    }
    /// Serves until stopped.
    pub fn run(self) -> io::Result<()> {
        Ok(())
    }
}

impl Stopper {
    /// Asks the server to stop.
    pub fn stop(&self) {}
}
