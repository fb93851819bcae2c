//! Certificates of the tests' own, and the settings of clients that trust them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses its own part of this"
)]

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::crypto::ring::kx_group::SECP256R1;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use std::sync::Arc;

/// A certificate for `localhost` and its key, as PEM.
pub struct Issued {
    pub cert: String,
    pub key: String,
}

impl Issued {
    pub fn new() -> Issued {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        Issued {
            cert: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    /// The same for a key of `tests/keys`.
    pub fn for_key(name: &str) -> Issued {
        let file = format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"));
        let key = std::fs::read_to_string(file).unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let cert = params.self_signed(&rcgen::KeyPair::from_pem(&key).unwrap());
        Issued {
            cert: cert.unwrap().pem(),
            key,
        }
    }

    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()
    }

    /// What a hub is handed that serves with it.
    pub fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = builder
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der()], key);
        Arc::new(config.unwrap())
    }
}

/// A client that trusts these certificates, speaks these versions of TLS, and these protocols inside.
pub fn client_config(
    trusted: &[&Issued],
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for issued in trusted {
        roots.add(issued.der()).unwrap();
    }
    // The only group of ring's that is as fast in a build without optimisation.
    let provider = CryptoProvider {
        kx_groups: vec![SECP256R1],
        ..default_provider()
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let mut config = builder
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Arc::new(config)
}

/// The client's side of TLS.
pub fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(config.clone(), name).unwrap()
}
