//! Certificates: read from files, read again when they change, or made at start for development.
//!
//! Owns the files and when they are looked at. Part of the driver and not of the switchboard, which knows no files and is
//! handed what it needs of TLS as a whole. A certificate that cannot be used never takes the place of one that can.

use super::driver::StartError;
use super::file_watch::FileWatch;
use crate::config::{Config, Plaintext, plain_words};
use crate::hub::Millis;
use log::{info, warn};
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets, ServerConfig};
use rustls::{Error, InconsistentKeys};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The certificate in force, and where the next one comes from.
#[derive(Debug)]
pub(super) struct Certificates {
    files: Option<Files>,
    current: Arc<ServerConfig>,
    /// The key of session tickets. It outlives a certificate, so that clients resume across a change of it.
    ticketer: Arc<dyn ProducesTickets>,
}

/// Where the certificate and its key are.
#[derive(Debug)]
struct Files {
    cert: PathBuf,
    /// The same as `cert` if the key is in it.
    key: PathBuf,
    watch: FileWatch,
}

impl Certificates {
    /// Bytes of a file, at most: ample for the longest chain.
    const FILE_BYTES_MAX: u64 = 1 << 20;
    /// What is spoken inside TLS (RFC 7301).
    const PROTOCOL: &[u8] = b"http/1.1";

    /// The certificate that the settings ask for; none if they ask for none.
    ///
    /// # Errors
    /// The operator's: a file that cannot be read, a key that does not fit, settings that contradict each other. One line.
    pub(super) fn open(config: &Config) -> Result<Option<Certificates>, StartError> {
        let tls = &config.tls;
        let wrong = |problem: &str| Err(StartError(problem.to_owned()));
        let files = match (&tls.cert, &tls.key, tls.self_signed) {
            (Some(_), _, true) => {
                return wrong("tls-self-signed: there is a tls-cert too: write only one of them");
            }
            (None, Some(_), _) => {
                return wrong("tls-key: names a key, but no tls-cert names its certificate");
            }
            (None, None, false) if tls.plaintext != Plaintext::Serve => {
                return wrong(
                    "plaintext: nobody can come with TLS: write tls-cert or tls-self-signed too, or serve",
                );
            }
            (None, None, false) => return Ok(None),
            (None, None, true) => None,
            (Some(cert), key, false) => Some(Files::new(cert, key.as_ref().unwrap_or(cert))),
        };
        let no_tls = |error: Error| StartError(format!("cannot speak TLS: {error}"));
        let ticketer = Ticketer::new().map_err(no_tls)?;
        let current = match &files {
            Some(files) => files.load(&ticketer),
            None => make(config, &ticketer),
        };
        Ok(Some(Certificates {
            files,
            current: Arc::new(current.map_err(StartError)?),
            ticketer,
        }))
    }

    /// What connections need that begin from now on.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.clone()
    }

    /// Whether the certificate is from files, which may be read again.
    pub(super) fn are_from_files(&self) -> bool {
        self.files.is_some()
    }

    /// When `look` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let files = self.files.as_ref();
        files.map(|files| files.watch.next_deadline())
    }

    /// Looks whether the files have changed, and gives what has become of them.
    pub(super) fn look(&mut self, now: Millis) -> Option<Arc<ServerConfig>> {
        let have_changed = self.files.as_mut()?.watch.have_changed(now);
        have_changed.then(|| self.reload()).flatten()
    }

    /// Reads the files again. What cannot be used is logged, and the old certificate stays in force.
    pub(super) fn reload(&mut self) -> Option<Arc<ServerConfig>> {
        let files = self.files.as_mut()?;
        files.watch.are_read();
        match files.load(&self.ticketer) {
            Ok(config) => {
                self.current = Arc::new(config);
                Some(self.current())
            }
            Err(problem) => {
                warn!("the certificate stays as it was: {problem}");
                None
            }
        }
    }
}

impl Files {
    fn new(cert: &str, key: &str) -> Files {
        let (cert, key) = (PathBuf::from(cert), PathBuf::from(key));
        let watch = FileWatch::new(vec![cert.clone(), key.clone()]);
        Files { cert, key, watch }
    }

    /// Reads both. The problem is one line.
    fn load(&self, ticketer: &Arc<dyn ProducesTickets>) -> Result<ServerConfig, String> {
        let place = |setting: &str, path: &Path| format!("{setting}: {}", path.display());
        let cert_place = place("tls-cert", &self.cert);
        let is_one = self.cert == self.key;
        let key_place = match is_one {
            true => cert_place.clone(),
            false => place("tls-key", &self.key),
        };
        let text = read(&self.cert).map_err(|problem| format!("{cert_place}: {problem}"))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|_| format!("{cert_place}: it is not PEM"))?;
        let Some(first) = chain.first() else {
            return Err(format!("{cert_place}: there is no certificate in it"));
        };
        let fingerprint = fingerprint(first);
        let key_text = match is_one {
            true => text,
            false => read(&self.key).map_err(|problem| format!("{key_place}: {problem}"))?,
        };
        let key = PrivateKeyDer::from_pem_slice(&key_text).map_err(|error| match error {
            pem::Error::NoItemsFound if is_one => {
                format!("{key_place}: there is no private key in it: name its file with tls-key")
            }
            pem::Error::NoItemsFound => {
                format!("{key_place}: there is no private key in it that is not encrypted")
            }
            _ => format!("{key_place}: it is not PEM"),
        })?;
        let config = with(chain, key, ticketer).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                format!(
                    "{key_place}: the key is not that of the certificate in {}",
                    self.cert.display()
                )
            }
            Error::InvalidCertificate(_) => {
                format!("{cert_place}: the certificate cannot be understood: {error}")
            }
            _ => format!("{key_place}: the key cannot be used: {error}"),
        })?;
        info!(
            "the certificate is that of {}, SHA-256 {fingerprint}",
            self.cert.display()
        );
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let most = Certificates::FILE_BYTES_MAX;
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|error| plain_words(&error))?;
    match bytes.len() as u64 > most {
        true => Err(format!("it has more than {most} bytes")),
        false => Ok(bytes),
    }
}

/// A certificate for this machine and the addresses that it listens on.
fn make(config: &Config, ticketer: &Arc<dyn ProducesTickets>) -> Result<ServerConfig, String> {
    let mut names = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    for address in &config.listen {
        let name = address.ip().to_string();
        if !address.ip().is_unspecified() && !names.contains(&name) {
            names.push(name);
        }
    }
    let told = names.join(", ");
    let cannot = |error: &dyn std::fmt::Display| {
        format!("tls-self-signed: cannot make a certificate: {error}")
    };
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| cannot(&error))?;
    let certificate = made.cert.der().clone();
    let fingerprint = fingerprint(&certificate);
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = with(vec![certificate], key.into(), ticketer).map_err(|error| cannot(&error))?;
    info!("made a certificate for {told}, which no client trusts unasked; SHA-256 {fingerprint}");
    Ok(config)
}

/// TLS 1.2 and 1.3 with this certificate. Sessions are resumed by tickets, which cost the hub no memory.
fn with(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![Certificates::PROTOCOL.to_vec()];
    config.ticketer = ticketer.clone();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The name by which people compare certificates: SHA-256 of its bytes, in hexadecimal pairs.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = Sha256::digest(certificate);
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}
