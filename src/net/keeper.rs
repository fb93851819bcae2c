//! What shall survive a restart: the state of the mesh, in a file.
//!
//! Owns the file and what has not been written to it yet. Part of the driver and not of the switchboard, which knows no
//! files. A file is replaced as a whole: whoever reads it, at whatever moment the program ends, finds one state or the
//! other.

use super::driver::StartError;
use super::log_limit::{LogLimit, limited};
use crate::config::{Config, plain_words};
use crate::hub::Millis;
use log::Level;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Keeps the last of what it is given in a file, if there is one.
#[derive(Debug)]
pub(super) struct Keeper {
    path: Option<PathBuf>,
    /// What is newer than the file.
    unwritten: Option<Box<str>>,
    /// When the file may be written again.
    rest_ends: Millis,
    trouble_log: LogLimit,
}

impl Keeper {
    /// Time between two writes, ms: everybody waits while the disk does.
    const REST_MS: Millis = 1_000;

    /// A keeper for the file that the settings name. What the file holds takes the place of the state in the settings.
    ///
    /// # Errors
    /// The operator's: a file that cannot be read, or holds something else than one JSON value within the bound.
    pub(super) fn open(config: &mut Config) -> Result<Keeper, StartError> {
        let path = config.netpeer.state_file.as_ref().map(PathBuf::from);
        let path = path.filter(|_| config.netpeer.on);
        if let Some(path) = &path {
            let state = read(path, config.limits.message_bytes).map_err(|problem| {
                StartError(format!(
                    "netpeer-state-file: {}: {problem}: put it right or remove it",
                    path.display()
                ))
            })?;
            if state.is_some() {
                config.netpeer.state = state;
            }
        }
        Ok(Keeper {
            path,
            unwritten: None,
            rest_ends: 0,
            trouble_log: LogLimit::default(),
        })
    }

    /// Takes something newer, to be written in its time.
    pub(super) fn keep(&mut self, state: Box<str>) {
        self.unwritten = Some(state);
    }

    /// When `write_due` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.unwritten.as_ref().map(|_| self.rest_ends)
    }

    /// Writes what is newer than the file, unless the last write was just now.
    pub(super) fn write_due(&mut self, now: Millis) {
        if now >= self.rest_ends {
            self.write(now);
        }
    }

    /// Writes what is newer than the file. After a failure it is tried again after the rest.
    pub(super) fn write(&mut self, now: Millis) {
        let (Some(path), Some(state)) = (&self.path, &self.unwritten) else {
            return;
        };
        self.rest_ends = now + Self::REST_MS;
        match replace(path, state) {
            Ok(()) => self.unwritten = None,
            Err(error) => limited!(
                self.trouble_log,
                now,
                Level::Error,
                "cannot write {}: {}",
                path.display(),
                plain_words(&error)
            ),
        }
    }
}

/// What the file holds; none if there is no file.
fn read(path: &Path, bytes_max: usize) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(plain_words(&error)),
    };
    file.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| plain_words(&error))?;
    if bytes.len() > bytes_max {
        return Err(format!(
            "it has more than {bytes_max} bytes (max-message-bytes)"
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

/// Replaces the file by one with this text. The new one is on the disk before it takes the old one's name.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)
}
