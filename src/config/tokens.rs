//! The settings of tokens: the keys that they are signed with, and what they must say.
//!
//! The files are named here and read by `net`. Times are milliseconds.

/// Tokens: who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The file that holds the secret shared with whoever makes tokens (HS256).
    pub secret_file: Option<String>,
    /// Files that hold a public key each, in PEM (EdDSA, ES256, RS256).
    pub public_keys: Vec<String>,
    /// The file that holds a set of public keys (JWKS), of which the `kid` of a token chooses one.
    pub jwks_file: Option<String>,
    /// For whom tokens must be made (`aud`), one of these.
    pub audiences: Vec<String>,
    /// By whom they must be made (`iss`), one of these.
    pub issuers: Vec<String>,
    /// How far the clocks of those who make tokens may be off, ms.
    pub leeway_ms: u64,
    /// Whether nobody comes in without one, if there is a key at all.
    pub required: bool,
    /// Addresses that may speak net-peer, which has no tokens; none lets everybody, or nobody where tokens are required.
    pub netpeer_allowed: Vec<String>,
}

impl Tokens {
    /// Whether any key is set, so that tokens are looked at.
    pub fn are_on(&self) -> bool {
        self.secret_file.is_some() || !self.public_keys.is_empty() || self.jwks_file.is_some()
    }

    /// Whether nobody comes in without one.
    pub fn are_required(&self) -> bool {
        self.are_on() && self.required
    }
}

impl Default for Tokens {
    fn default() -> Tokens {
        Tokens {
            secret_file: None,
            public_keys: Vec::new(),
            jwks_file: None,
            audiences: Vec::new(),
            issuers: Vec::new(),
            leeway_ms: 5_000,
            required: true,
            netpeer_allowed: Vec::new(),
        }
    }
}
