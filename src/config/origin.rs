//! Origins of pages: which ones a list allows (RFC 6454, and what browsers send in `Origin`).
//!
//! Pure. Read once from the setting `allow-origin`; asked by `web` for every answer and by `net` for every upgrade.
//! Problems are worded to follow the setting's name, as everywhere in this room.

use super::value::quote;
use std::net::Ipv6Addr;

/// The origins that may come in. An empty list is everybody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    allowed: Vec<Allowed>,
}

/// One origin, or those of all subdomains.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    place: Place,
    /// The host's subdomains are meant, however deep, and not the host.
    subdomains: bool,
}

/// Scheme, host and port, as browsers write them: in lower case, and without the scheme's own port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origins {
    /// Reads a list: `https://app.example.org`, `http://localhost:8080`, `https://*.example.org`.
    ///
    /// # Errors
    /// The operator's: what is wrong with the first bad entry and what would be right.
    ///
    /// ```
    /// let origins = peerhub::config::Origins::new(&["https://*.example.org".to_owned()]).unwrap();
    /// assert!(origins.allow("https://app.example.org"));
    /// assert!(!origins.allow("https://example.org") && !origins.allow("null"));
    /// ```
    pub fn new(texts: &[String]) -> Result<Origins, String> {
        let allowed = texts.iter().map(|text| Allowed::read(text));
        Ok(Origins {
            allowed: allowed.collect::<Result<_, _>>()?,
        })
    }

    /// Whether every origin is allowed.
    pub fn are_all(&self) -> bool {
        self.allowed.is_empty()
    }

    /// Whether a page of this origin may come in. What is no origin, `null` among it, may only if every origin may.
    /// O(list).
    pub fn allow(&self, origin: &str) -> bool {
        self.are_all()
            || Place::read(origin)
                .is_ok_and(|place| self.allowed.iter().any(|allowed| allowed.holds(&place)))
    }
}

impl Allowed {
    fn read(text: &str) -> Result<Allowed, String> {
        let wrong = |problem: &str| Err(format!("{} {problem}", quote(text)));
        match text {
            "*" => {
                return wrong(
                    "is every origin, which is what holds without this setting: leave it out",
                );
            }
            "null" => {
                return wrong(
                    "is what all pages say that have no origin, such as files: it cannot be allowed",
                );
            }
            _ => {}
        }
        let (plain, subdomains) = match text.split_once("://*.") {
            Some((scheme, domain)) => (format!("{scheme}://{domain}"), true),
            None => (text.to_owned(), false),
        };
        match Place::read(&plain) {
            Ok(place) if matches!(place.scheme.as_str(), "ws" | "wss") => {
                wrong("is no page's: write the page's own https:// or http://")
            }
            Ok(place) if subdomains && place.host.starts_with('[') => {
                wrong("is not an origin: an address has no subdomains")
            }
            Ok(place) => Ok(Allowed { place, subdomains }),
            Err(problem) => wrong(problem),
        }
    }

    fn holds(&self, place: &Place) -> bool {
        let Place { scheme, host, port } = &self.place;
        let is_host = if self.subdomains {
            let labels = place.host.strip_suffix(host.as_str());
            labels.is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
        } else {
            *host == place.host
        };
        is_host && *scheme == place.scheme && *port == place.port
    }
}

impl Place {
    /// Reads an origin; what is wrong otherwise and what would be right, to be read after what was written.
    fn read(text: &str) -> Result<Place, &'static str> {
        const RIGHT: &str = "is not an origin: write for example https://app.example.org";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("has no scheme: write for example https://app.example.org");
        };
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme {
            return Err(RIGHT);
        }
        match rest.split_once('/') {
            Some((_, "")) => return Err("ends with a slash: leave that out"),
            Some(_) => {
                return Err(
                    "has a path: an origin ends with its host or port, as in https://app.example.org",
                );
            }
            None => {}
        }
        if rest.contains('*') {
            return Err(
                "has a star in the wrong place: it stands for all subdomains, as in https://*.example.org",
            );
        }
        if !rest.is_ascii() {
            return Err("is not ASCII: write the host as browsers do, beginning with xn--");
        }
        // Only an address in brackets has colons of its own.
        let host_end = rest.find(']').map_or(0, |end| end + 1);
        let (host, port) = match rest[host_end..].find(':') {
            Some(colon) => {
                let (host, port) = rest.split_at(host_end + colon);
                (host, Some(&port[1..]))
            }
            None => (rest, None),
        };
        let scheme = scheme.to_ascii_lowercase();
        let port = match port {
            None => None,
            Some(port) => Some(read_port(port).ok_or("has no valid port: write 1 to 65535")?),
        };
        let own_port = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Ok(Place {
            port: port.filter(|port| Some(*port) != own_port),
            host: read_host(host).ok_or(RIGHT)?,
            scheme,
        })
    }
}

/// A port as digits alone, and not 0.
pub(super) fn read_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|port: &u16| is_number && *port != 0)
}

/// A host's name in lower case, or an address in its shortest form.
pub(super) fn read_host(text: &str) -> Option<String> {
    if let Some(inside) = text.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A name may end with a dot, which makes it another origin.
    let labels = text.strip_suffix('.').unwrap_or(text);
    labels
        .split('.')
        .all(is_label)
        .then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&str]) -> Result<Origins, String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Origins::new(&texts)
    }

    #[test]
    fn lists_and_who_may_come_in() {
        let cases: [(&str, &[&str], &[&str]); 8] = [
            (
                "https://app.example.org",
                &[
                    "https://app.example.org",
                    "https://app.example.org:443",
                    "HTTPS://App.Example.ORG",
                ],
                &[
                    "http://app.example.org",
                    "https://app.example.org:8443",
                    "https://app.example.org:80",
                    "https://example.org",
                    "https://an.app.example.org",
                    "https://app.example.org.evil.example",
                    "https://app.example.org.",
                    "https://app.example.org/",
                    "https://app.example.org https://evil.example",
                    "null",
                    "",
                    "app.example.org",
                ],
            ),
            (
                "https://App.Example.org:443",
                &["https://app.example.org"],
                &["https://app.example.org:444"],
            ),
            (
                "http://localhost:8080",
                &["http://localhost:8080"],
                &[
                    "http://localhost",
                    "http://localhost:80",
                    "https://localhost:8080",
                ],
            ),
            (
                "https://*.example.org",
                &["https://a.example.org", "https://a.b.c.example.org"],
                &[
                    "https://example.org",
                    "https://.example.org",
                    "https://evilexample.org",
                    "http://a.example.org",
                    "https://a.example.org:8443",
                    "https://*.example.org",
                    "https://a.example.org.evil.example",
                ],
            ),
            (
                "https://*.example.org:8443",
                &["https://a.example.org:8443"],
                &["https://a.example.org"],
            ),
            (
                "http://[::1]:3000",
                &["http://[0:0::1]:3000"],
                &["http://[::1]", "http://[::2]:3000"],
            ),
            (
                "http://192.0.2.1",
                &["http://192.0.2.1"],
                &["http://192.0.2.2"],
            ),
            (
                "capacitor://localhost",
                &["capacitor://localhost"],
                &["ionic://localhost"],
            ),
        ];
        for (text, allowed, refused) in cases {
            let origins = origins(&[text]).unwrap();
            for origin in allowed {
                assert!(origins.allow(origin), "{text} allows {origin}");
            }
            for origin in refused {
                assert!(!origins.allow(origin), "{text} refuses {origin}");
            }
        }
        let both = origins(&["https://a.example", "http://b.example"]).unwrap();
        assert!(both.allow("https://a.example") && both.allow("http://b.example"));
        assert!(!both.allow("http://a.example") && !both.are_all());
        let all = origins(&[]).unwrap();
        assert!(all.are_all() && all.allow("https://a.example") && all.allow("null"));
    }

    #[test]
    fn bad_entries_say_what_would_be_right() {
        let cases = [
            ("", "has no scheme"),
            ("*", "leave it out"),
            ("null", "cannot be allowed"),
            ("app.example.org", "has no scheme"),
            ("//app.example.org", "has no scheme"),
            ("localhost:8080", "has no scheme"),
            ("https://app.example.org/", "ends with a slash"),
            ("https://app.example.org/index.html", "has a path"),
            ("https://*", "star in the wrong place"),
            ("https://a.*.example.org", "star in the wrong place"),
            ("https://*.*.example.org", "star in the wrong place"),
            ("https://*.[::1]", "no subdomains"),
            ("https://*.", "is not an origin"),
            ("https://", "is not an origin"),
            ("https://user@example.org", "is not an origin"),
            ("https://example.org?query", "is not an origin"),
            ("https://a..example.org", "is not an origin"),
            ("https://::1", "has no valid port"),
            ("https://[::1", "has no valid port"),
            ("https://example.org:", "has no valid port"),
            ("https://example.org:0", "has no valid port"),
            ("https://example.org:+1", "has no valid port"),
            ("https://example.org:65536", "has no valid port"),
            ("https://bücher.example", "xn--"),
            ("wss://example.org", "is no page's"),
            ("1://example.org", "is not an origin"),
        ];
        for (text, problem) in cases {
            let error = origins(&["https://good.example", text]).expect_err(text);
            assert!(error.contains(problem) && !error.contains('\n'), "{error}");
            assert!(error.starts_with(&quote(text)), "{error}");
        }
    }
}
