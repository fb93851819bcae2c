//! What those are told who come without TLS to a hub that wants it.

use super::NO_CACHE;
use crate::config::Plaintext;
use crate::wire::{Head, Response};

/// The answer to a request that came without TLS; none if it is to be served. Who cannot be sent elsewhere, since it does
/// not say where it is, is told why.
pub(super) fn answer(plaintext: Plaintext, head: &Head<'_>) -> Option<Response> {
    let place = match plaintext {
        Plaintext::Serve => return None,
        Plaintext::Refuse => None,
        Plaintext::Redirect => head.header_text("host").filter(|host| is_place(host)),
    };
    let Some(place) = place else {
        let text =
            "Come with TLS: write https:// instead of http://, and wss:// instead of ws://.\n";
        return Some(Response::text(400, text));
    };
    let query = head.query.map(|query| format!("?{query}"));
    let url = format!("https://{place}{}{}", head.path, query.unwrap_or_default());
    Some(Response {
        headers: vec![("Location", url.clone().into()), NO_CACHE],
        ..Response::text(308, format!("It is at {url}\n"))
    })
}

/// Whether this is a host, perhaps with a port, and nothing that would lead elsewhere.
fn is_place(host: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::parse_head;

    #[test]
    fn requests_and_where_they_are_sent() {
        let told = |plaintext, target: &str, host: &str| {
            let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let (head, _) = parse_head(request.as_bytes(), 4096).unwrap().unwrap();
            let response = answer(plaintext, &head)?;
            let location = response
                .headers
                .iter()
                .find(|(name, _)| *name == "Location");
            Some((response.status, location.map(|(_, url)| url.to_string())))
        };
        let to = |url: &str| Some((308, Some(url.to_owned())));
        assert_eq!(told(Plaintext::Serve, "/", "a"), None);
        assert_eq!(told(Plaintext::Refuse, "/", "a"), Some((400, None)));
        let redirected = |target, host| told(Plaintext::Redirect, target, host);
        assert_eq!(redirected("/", "a:3007"), to("https://a:3007/"));
        assert_eq!(redirected("/b?c=d", "[::1]"), to("https://[::1]/b?c=d"));
        assert_eq!(redirected("/", "a@b"), Some((400, None)));
    }
}
