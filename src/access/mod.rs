//! Who may come in, and what he may do: tokens (JWT, RFC 7519) judged, and what they grant.
//!
//! Before step 4 of the message path, once for each connection that brings a token, and again for each `authenticate`.
//! Pure: keys, texts and the time come in as arguments, a [`Grant`] or a [`TokenFault`] comes out. No file is read here and no
//! clock; only making a token by an elliptic curve takes random bytes of the system, inside `ring`.
//!
//! - `provider` — the arithmetic of `ring` for the library that reads tokens; `keys` — what signatures are checked with
//! - `claims` — what a token says; `verify` — whether it counts; `grant`, `pattern` — what it allows
//! - `mint` — tokens made for trying out

mod claims;
mod grant;
mod keys;
mod mint;
mod pattern;
mod provider;
mod verify;

pub use grant::Grant;
pub use keys::Keys;
pub use mint::{SigningKey, Wanted};
pub use pattern::{Pattern, Patterns};
pub use verify::{Checker, Rules, TOKEN_BYTES_MAX, TokenFault, looks_like_token};
