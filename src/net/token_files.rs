//! The files that tokens have to do with: the keys that the hub checks them with, and those that `peerhub token` signs with.
//!
//! The only file that reads them. Nothing that is secret gets into a text of an error.

use super::driver::{StartError, now};
use super::entropy::Entropy;
use crate::access::{Checker, Keys, Pattern, Rules, SigningKey, Wanted};
use crate::config::{Config, MakeToken, TokenWish, plain_words};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads the keys that the settings name; none if they name none.
///
/// # Errors
/// The operator's: a file that cannot be read, or that holds something else than it must. The text is one line.
pub fn read_keys(config: &Config) -> Result<Option<Checker>, StartError> {
    let tokens = &config.tokens;
    if !tokens.are_on() {
        return Ok(None);
    }
    let mut keys = Keys::new();
    let single = |path: &Option<String>| path.clone().into_iter().collect::<Vec<_>>();
    type Add = fn(&mut Keys, &[u8]) -> Result<(), String>;
    let files: [(&str, Vec<String>, Add); 3] = [
        (
            "token-secret-file",
            single(&tokens.secret_file),
            Keys::add_secret,
        ),
        (
            "token-public-key",
            tokens.public_keys.clone(),
            Keys::add_public_pem,
        ),
        ("token-jwks", single(&tokens.jwks_file), Keys::add_jwks),
    ];
    for (setting, paths, add) in files {
        for path in paths {
            let added = read(Path::new(&path)).and_then(|bytes| add(&mut keys, &bytes));
            added.map_err(|problem| StartError(format!("{setting}: {path}: {problem}")))?;
        }
    }
    let rules = Rules {
        audiences: tokens.audiences.clone(),
        issuers: tokens.issuers.clone(),
        leeway_ms: tokens.leeway_ms,
        name_bytes_max: config.limits.name_bytes,
    };
    Ok(Some(Checker::new(keys, rules)))
}

/// What `peerhub token` prints, with a line break at its end.
///
/// # Errors
/// The operator's: a key file that cannot be read or cannot sign, a pattern that is none. The text is one line.
pub fn make_token(wish: &TokenWish) -> Result<String, StartError> {
    let make = match wish {
        TokenWish::Secret => {
            let mut secret = [0; Keys::SECRET_BYTES_MIN];
            Entropy::System.fill(&mut secret);
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(format!("{hex}\n"));
        }
        TokenWish::Token(make) => make,
    };
    let patterns = [
        &make.linkages,
        &make.publish,
        &make.subscribe,
        &make.dialects,
    ];
    if let Some(bad) = patterns
        .into_iter()
        .flatten()
        .find(|text| Pattern::read(text).is_none())
    {
        let problem = format!("{bad:?} is no pattern: a star stands only at its end");
        return Err(StartError(problem));
    }
    let key = read(&make.key_file).and_then(|bytes| match make.is_private_key {
        true => SigningKey::from_pem(&bytes),
        false => SigningKey::from_secret(&bytes),
    });
    let token = key.and_then(|key| key.sign(&wanted(make)));
    token
        .map(|token| format!("{token}\n"))
        .map_err(|problem| StartError(format!("{}: {problem}", make.key_file.display())))
}

fn wanted(make: &MakeToken) -> Wanted {
    let made = now().unix_ms;
    Wanted {
        sub: make.sub.clone(),
        peer: make.peer.clone(),
        linkages: make.linkages.clone(),
        publish: make.publish.clone(),
        subscribe: make.subscribe.clone(),
        dialects: make.dialects.clone(),
        debout: make.debout,
        admin: make.admin,
        aud: make.audiences.clone(),
        iss: make.issuer.clone(),
        iat: made / 1_000,
        exp: (made + make.expires_ms) / 1_000,
    }
}

/// A small file. The bound keeps a mistaken `/dev/zero` from filling the memory.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    const MOST: u64 = 1 << 20;
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
    let read = file.map_err(|error| format!("cannot read it: {}", plain_words(&error)))?;
    match read as u64 <= MOST {
        true => Ok(bytes),
        false => Err("it is longer than 1MiB".to_owned()),
    }
}
