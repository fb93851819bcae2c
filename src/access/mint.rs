//! Tokens made for trying out: what `peerhub token` prints.
//!
//! The hub itself makes none. Problems are worded to follow the name of what was read.

use super::keys::Keys;
use super::provider;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use std::fmt;

/// What tokens are signed with. Its `Debug` text withholds it.
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

/// What a token is to say. Lists that are empty are left out, which allows everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Who it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The one peer id that he may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Patterns of linkage keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linkages: Vec<String>,
    /// Patterns of channels to publish to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<String>,
    /// Patterns of channels to subscribe to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscribe: Vec<String>,
    /// Patterns of dialects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dialects: Vec<String>,
    /// Whether he may watch the debug stream.
    #[serde(skip_serializing_if = "is_false")]
    pub debout: bool,
    /// Whether he may use what is for operators.
    #[serde(skip_serializing_if = "is_false")]
    pub admin: bool,
    /// For whom the token is made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
    /// By whom it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// When it is made, seconds since 1970.
    pub iat: u64,
    /// When it expires, seconds since 1970.
    pub exp: u64,
}

impl SigningKey {
    /// A shared secret, for HS256: the bytes as they are, but for white space at the end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_secret(secret: &[u8]) -> Result<SigningKey, String> {
        Keys::new().add_secret(secret)?;
        let key = EncodingKey::from_secret(secret.trim_ascii_end());
        let key = key.map_err(|_| "holds no secret".to_owned())?;
        let algorithm = Algorithm::HS256;
        Ok(SigningKey { algorithm, key })
    }

    /// A private key in PEM: Ed25519 for EdDSA, P-256 for ES256, RSA for RS256.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_pem(pem: &[u8]) -> Result<SigningKey, String> {
        let (algorithm, key) = EncodingKey::from_ed_pem(pem)
            .map(|key| (Algorithm::EdDSA, key))
            .or_else(|_| EncodingKey::from_ec_pem(pem).map(|key| (Algorithm::ES256, key)))
            .or_else(|_| EncodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key)))
            .map_err(|_| {
                "holds no private key in PEM (PKCS #8): write one of Ed25519, P-256 or RSA"
                    .to_owned()
            })?;
        Ok(SigningKey { algorithm, key })
    }

    /// Makes a token.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(&self, wanted: &Wanted) -> Result<String, String> {
        provider::install();
        encode(&Header::new(self.algorithm), wanted, &self.key).map_err(|_| {
            "holds a key that cannot sign: write one of Ed25519, P-256 or RSA of 2048 bits or more"
                .to_owned()
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({:?})", self.algorithm)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(switch: &bool) -> bool {
    !switch
}
