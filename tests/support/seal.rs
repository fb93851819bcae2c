//! The client's side of TLS around the bytes of a memory socket, and a certificate for the hub's side.
//!
//! Owns the client's connection, and which sealed bytes have how much of what was said in them. Judges the hub's records
//! strictly: one that the client cannot read fails the test, unless its own bytes were torn before.

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SerialNumber};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::crypto::ring::kx_group::SECP256R1;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::TLS12;
use rustls::{
    ALL_VERSIONS, ClientConfig, ClientConnection, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

/// The client's side of TLS.
#[derive(Debug)]
pub struct Seal {
    tls: ClientConnection,
    /// Plain bytes that were ever said; what was sent before TLS counts.
    said_bytes: u64,
    /// Where each piece of what was sent ends, in sealed bytes, and how much of what was said has ended there.
    pieces: VecDeque<(u64, u64)>,
    /// How much of what was said the hub has read.
    read_bytes: u64,
    /// Nothing more is to be said.
    is_ending: bool,
    /// Some of what was sent is lost, so the hub may break off.
    pub is_torn: bool,
    is_broken: bool,
}

impl Seal {
    /// TLS that begins after so many bytes.
    pub fn new(mut tls: ClientConnection, sent_bytes: u64) -> Seal {
        tls.set_buffer_limit(None);
        Seal {
            tls,
            said_bytes: sent_bytes,
            pieces: VecDeque::new(),
            read_bytes: sent_bytes,
            is_ending: false,
            is_torn: false,
            is_broken: false,
        }
    }

    /// Seals this, as soon as it can be.
    pub fn say(&mut self, plain: &[u8]) {
        if !self.is_ending {
            self.said_bytes += plain.len() as u64;
            let written = self.tls.writer().write_all(plain);
            written.expect("memory takes everything");
        }
    }

    /// Plain bytes that were ever said.
    pub fn said_bytes(&self) -> u64 {
        self.said_bytes
    }

    /// Nothing more is said.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    /// Whether nothing more is to be said.
    pub fn is_ending(&self) -> bool {
        self.is_ending
    }

    /// Whether everything is sent, or will never be.
    pub fn is_over(&self) -> bool {
        self.is_ending && (self.is_torn || !self.tls.is_handshaking())
    }

    /// What there is to send after so many bytes.
    pub fn take_sealed(&mut self, sent_bytes: u64) -> Vec<u8> {
        // Half of those who end take leave as TLS asks them to.
        if self.is_over() && !self.is_torn && self.said_bytes.is_multiple_of(2) {
            self.tls.send_close_notify();
        }
        let mut sealed = Vec::new();
        while self.tls.wants_write() {
            let written = self.tls.write_tls(&mut sealed);
            written.expect("memory takes everything");
        }
        if !sealed.is_empty() && !self.tls.is_handshaking() {
            let end = sent_bytes + sealed.len() as u64;
            self.pieces.push_back((end, self.said_bytes));
        }
        sealed
    }

    /// Opens what the hub has sent.
    pub fn open(&mut self, mut sealed: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while !sealed.is_empty() && !self.is_broken {
            let read = self.tls.read_tls(&mut sealed);
            // After a word of leave nothing more is taken.
            if read.is_err() || read.is_ok_and(|bytes| bytes == 0) {
                break;
            }
            match self.tls.process_new_packets() {
                Ok(_) => {
                    // The end of what there is at present is an error to the reader.
                    let _ = self.tls.reader().read_to_end(&mut plain);
                }
                Err(error) => {
                    assert!(self.is_torn, "the hub breaks TLS: {error}");
                    self.is_broken = true;
                }
            }
        }
        plain
    }

    /// How much of what was said is in the first so many sealed bytes.
    pub fn read_bytes(&mut self, sealed_bytes: u64) -> u64 {
        while let Some(&(end, said_bytes)) = self.pieces.front()
            && end <= sealed_bytes
        {
            self.read_bytes = said_bytes;
            self.pieces.pop_front();
        }
        self.read_bytes
    }
}

/// What a hub is handed that is to speak TLS.
pub fn server() -> Arc<ServerConfig> {
    SIDES.server.clone()
}

/// A client of that hub.
pub fn client() -> ClientConnection {
    connection(&SIDES.client)
}

/// A client of that hub whose newest version is 1.2.
pub fn old_client() -> ClientConnection {
    connection(&SIDES.old_client)
}

fn connection(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(config.clone(), name).expect("good settings")
}

/// The settings of both sides.
struct Sides {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    old_client: Arc<ClientConfig>,
}

/// Everything that can be heard on the wire is of the same length in each run, or seeds would say nothing: so the signature
/// is one of Ed25519, the serial number is the same, and no session is resumed.
static SIDES: LazyLock<Sides> = LazyLock::new(|| {
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("there is randomness");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a good name");
    params.serial_number = Some(SerialNumber::from(1));
    let certificate = params.self_signed(&key).expect("a good certificate");
    let provider = Arc::new(CryptoProvider {
        // The only group of ring's that is as fast in a build without optimisation.
        kx_groups: vec![SECP256R1],
        ..default_provider()
    });
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("good versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("they fit");
    let mut roots = RootCertStore::empty();
    roots
        .add(certificate.der().clone())
        .expect("a certificate of one's own");
    let client = |versions: &[&'static SupportedProtocolVersion]| {
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .expect("good versions")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        client.resumption = Resumption::disabled();
        Arc::new(client)
    };
    Sides {
        server: Arc::new(server),
        client: client(ALL_VERSIONS),
        old_client: client(&[&TLS12]),
    }
});
