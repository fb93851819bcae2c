//! The files that tokens have to do with: the keys that the hub checks them with, and those that `peerhub token` signs with.
//!
//! The only file that reads them. The first kind is read again when it has changed; keys that cannot be used never take the
//! place of those that can. Nothing that is secret gets into a text of an error.

use super::driver::{StartError, now};
use super::entropy::Entropy;
use super::file_watch::FileWatch;
use crate::access::{Checker, Keys, Pattern, Rules, SigningKey, Wanted};
use crate::config::{Config, MakeToken, TokenWish, Tokens, plain_words};
use crate::hub::Millis;
use log::{info, warn};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The files of the keys that tokens are checked with, and what else tokens are held against.
#[derive(Debug)]
pub(super) struct KeyFiles {
    tokens: Tokens,
    name_bytes_max: usize,
    watch: FileWatch,
}

impl KeyFiles {
    /// The files that the settings name; none if they name none.
    pub(super) fn of(config: &Config) -> Option<KeyFiles> {
        let tokens = &config.tokens;
        let single = [&tokens.secret_file, &tokens.jwks_file];
        let paths = single.into_iter().flatten().chain(&tokens.public_keys);
        tokens.are_on().then(|| KeyFiles {
            tokens: tokens.clone(),
            name_bytes_max: config.limits.name_bytes,
            watch: FileWatch::new(paths.map(PathBuf::from).collect()),
        })
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// The operator's: a file that cannot be read, or that holds something else than it must. The text is one line.
    pub(super) fn read(&self) -> Result<Checker, String> {
        let tokens = &self.tokens;
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
                added.map_err(|problem| format!("{setting}: {path}: {problem}"))?;
            }
        }
        info!("keys that tokens are checked with: {}", keys.count());
        let rules = Rules {
            audiences: tokens.audiences.clone(),
            issuers: tokens.issuers.clone(),
            leeway_ms: tokens.leeway_ms,
            name_bytes_max: self.name_bytes_max,
        };
        Ok(Checker::new(keys, rules))
    }

    /// When `look` has something to do.
    pub(super) fn next_deadline(&self) -> Millis {
        self.watch.next_deadline()
    }

    /// Looks whether the files have changed, and gives what has become of them.
    pub(super) fn look(&mut self, now: Millis) -> Option<Checker> {
        let have_changed = self.watch.have_changed(now);
        have_changed.then(|| self.reload()).flatten()
    }

    /// Reads the files again. What cannot be used is logged, and the old keys stay in force, all of them.
    pub(super) fn reload(&mut self) -> Option<Checker> {
        self.watch.are_read();
        let read = self.read();
        read.inspect_err(|problem| warn!("the keys of tokens stay as they were: {problem}"))
            .ok()
    }
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
