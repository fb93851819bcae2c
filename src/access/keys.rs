//! The keys that tokens are checked with, read from what files hold. The algorithm belongs to the key.
//!
//! Problems are worded to follow the name of what was read.

use super::provider;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use simple_asn1::ASN1Block;

/// Keys for checking. Their `Debug` text withholds them.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// The name by which tokens choose it; without one it is tried for every token of its algorithm.
    id: Option<Box<str>>,
    algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl Keys {
    /// Bytes in a shared secret, at least: as many as HS256 makes of it (RFC 7518 section 3.2).
    pub const SECRET_BYTES_MIN: usize = 32;
    /// Keys in all.
    const MOST: usize = 32;
    /// Keys of one algorithm without a name, each of which is tried for every token of it: as many as two makers of tokens
    /// need who replace theirs, and so few that a crowd with forged tokens does not keep everybody else waiting.
    const NAMELESS_MOST: usize = 4;
    /// Bits in the modulus of an RSA key (RFC 7518 section 3.3).
    const RSA_BITS_MIN: usize = 2_048;

    /// No keys.
    pub fn new() -> Keys {
        provider::install();
        Keys::default()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// Adds a shared secret for HS256: the bytes as they are, but for white space at the end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), String> {
        let secret = secret.trim_ascii_end();
        if secret.len() < Self::SECRET_BYTES_MIN {
            let (bytes, least) = (secret.len(), Self::SECRET_BYTES_MIN);
            return Err(format!(
                "holds {bytes} bytes, but a secret has {least} at least: peerhub token --new-secret makes one"
            ));
        }
        let key = DecodingKey::from_secret(secret).map_err(|_| "holds no secret".to_owned())?;
        self.add(None, Algorithm::HS256, key)
    }

    /// Adds a public key in PEM: Ed25519 for EdDSA, P-256 for ES256, RSA of 2048 bits or more for RS256.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add_public_pem(&mut self, pem: &[u8]) -> Result<(), String> {
        if pem.windows(11).any(|part| part == b"PRIVATE KEY") {
            return Err("holds a private key: the hub needs only the public one".to_owned());
        }
        let (algorithm, key) = DecodingKey::from_ed_pem(pem)
            .map(|key| (Algorithm::EdDSA, key))
            .or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| (Algorithm::ES256, key)))
            .or_else(|_| DecodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key)))
            .map_err(|_| format!("holds no public key in PEM: write {KINDS}"))?;
        check(algorithm, &key)?;
        self.add(None, algorithm, key)
    }

    /// Adds the public keys of a JWKS (RFC 7517 section 5). Those for another purpose or another algorithm are passed over.
    ///
    /// # Errors
    /// What is wrong with it: a key that cannot be used, or none that can.
    pub fn add_jwks(&mut self, json: &[u8]) -> Result<(), String> {
        let set: jsonwebtoken::jwk::JwkSet =
            serde_json::from_slice(json).map_err(|error| format!("holds no JWKS: {error}"))?;
        let before = self.keys.len();
        for (place, jwk) in set.keys.iter().enumerate() {
            let wrong =
                |problem: String| format!("has a bad key at place {}: it {problem}", place + 1);
            if let Some((algorithm, key)) = public_key(jwk).map_err(wrong)? {
                self.add(jwk.common.key_id.as_deref(), algorithm, key)
                    .map_err(wrong)?;
            }
        }
        match self.keys.len() > before {
            true => Ok(()),
            false => Err(format!("holds no key for signatures: it may hold {KINDS}")),
        }
    }

    /// The keys that may have signed a token with this header. One that names a key is not checked with those of another
    /// name, and one that names none not with those that must be named.
    pub(super) fn for_token<'a>(
        &'a self,
        algorithm: Algorithm,
        id: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Key> {
        self.keys.iter().filter(move |key| {
            key.algorithm == algorithm && (key.id.is_none() || key.id.as_deref() == id)
        })
    }

    fn add(
        &mut self,
        id: Option<&str>,
        algorithm: Algorithm,
        key: DecodingKey,
    ) -> Result<(), String> {
        if id.is_some() && self.keys.iter().any(|known| known.id.as_deref() == id) {
            return Err("has the kid of another key".to_owned());
        }
        let nameless = |key: &&Key| key.id.is_none() && key.algorithm == algorithm;
        if id.is_none() && self.keys.iter().filter(nameless).count() >= Self::NAMELESS_MOST {
            let most = Self::NAMELESS_MOST;
            return Err(format!(
                "is one too many without a name: there may be {most} of an algorithm, and more in a JWKS, each with its kid"
            ));
        }
        if self.keys.len() >= Self::MOST {
            return Err(format!("is one too many: there may be {} keys", Self::MOST));
        }
        let id = id.map(Into::into);
        self.keys.push(Key { id, algorithm, key });
        Ok(())
    }
}

impl Key {
    /// What it costs to check one signature with it, in about a nanosecond.
    pub(super) fn check_cost(&self) -> u64 {
        match self.algorithm {
            Algorithm::HS256 => SECRET_COST,
            _ => PUBLIC_COST,
        }
    }
}

/// The key of a JWK for an algorithm that is taken here, if it is one.
fn public_key(jwk: &Jwk) -> Result<Option<(Algorithm, DecodingKey)>, String> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::OctetKey(_) => {
            return Err(
                "is a secret, which a JWKS must not hold: use token-secret-file".to_owned(),
            );
        }
        _ => return Ok(None),
    };
    let common = &jwk.common;
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let named = common.key_algorithm.map(Algorithm::try_from);
    let is_ours = named.is_none_or(|named| named.is_ok_and(|named| named == algorithm));
    if !is_for_signatures || !is_ours {
        return Ok(None);
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "is not as its kind must be".to_owned())?;
    check(algorithm, &key)?;
    Ok(Some((algorithm, key)))
}

/// Whether the key is as large as its algorithm asks for.
fn check(algorithm: Algorithm, key: &DecodingKey) -> Result<(), String> {
    let bytes = key.try_get_as_bytes().unwrap_or_default();
    match algorithm {
        Algorithm::EdDSA if bytes.len() != 32 => {
            Err("is of another Edwards curve than Ed25519".to_owned())
        }
        Algorithm::ES256 if bytes.len() != 65 || bytes[0] != 4 => {
            Err("is of another curve than P-256".to_owned())
        }
        Algorithm::RS256 if modulus_bits(key) < Keys::RSA_BITS_MIN => Err(format!(
            "is an RSA key of fewer bits than {}",
            Keys::RSA_BITS_MIN
        )),
        _ => Ok(()),
    }
}

/// The bits of an RSA key's modulus; 0 for what is no such key.
fn modulus_bits(key: &DecodingKey) -> usize {
    let bits = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        let first = bytes.get(zeros).map_or(0, |byte| byte.leading_zeros());
        (bytes.len() - zeros) * 8 - first as usize
    };
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => bits(n),
        DecodingKeyKind::SecretOrDer(der) => match simple_asn1::from_der(der).as_deref() {
            Ok([ASN1Block::Sequence(_, parts)]) => match &parts[..] {
                [ASN1Block::Integer(_, modulus), ASN1Block::Integer(..)] => modulus.bits() as usize,
                _ => 0,
            },
            _ => 0,
        },
    }
}

/// What it costs to check a signature with a shared secret, in about a nanosecond, and with a public key: of an elliptic
/// curve, which is the dearest that is usual.
const SECRET_COST: u64 = 10_000;
const PUBLIC_COST: u64 = 200_000;

/// What public keys may be.
const KINDS: &str =
    "an Ed25519 key (EdDSA), a P-256 key (ES256) or an RSA key of 2048 bits or more (RS256)";
