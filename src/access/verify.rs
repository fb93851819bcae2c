//! Whether a token counts: its form, its signature, its time, for whom and by whom it was made.
//!
//! The library `jsonwebtoken` reads the header, checks the signature and judges `aud`; the times are judged here, since the
//! library reads a clock for them, and so is `iss`, of which it would take a list. What the token itself says of keys (`jwk`,
//! `jku`, `x5u`, `x5c`) is never looked at, and its `alg` only compared: the algorithm is that of the key.

use super::claims::{Claims, List, check_name};
use super::grant::Grant;
use super::keys::Keys;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use std::fmt;

/// Bytes in a token, at most: it must fit into a request head beside everything else, and nothing longer is looked into.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// What it costs to read a token, whether or not a key is tried, in about a nanosecond.
const READ_COST: u64 = 10_000;

/// What tokens are held against.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// For whom a token must be made (`aud`), one of these; none refuses tokens that name anybody.
    pub audiences: Vec<String>,
    /// By whom it must be made (`iss`), one of these; none takes anybody's.
    pub issuers: Vec<String>,
    /// How far the clocks of those who make tokens may be off, ms.
    pub leeway_ms: u64,
    /// Bytes in a subject or a peer id, at most.
    pub name_bytes_max: usize,
}

/// Checks tokens.
#[derive(Debug)]
pub struct Checker {
    keys: Keys,
    rules: Rules,
}

/// Why a token does not count. Whoever sent it may be told; its text holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It has more than [`TOKEN_BYTES_MAX`].
    TooLong,
    /// It is no JWT that was signed.
    Malformed,
    /// No key here has its algorithm, or none the name that it gives.
    NoKey,
    /// The signature is not that of a key here.
    Signature,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It is for somebody else.
    Audience,
    /// It is by somebody else.
    Issuer,
    /// Claims that are missing, there twice, or not as they must be.
    Claims,
}

impl Checker {
    /// Checks tokens with these keys, by these rules.
    pub fn new(keys: Keys, rules: Rules) -> Checker {
        Checker { keys, rules }
    }

    /// Judges a token at this time, ms since 1970, and adds to `cost` what that has cost, in about a nanosecond, whatever
    /// comes of it. O(token) for each key that it may be signed with, of which there are few.
    ///
    /// # Errors
    /// The fault of whoever sent it.
    pub fn check(&self, token: &str, unix_ms: u64, cost: &mut u64) -> Result<Grant, TokenFault> {
        *cost += READ_COST;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::TooLong);
        }
        if !looks_like_token(token) {
            return Err(TokenFault::Malformed);
        }
        let header = decode_header(token).map_err(|_| TokenFault::Malformed)?;
        let mut fault = TokenFault::NoKey;
        for key in self.keys.for_token(header.alg, header.kid.as_deref()) {
            let validation = self.validation(header.alg);
            *cost += key.check_cost();
            match decode::<Claims>(token, &key.key, &validation) {
                Ok(read) => return self.grant(read.claims, unix_ms),
                Err(error) => match fault_of(error.kind()) {
                    // Another key may have signed it.
                    TokenFault::Signature => fault = TokenFault::Signature,
                    other => return Err(other),
                },
            }
        }
        Err(fault)
    }

    fn validation(&self, algorithm: jsonwebtoken::Algorithm) -> Validation {
        let audiences = &self.rules.audiences;
        let mut validation = Validation::new(algorithm);
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        let mut required = vec!["exp"];
        if !audiences.is_empty() {
            validation.set_audience(audiences);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    fn grant(&self, claims: Claims, unix_ms: u64) -> Result<Grant, TokenFault> {
        let Rules {
            ref issuers,
            leeway_ms,
            name_bytes_max,
            ..
        } = self.rules;
        let issuer = claims.iss.as_ref();
        if !issuers.is_empty() && issuer.is_none_or(|issuer| !issuers.contains(issuer)) {
            return Err(TokenFault::Issuer);
        }
        let ends_ms = claims.exp + leeway_ms;
        if unix_ms >= ends_ms {
            return Err(TokenFault::Expired);
        }
        if claims.nbf.is_some_and(|nbf| unix_ms + leeway_ms < nbf) {
            return Err(TokenFault::NotYet);
        }
        check_name(claims.sub.as_deref(), name_bytes_max)?;
        check_name(claims.peer.as_deref(), name_bytes_max)?;
        let subject: Option<Box<str>> = claims.sub.map(Into::into);
        Ok(Grant {
            user_id: subject.clone().unwrap_or_default(),
            subject,
            peer: claims.peer.map(Into::into),
            linkages: List::patterns(claims.linkages),
            publish: List::patterns(claims.publish).as_json(),
            subscribe: List::patterns(claims.subscribe).as_json(),
            dialects: List::patterns(claims.dialects),
            debout: claims.debout,
            admin: claims.admin,
            expires_ms: claims.exp,
            ends_ms,
        })
    }
}

/// Whether this has the form of a token: three parts in the alphabet of Base64 for URLs.
pub fn looks_like_token(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.split('.').count() == 3 && text.split('.').all(is_part)
}

fn fault_of(kind: &ErrorKind) -> TokenFault {
    match kind {
        ErrorKind::InvalidSignature => TokenFault::Signature,
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => TokenFault::Audience,
        ErrorKind::Json(_)
        | ErrorKind::Utf8(_)
        | ErrorKind::MissingRequiredClaim(_)
        | ErrorKind::InvalidClaimFormat(_) => TokenFault::Claims,
        ErrorKind::InvalidAlgorithm => TokenFault::NoKey,
        _ => TokenFault::Malformed,
    }
}

impl TokenFault {
    /// A sentence for whoever has brought the token.
    pub fn text(self) -> &'static str {
        match self {
            TokenFault::TooLong => "The token is too long.",
            TokenFault::Malformed => "The token is no signed JWT.",
            TokenFault::NoKey => {
                "The hub has no key for the algorithm or the key id that the token names."
            }
            TokenFault::Signature => "The token's signature is not that of a key of the hub.",
            TokenFault::Expired => "The token has expired.",
            TokenFault::NotYet => "The token is not valid yet.",
            TokenFault::Audience => "The token is for another audience.",
            TokenFault::Issuer => "The token is by another issuer.",
            TokenFault::Claims => {
                "The token lacks exp, or one of its claims is there twice or not as it must be."
            }
        }
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl std::error::Error for TokenFault {}
