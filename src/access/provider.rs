//! The arithmetic of `ring` for the library `jsonwebtoken`, which leaves it to whoever it is given.
//!
//! Nothing is checked here by hand: each signature goes to the one function of `ring` for its algorithm, which compares in
//! constant time where that matters. Four algorithms and no more.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use ring::{error::Unspecified, hmac as keyed_hash};

/// Has the library use `ring`, unless a program that the hub is part of has chosen for it.
pub(super) fn install() {
    if CryptoProvider::try_get_default().is_none() {
        // Another thread may have been quicker.
        let _ = PROVIDER.install_default();
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |&algorithm, key| match is_taken(algorithm)
        && key.family() == algorithm.family()
    {
        true => Ok(Box::new(Signing {
            algorithm,
            key: key.clone(),
        })),
        false => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |&algorithm, key| match is_taken(algorithm)
        && key.family() == algorithm.family()
    {
        true => Ok(Box::new(Checking {
            algorithm,
            key: key.clone(),
        })),
        false => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    // For making JWKs out of keys, which nobody does here.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| unsupported(),
        rsa_pub_components_from_public_key: |_| unsupported(),
        ec_pub_components_from_private_key: |_, _| unsupported(),
        ed_pub_components_from_private_key: |_, _| unsupported(),
        compute_digest: |_, _| unsupported(),
    },
};

fn is_taken(algorithm: Algorithm) -> bool {
    use Algorithm::{ES256, EdDSA, HS256, RS256};
    matches!(algorithm, HS256 | EdDSA | ES256 | RS256)
}

fn unsupported<T>() -> Result<T> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

struct Checking {
    algorithm: Algorithm,
    key: DecodingKey,
}

struct Signing {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Verifier<Vec<u8>> for Checking {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let checked = match (self.algorithm, self.key.kind()) {
            (Algorithm::HS256, DecodingKeyKind::SecretOrDer(secret)) => keyed_hash::verify(
                &keyed_hash::Key::new(keyed_hash::HMAC_SHA256, secret),
                message,
                signature,
            ),
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
            }
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature)
            }
            (Algorithm::RS256, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(message, signature)
            }
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            _ => Err(Unspecified),
        };
        checked.map_err(|_| Error::new())
    }
}

impl JwtVerifier for Checking {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Signer<Vec<u8>> for Signing {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        let key = self.key.as_bytes();
        let random = SystemRandom::new();
        match self.algorithm {
            Algorithm::HS256 => {
                let key = keyed_hash::Key::new(keyed_hash::HMAC_SHA256, key);
                Ok(keyed_hash::sign(&key, message).as_ref().to_vec())
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key);
                let pair = pair.map_err(|_| Error::new())?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
            Algorithm::ES256 => {
                let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(kind, key, &random);
                let signed = pair.map_err(|_| Error::new())?.sign(&random, message);
                signed
                    .map(|signature| signature.as_ref().to_vec())
                    .map_err(|_| Error::new())
            }
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_der(key).map_err(|_| Error::new())?;
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| Error::new())?;
                Ok(signature)
            }
            _ => Err(Error::new()),
        }
    }
}

impl JwtSigner for Signing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
