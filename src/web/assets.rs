//! The files that the port serves: start page, browser clients, icon, and what belongs to peero while it is spoken.
//!
//! They are compiled in, so the binary needs no folder beside it. Each has a strong entity tag made of its bytes, and
//! caches must ask before they use what they have (`no-cache`): a page never runs an older client than its hub's.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::Field;
use super::spoken::{self, Spoken};
use crate::config::Config;
use crate::wire::{Head, Response};

/// One file and how it is served.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    /// A few words for the list of what the port answers.
    pub(super) about: &'static str,
    pub(super) bytes: Cow<'static, [u8]>,
    content_type: &'static str,
    headers: Vec<Field>,
    /// With its quotes, as headers have it.
    etag: String,
}

/// All files. The tags are computed here: O(bytes of all files).
/// `version` and the dialects that are on are shown on the start page.
pub(super) fn all(version: &str, config: &Config, spoken: &[Spoken]) -> Vec<Asset> {
    const TYPES: &str = "application/typescript; charset=utf-8";
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    let start_page = page(include_str!("start.html"))
        .replace("{{version}}", version)
        .replace("{{dialects}}", &spoken::items(spoken));
    let mut assets = vec![
        Asset::page("/", "the start page", start_page),
        Asset::new(
            FULL_PATH,
            "the client, for script tags and CommonJS",
            &include_bytes!("client/ok-peerconnection.js")[..],
            SCRIPT,
        ),
        Asset::new(
            MINIMIZED_PATH,
            "the same, minified",
            &include_bytes!("client/ok-peerconnection-min.js")[..],
            SCRIPT,
        ),
        Asset::new(
            "/ok-peerconnection.mjs",
            "the client as an ES module",
            &include_bytes!("client/ok-peerconnection.mjs")[..],
            SCRIPT,
        ),
        Asset::new(
            "/ok-peerconnection.d.ts",
            "its TypeScript declarations",
            &include_bytes!("client/ok-peerconnection.d.ts")[..],
            TYPES,
        ),
        Asset::new(
            "/ok-peerconnection.d.mts",
            "those of the ES module",
            &include_bytes!("client/ok-peerconnection.d.mts")[..],
            TYPES,
        ),
        Asset::new(
            "/favicon.ico",
            "the icon",
            &include_bytes!("favicon.svg")[..],
            "image/svg+xml",
        ),
    ];
    if config.peero.on {
        assets.push(Asset::page(
            "/peero.html",
            "a page that connects its tabs directly",
            page(include_str!("peero.html")),
        ));
        assets.push(Asset::new(
            "/peero.js",
            "its client as an ES module",
            &include_bytes!("client/peero.js")[..],
            SCRIPT,
        ));
        assets.push(Asset::new(
            "/peero.d.ts",
            "its TypeScript declarations",
            &include_bytes!("client/peero.d.ts")[..],
            TYPES,
        ));
    }
    assets
}

/// A page with the style that all have.
fn page(html: &str) -> String {
    html.replace("{{style}}", include_str!("page.css"))
}

impl Asset {
    /// A page for people.
    fn page(path: &'static str, about: &'static str, html: String) -> Asset {
        let policy = content_security_policy(&html);
        let mut asset = Asset::new(path, about, html.into_bytes(), "text/html; charset=utf-8");
        let policy = ("Content-Security-Policy", policy.into());
        asset.headers.push(policy);
        asset
    }

    fn new(
        path: &'static str,
        about: &'static str,
        bytes: impl Into<Cow<'static, [u8]>>,
        content_type: &'static str,
    ) -> Asset {
        let bytes = bytes.into();
        // 128 bits of the hash tell any two versions of a file apart.
        let etag: String = Sha256::digest(&bytes)[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let etag = format!("\"{etag}\"");
        Asset {
            path,
            about,
            bytes,
            content_type,
            headers: vec![
                ("Cache-Control", "no-cache".into()),
                ("ETag", etag.clone().into()),
            ],
            etag,
        }
    }

    /// The file, or word that the asker has it.
    pub(super) fn answer(&self, head: &Head<'_>) -> Response {
        let is_known = head
            .header_text("if-none-match")
            .is_some_and(|known| lists_tag(known, &self.etag));
        Response {
            status: if is_known { 304 } else { 200 },
            content_type: self.content_type,
            headers: self.headers.clone(),
            body: self.bytes.clone(),
        }
    }
}

/// Whether `If-None-Match` names the tag. The weak comparison ignores the mark `W/`, which a compressing proxy may have
/// added (RFC 9110 section 13.1.2).
fn lists_tag(known: &str, etag: &str) -> bool {
    known.trim() == "*"
        || known.split(',').any(|tag| {
            let tag = tag.trim();
            tag.strip_prefix("W/").unwrap_or(tag) == etag
        })
}

/// What a page may do: run its own scripts, which are named by their hashes, and those of this hub, and open
/// WebSockets. So a name or message of a peer that the page showed as markup would still not run.
fn content_security_policy(page: &str) -> String {
    let mut scripts = String::from("'self'");
    for script in inline_scripts(page) {
        scripts.push_str(" 'sha256-");
        scripts.push_str(&base64(&Sha256::digest(script.as_bytes())));
        scripts.push('\'');
    }
    format!(
        "default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The texts of all script elements without a source, just as they stand. Empty for script elements with one.
fn inline_scripts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script")?;
        (!script.is_empty()).then_some(script)
    })
}

/// Base64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, index| {
            bits << 8 | usize::from(group.get(index).copied().unwrap_or(0))
        });
        for index in 0..4 {
            // A group of n bytes makes n + 1 digits.
            if index <= group.len() {
                text.push(char::from(DIGITS[bits >> (18 - 6 * index) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

pub(super) const FULL_PATH: &str = "/ok-peerconnection.js";
pub(super) const MINIMIZED_PATH: &str = "/ok-peerconnection-min.js";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_by_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn inline_scripts_are_found() {
        let page = "<script src=\"a.js\"></script><p><script type=module>\n1 > 0;\n</script><script>x</script>";
        let scripts: Vec<_> = inline_scripts(page).collect();
        assert_eq!(scripts, ["\n1 > 0;\n", "x"]);
    }

    #[test]
    fn the_pages_keep_to_their_policy() {
        // Handlers in attributes and scripts from elsewhere are what the policy stops without a word on the page.
        let pages = concat!(include_str!("start.html"), include_str!("peero.html"));
        let page = pages.to_ascii_lowercase();
        for forbidden in [
            " onclick=",
            " onsubmit=",
            " onload=",
            " oninput=",
            " onkeydown=",
            "javascript:",
        ] {
            assert!(!page.contains(forbidden), "a page has {forbidden}");
        }
        assert!(!page.contains("<script src=\"http"));
    }

    #[test]
    fn tags_are_compared_weakly() {
        let cases = [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ];
        for (known, is_listed) in cases {
            assert_eq!(lists_tag(known, "\"a\""), is_listed, "{known}");
        }
    }
}
