//! Bodies of fuzz targets, kept in the crate so that they always compile; the model tests drive the same bodies.
//!
//! Owns: turning arbitrary bytes into operations, and the naive models that the real containers are compared with.
//! Must not: be reachable without the feature `fuzzing`, or reach into private state: what a user could not see is not
//! compared. Each `run` panics when container and model disagree.
pub mod conversations;
pub mod forwarded;
pub mod http_head;
pub mod hub_commands;
mod hub_model;
mod hub_peer;
pub mod index_ops;
pub mod lines;
pub mod netpeer_inbound;
pub mod ok_inbound;
pub mod peerjs_inbound;
pub mod peerjs_realm;
pub mod peero_inbound;
pub mod peero_lobby;
mod phrases;
pub mod proxied;
pub mod relay_inbound;
pub mod relay_node;
pub mod tls_bytes;
pub mod tokens;
pub mod wheel_ops;
pub mod ws_bytes;

#[path = "../../tests/support/mod.rs"]
mod support;

/// Bytes read as choices. When they run out, [`Tape::next`] says so and every other choice is 0, so that a cut-off input
/// is still a valid one and small inputs stay small.
#[derive(Debug)]
struct Tape<'d> {
    bytes: std::slice::Iter<'d, u8>,
}

impl<'d> Tape<'d> {
    fn new(bytes: &'d [u8]) -> Self {
        Self {
            bytes: bytes.iter(),
        }
    }

    fn next(&mut self) -> Option<u8> {
        self.bytes.next().copied()
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// A number below `bound`, which is from 1 to 65,536.
    fn below(&mut self, bound: usize) -> usize {
        let high = if bound > 256 { self.byte() } else { 0 };
        usize::from(u16::from_be_bytes([high, self.byte()])) % bound
    }

    /// A number of up to `bits_max` bits in which every magnitude is equally likely: some are tiny, some fill the bits.
    fn magnitude(&mut self, bits_max: u32) -> u64 {
        let bits = u32::from(self.byte()) % (bits_max + 1);
        let mut number = [0; 8];
        number.fill_with(|| self.byte());
        u64::from_be_bytes(number)
            .checked_shr(u64::BITS - bits)
            .unwrap_or(0)
    }
}
