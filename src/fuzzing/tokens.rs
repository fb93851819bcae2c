//! Any bytes as a token, and as the header and the claims of one that is signed with the hub's own secret: no panic, nothing
//! counts that the hub's secret has not signed, and what counts says what its claims say.

use crate::access::{Checker, Grant, Keys, Rules};
use serde_json::Value;
use support::signed;

#[path = "../../tests/support/tokens.rs"]
mod support;

const SECRET: &[u8] = b"the secret of the fuzz target, 32 bytes or more";
/// In September 2026, ms since 1970.
const NOW_MS: u64 = 1_790_000_000_000;
const LEEWAY_MS: u64 = 5_000;
const NAME_BYTES_MAX: usize = 64;

/// Reads `data` as a token; then its first line as a header and the rest as claims, signed by either secret.
pub fn run(data: &[u8]) {
    let data = &data[..data.len().min(4_096)];
    let mut keys = Keys::new();
    keys.add_secret(SECRET).expect("it is long enough");
    let rules = Rules {
        leeway_ms: LEEWAY_MS,
        name_bytes_max: NAME_BYTES_MAX,
        ..Rules::default()
    };
    let checker = Checker::new(keys, rules);
    let unsigned = checker.check(&String::from_utf8_lossy(data), NOW_MS, &mut 0);
    assert!(unsigned.is_err(), "nobody has signed it");

    let end = data.iter().position(|&byte| byte == b'\n');
    let (header, claims) = data.split_at(end.unwrap_or(data.len()));
    let claims = claims.get(1..).unwrap_or_default();
    let forged = checker.check(&signed(header, claims, b"another secret"), NOW_MS, &mut 0);
    assert!(forged.is_err(), "somebody else has signed it");
    if let Ok(grant) = checker.check(&signed(header, claims, SECRET), NOW_MS, &mut 0) {
        // Claims that nobody looks at may hold what is no UTF-8, or numbers that no `Value` has.
        let value = |bytes| serde_json::from_str::<Value>(&String::from_utf8_lossy(bytes)).ok();
        if let (Some(header), Some(claims)) = (value(header), value(claims)) {
            assert_eq!(header["alg"], "HS256");
            agree(&grant, &claims);
        }
    }
}

/// Asserts that `grant` is what `claims` say.
fn agree(grant: &Grant, claims: &Value) {
    let date = |name: &str| {
        let seconds = claims.get(name).map(|date| date.as_f64().expect("a date"));
        seconds.map(|seconds| (seconds * 1000.0) as u64)
    };
    assert_eq!(Some(grant.expires_ms), date("exp"));
    assert_eq!(grant.ends_ms, grant.expires_ms + LEEWAY_MS);
    assert!(grant.ends_ms > NOW_MS, "it has not expired");
    assert!(date("nbf").is_none_or(|nbf| nbf <= NOW_MS + LEEWAY_MS));
    let text = |name: &str| claims[name].as_str();
    assert_eq!(grant.subject.as_deref(), text("sub"));
    assert_eq!(&*grant.user_id, text("sub").unwrap_or_default());
    assert_eq!(grant.peer.as_deref(), text("peer"));
    for name in [text("sub"), text("peer")].into_iter().flatten() {
        assert!((1..=NAME_BYTES_MAX).contains(&name.len()));
    }
    assert_eq!(grant.debout, claims["debout"] == true);
    assert_eq!(grant.admin, claims["admin"] == true);
    // No setting names an audience, so a token that does is for somebody else.
    assert!(claims["aud"].is_null());
    let lists = [("linkages", &grant.linkages), ("dialects", &grant.dialects)];
    for (claim, patterns) in lists {
        let allowed = claims[claim].as_array();
        for name in ["", "ok", "room-1"] {
            let matches = |pattern: &Value| {
                let pattern = pattern.as_str().expect("a pattern");
                let prefix = pattern.strip_suffix('*');
                prefix.map_or(pattern == name, |prefix| name.starts_with(prefix))
            };
            let expected = allowed.is_none_or(|allowed| allowed.iter().any(matches));
            assert_eq!(patterns.allow(name), expected, "{claim} {name:?}");
        }
    }
}
