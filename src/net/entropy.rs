//! Where random bytes come from: the system, or a seed when a simulation must be repeatable.

/// A source of random bytes.
#[derive(Debug)]
pub enum Entropy {
    /// The system's random source.
    System,
    /// A seed, for simulations: anybody can tell what comes.
    Seeded(u64),
}

impl Entropy {
    /// Fills `bytes` with random bytes. Panics if the system has none to give, since without them every id could be
    /// guessed.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        match self {
            Entropy::System => {
                getrandom::fill(bytes).expect("the system's random source must work");
            }
            Entropy::Seeded(state) => {
                for chunk in bytes.chunks_mut(8) {
                    let number = splitmix(state).to_le_bytes();
                    chunk.copy_from_slice(&number[..chunk.len()]);
                }
            }
        }
    }
}

/// SplitMix64: a step by the golden ratio, then two rounds of mixing.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
