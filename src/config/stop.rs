//! How the hub takes leave when it is stopped.

/// How clients are told to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Clients told in a second, while that is enough to have told everybody in half of the drain time.
    pub rate: usize,
    /// Whether they are told that the hub comes back (1012) and not only that it goes (1001).
    pub returns: bool,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop {
            // Who comes back costs a new hub about 50 µs: a thirtieth of a core, with room for slower applications.
            rate: 500,
            returns: false,
        }
    }
}
