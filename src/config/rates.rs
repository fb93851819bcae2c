//! How fast peers may be: what one connection, and all connections of one address together, may make the hub do in a second.
//!
//! All of it is off by default: what is much for one application is nothing for another. Recommended values are in the
//! README.

/// What becomes of whoever has done more than he may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Nothing more is read from him until he has paid it off. Nothing is lost.
    Delay,
    /// What he says is thrown away until he has paid it off, and he is told so if he understands.
    Drop,
    /// His connection is closed.
    Close,
}

/// Rates, in so many a second; 0 sets none. What is saved up in silence may be spent at once: the rate times the burst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Messages of one connection; whole requests and other frames count as messages.
    pub messages: usize,
    /// Bytes of the messages of one connection.
    pub bytes: usize,
    /// What the messages of one connection make the hub send: one for each receiver.
    pub deliveries: usize,
    /// Times that one connection joins a linkage or a world.
    pub joins: usize,
    /// Messages of all connections of one address.
    pub address_messages: usize,
    /// Bytes of the messages of all connections of one address.
    pub address_bytes: usize,
    /// Deliveries of all connections of one address.
    pub address_deliveries: usize,
    /// Joins of all connections of one address.
    pub address_joins: usize,
    /// New connections of one address. Too many are turned away, whatever `excess` says.
    pub address_connections: usize,
    /// The time whose worth may be spent at once, ms.
    pub burst_ms: u64,
    /// What becomes of whoever has done more.
    pub excess: Excess,
    /// Leading bits of an IPv6 address that count as one address: whoever has one has at least 64 bits more.
    pub prefix_bits: usize,
    /// Addresses without a connection that are remembered because they have not paid off yet.
    pub remembered: usize,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            messages: 0,
            bytes: 0,
            deliveries: 0,
            joins: 0,
            address_messages: 0,
            address_bytes: 0,
            address_deliveries: 0,
            address_joins: 0,
            address_connections: 0,
            burst_ms: 5_000,
            excess: Excess::Delay,
            // RFC 6177 section 2: a site is given at least one network of 64 bits.
            prefix_bits: 64,
            // Some 100 bytes each.
            remembered: 100_000,
        }
    }
}
