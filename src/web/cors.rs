//! Which pages may come in, and which may read what the port answers (Fetch standard, CORS protocol).
//!
//! The one place that decides it, for every answer: errors and preflights too, and whoever made them. Pure. The browser
//! enforces it for answers; upgrades, which no browser stops, are refused by `net` with [`Cors::refusal`].
//!
//! Without a list of origins the answers are everybody's. Those of PeerJS then say so as PeerServer does, by naming the
//! page that asks; the others with a star. With a list, an answer names the page that asks if it is allowed, or nobody.

use super::Field;
use super::peerjs::Site;
use crate::config::{Config, Origins};
use crate::wire::{Head, HttpFault, Response};

/// Which pages may come in.
#[derive(Debug)]
pub struct Cors {
    origins: Origins,
    peerjs: Option<Site>,
}

impl Cors {
    /// Reads the settings, which are checked.
    pub fn new(config: &Config) -> Cors {
        Cors {
            origins: Origins::new(&config.allowed_origins)
                .expect("checked settings hold no bad origins"),
            peerjs: Site::of(config),
        }
    }

    /// Why the page that asks for this upgrade may not have it, if so. Programs, which name no origin, always may.
    pub fn refusal(&self, origin: Option<&str>) -> Option<HttpFault> {
        let text = "Pages of this origin may not connect here: the hub's setting allow-origin does not name it.";
        origin
            .is_some_and(|origin| !self.origins.allow(origin))
            .then(|| HttpFault::new(403, text))
    }

    /// Adds to an answer who may read it, and to that of a preflight what may be asked.
    pub fn dress(&self, head: &Head<'_>, response: &mut Response) {
        let headers = &mut response.headers;
        let origin = head.origin();
        let is_peerjs = self
            .peerjs
            .as_ref()
            .is_some_and(|site| site.owns(head.path));
        if !self.origins.are_all() || is_peerjs {
            vary(headers);
            let named = origin.filter(|origin| self.origins.allow(origin));
            match named {
                Some(origin) => headers.push((ALLOW_ORIGIN, origin.to_owned().into())),
                None if self.origins.are_all() => headers.push((ALLOW_ORIGIN, "*".into())),
                None => return,
            }
        } else {
            headers.push((ALLOW_ORIGIN, "*".into()));
        }
        if head.method == "OPTIONS" && response.status < 300 {
            dress_preflight(head, headers);
        }
    }
}

/// Says that the answer differs from page to page, beside what else it differs by, so that caches do not mix them up.
fn vary(headers: &mut Vec<Field>) {
    match headers.iter_mut().find(|(name, _)| *name == "Vary") {
        Some((_, value)) => value.to_mut().push_str(", Origin"),
        None => headers.push(("Vary", "Origin".into())),
    }
}

/// Adds what may be asked: the methods that the answer allows and the header fields that were asked for.
fn dress_preflight(head: &Head<'_>, headers: &mut Vec<Field>) {
    let allowed = headers.iter().find(|(name, _)| *name == "Allow");
    if let Some((_, methods)) = allowed.cloned() {
        headers.push(("Access-Control-Allow-Methods", methods));
    }
    let asked = head
        .header_text("access-control-request-headers")
        .filter(|asked| is_list_of_names(asked))
        .unwrap_or("Content-Type");
    headers.push(("Access-Control-Allow-Headers", asked.to_owned().into()));
    headers.push(("Access-Control-Max-Age", "86400".into()));
    if head.header("access-control-request-private-network") == Some(b"true") {
        headers.push(("Access-Control-Allow-Private-Network", "true".into()));
    }
}

/// Whether this lists names of header fields, and not very many.
fn is_list_of_names(text: &str) -> bool {
    const BYTES_MAX: usize = 1024;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_, ".contains(&byte);
    text.len() <= BYTES_MAX
        && text.bytes().all(is_letter)
        && text.contains(|letter: char| letter.is_ascii_alphanumeric())
}

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
