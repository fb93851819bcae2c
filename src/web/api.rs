//! `POST /api`: the JSON interface of the original server, with its one function `getpeersource`.
//!
//! A well-formed call is answered with 200, whether it succeeds or not, and its answer says which. What is no such call
//! gets the HTTP status that says why, with the same error object as its body.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::assets::{FULL_PATH, MINIMIZED_PATH};
use super::{NO_CACHE, Web};
use crate::wire::{Head, Response};

/// A call, as far as it can be read: each function reads its own parameters.
#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}

/// The parameters of `getpeersource`.
#[derive(Default, Deserialize)]
struct GetPeerSource {
    minimized: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Success<'a> {
    succeed: bool,
    request_name: &'a str,
    content: &'a str,
    elapsed: u64,
}

#[derive(Serialize)]
struct Failure<'a> {
    succeed: bool,
    error: Error<'a>,
    elapsed: u64,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
}

/// Answers a POST.
pub(super) fn answer(web: &Web, head: &Head<'_>, body: &[u8]) -> Response {
    let started_ms = (web.clock_ms)();
    if !is_json(head.header_text("content-type").unwrap_or_default()) {
        let mut response = fault(
            web,
            415,
            "unsupportedmediatype",
            "The call must be JSON, with Content-Type: application/json.",
            started_ms,
        );
        response
            .headers
            .push(("Accept-Post", "application/json".into()));
        return response;
    }
    // The body is first read as any JSON at all: text that is none is another fault than a call that makes no sense.
    let json: &RawValue = match serde_json::from_slice(body) {
        Ok(json) => json,
        Err(error) => {
            let message = format!("The body is not JSON: {error}.");
            return fault(web, 400, "malformedjson", &message, started_ms);
        }
    };
    let Ok(call) = serde_json::from_str::<Call<'_>>(json.get()) else {
        let message = "A call is an object with a \"name\" and \"parameters\".";
        return fault(web, 200, "invalidcall", message, started_ms);
    };
    if !call.name.eq_ignore_ascii_case("getpeersource") {
        let message = "There is no such function. There is: getpeersource.";
        return fault(web, 200, "unknownfunction", message, started_ms);
    }
    get_peer_source(web, &call, started_ms)
}

/// An answer that tells of an error, with the HTTP status `status`.
pub(super) fn fault(
    web: &Web,
    status: u16,
    code: &str,
    message: &str,
    started_ms: u64,
) -> Response {
    let failure = Failure {
        succeed: false,
        error: Error { code, message },
        elapsed: (web.clock_ms)().saturating_sub(started_ms),
    };
    json_response(status, &failure)
}

/// The source of the browser client, minified unless asked otherwise.
fn get_peer_source(web: &Web, call: &Call<'_>, started_ms: u64) -> Response {
    let parameters = call.parameters.map_or("null", RawValue::get);
    let Ok(parameters) = serde_json::from_str::<Option<GetPeerSource>>(parameters) else {
        let message = "The parameters of getpeersource are {\"minimized\": true or false}.";
        return fault(web, 200, "invalidparameters", message, started_ms);
    };
    let path = match parameters.unwrap_or_default().minimized {
        Some(false) => FULL_PATH,
        Some(true) | None => MINIMIZED_PATH,
    };
    let source = web.asset(path).map_or(&[][..], |asset| &asset.bytes);
    let Ok(content) = std::str::from_utf8(source) else {
        return fault(
            web,
            500,
            "internalerror",
            "The source is not text.",
            started_ms,
        );
    };
    let success = Success {
        succeed: true,
        request_name: &call.name,
        content,
        elapsed: (web.clock_ms)().saturating_sub(started_ms),
    };
    json_response(200, &success)
}

fn json_response(status: u16, body: &impl Serialize) -> Response {
    let body = serde_json::to_string(body)
        .expect("structures of strings, numbers and booleans can always be written as JSON");
    Response {
        content_type: "application/json",
        headers: vec![NO_CACHE],
        ..Response::text(status, body)
    }
}

/// Whether a content type is JSON's, whatever parameters follow.
fn is_json(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
        || essence.starts_with("application/") && essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        let cases = [
            ("application/json", true),
            ("Application/JSON ; charset=utf-8", true),
            ("application/vnd.api+json", true),
            ("text/plain", false),
            ("application/jsonp", false),
            ("", false),
        ];
        for (content_type, is_accepted) in cases {
            assert_eq!(is_json(content_type), is_accepted, "{content_type}");
        }
    }
}
