//! Tokens as anybody can make them: signed by hand, so that they may be wrong in any way.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses its own part of this"
)]

use peerhub::access::{Checker, Keys, Rules};
use ring::hmac;
use serde_json::{Value, json};

/// The secret of the hub under test.
pub const SECRET: &str = "a secret of tests, longer than 32 bytes";
/// The header of an honest token.
pub const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Base64 for URLs, without padding (RFC 4648 section 5).
pub fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 4];
        three[1..=chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes(three);
        for place in 0..=chunk.len() {
            let digit = number >> (18 - 6 * place) & 63;
            text.push(char::from(DIGITS[digit as usize]));
        }
    }
    text
}

/// A token with this header and payload, signed with this secret.
pub fn signed(
    header: &(impl AsRef<[u8]> + ?Sized),
    payload: &(impl AsRef<[u8]> + ?Sized),
    secret: &[u8],
) -> String {
    let message = [base64url(header.as_ref()), base64url(payload.as_ref())].join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", base64url(signature.as_ref()))
}

/// An honest token that says this.
pub fn token(claims: &Value) -> String {
    signed(HS256, &claims.to_string(), SECRET.as_bytes())
}

/// An honest token of somebody, until the end of time, with more claims.
pub fn token_of(sub: &str, more: Value) -> String {
    let mut claims = json!({"sub": sub, "exp": FAR});
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    token(&claims)
}

/// Far in the future, in seconds since 1970: in the year 2100.
pub const FAR: u64 = 4_102_444_800;

/// A checker with the secret.
pub fn checker(rules: Rules) -> Checker {
    let mut keys = Keys::new();
    keys.add_secret(SECRET.as_bytes()).expect("a good secret");
    Checker::new(keys, rules)
}

/// The rules of a hub without settings.
pub fn rules() -> Rules {
    Rules {
        leeway_ms: 5_000,
        name_bytes_max: 512,
        ..Rules::default()
    }
}

/// A file of tests/keys.
pub fn key_file(name: &str) -> String {
    format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What is in a file of tests/keys.
pub fn key(name: &str) -> Vec<u8> {
    std::fs::read(key_file(name)).expect("the key is there")
}
