//! What can be set of TLS: the certificate, and what becomes of those who come without TLS.
//!
//! Pure. The files are read by `net`, at start and whenever they change.

/// TLS. Off unless there is a certificate, from a file or made at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The PEM file with the certificate chain, the hub's own certificate first; the key may be in it too.
    pub cert: Option<String>,
    /// The PEM file with the private key; none if it is in `cert`.
    pub key: Option<String>,
    /// Whether a certificate for development is made at start.
    pub self_signed: bool,
    /// What becomes of those who come without TLS while there is a certificate.
    pub plaintext: Plaintext,
}

/// What becomes of those who come without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plaintext {
    /// They are served as well.
    Serve,
    /// They are told that they must come with TLS.
    Refuse,
    /// They are sent to the same place with TLS.
    Redirect,
}

impl Tls {
    /// Whether there is a certificate.
    pub fn is_on(&self) -> bool {
        self.cert.is_some() || self.self_signed
    }

    /// What becomes of those who come without TLS. Without a certificate they are served.
    pub fn plaintext(&self) -> Plaintext {
        match self.is_on() {
            true => self.plaintext,
            false => Plaintext::Serve,
        }
    }

    /// Whether everything on the wire is encrypted.
    pub(super) fn encrypts_all(&self) -> bool {
        self.is_on() && self.plaintext() != Plaintext::Serve
    }
}

impl Default for Tls {
    fn default() -> Tls {
        Tls {
            cert: None,
            key: None,
            self_signed: false,
            plaintext: Plaintext::Serve,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_certificate_nobody_is_sent_away() {
        let mut tls = Tls {
            plaintext: Plaintext::Refuse,
            ..Tls::default()
        };
        assert_eq!(tls.plaintext(), Plaintext::Serve);
        assert!(!tls.encrypts_all());
        tls.self_signed = true;
        assert_eq!(tls.plaintext(), Plaintext::Refuse);
        assert!(tls.encrypts_all());
        tls.plaintext = Plaintext::Serve;
        assert!(!tls.encrypts_all());
    }
}
