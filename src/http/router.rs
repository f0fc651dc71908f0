//! From a request to an answer; pure. A new page is a row in the table.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderName, Method, Response, StatusCode};
use http_body_util::Full;
use prost::bytes::Bytes;

use super::board::{Board, View};
use super::hosts::{self, Local};
use super::{api, page, status};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What goes with every answer: nobody keeps it, guesses what it is, frames it, or lets it fetch or run anything.
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// What a listener offers, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// All there is, to who asks by a name of ours.
    All,
    /// The same, but for the page.
    WithoutPage,
    /// Whether the agent lives and is ready, to anybody.
    Health,
}

impl Offer {
    /// Whether what is offered with `least` is offered with this one.
    fn has(self, least: Self) -> bool {
        match self {
            Self::All => true,
            Self::WithoutPage => least != Self::All,
            Self::Health => least == Self::Health,
        }
    }
}

/// How an answer is made, of what is on the board and what is asked.
type Give = fn(&View<'_>, &str) -> Answer;

/// Every page: its path, whether probes have it too, and what gives it.
const PAGES: &[(&str, Offer, Give)] = &[
    ("/livez", Offer::Health, |view, _| probe(view.live())),
    ("/readyz", Offer::Health, |view, _| probe(view.ready())),
    ("/", Offer::All, |_, _| Answer {
        status: StatusCode::OK,
        kind: HTML,
        body: Bytes::from_static(page::DOCUMENT.as_bytes()),
    }),
    ("/status", Offer::WithoutPage, |view, _| {
        Answer::json(status::json(view))
    }),
    ("/api/v1/now", Offer::WithoutPage, |view, query| {
        Answer::answered(api::now(view, query))
    }),
    ("/api/v1/history", Offer::WithoutPage, |view, query| {
        Answer::answered(api::history(view, query))
    }),
    ("/api/v1/pods", Offer::WithoutPage, |view, query| {
        Answer::answered(api::pods(view, query))
    }),
    ("/api/v1/alerts", Offer::WithoutPage, |view, query| {
        Answer::answered(api::alerts(view, query))
    }),
];

/// An answer, without what goes with every one.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    kind: HeaderValue,
    body: Bytes,
}

impl Answer {
    fn text(status: StatusCode, text: impl Into<String>) -> Self {
        let mut body = text.into().into_bytes();
        body.push(b'\n');
        Self {
            status,
            kind: TEXT,
            body: body.into(),
        }
    }

    fn json(body: Vec<u8>) -> Self {
        Self {
            status: StatusCode::OK,
            kind: JSON,
            body: body.into(),
        }
    }

    fn answered(answered: api::Answered) -> Self {
        match answered {
            Ok(body) => Self::json(body),
            Err(why) => Self::text(StatusCode::BAD_REQUEST, why),
        }
    }
}

/// Answers a request that came to the end `local` of a connection, on a listener with this offer.
pub(super) fn answer(
    request: &Parts,
    offer: Offer,
    local: Local,
    board: &Board,
) -> Response<Full<Bytes>> {
    let path = request.uri.path();
    let named = PAGES.iter().find(|(name, ..)| *name == path);
    let page = named.filter(|(_, least, _)| offer.has(*least));
    let answer = match page {
        _ if offer != Offer::Health && !is_for_us(request, local) => Answer::text(
            StatusCode::MISDIRECTED_REQUEST,
            "ask by the address that is listened on, or as localhost: the Host of this request is neither",
        ),
        None if named.is_some() && offer == Offer::WithoutPage => Answer::text(
            StatusCode::NOT_FOUND,
            "the page is turned off (--http-page=false); what it would show is under /api/v1/, and /status",
        ),
        None => Answer::text(StatusCode::NOT_FOUND, "there is no such page"),
        Some(_) if ![Method::GET, Method::HEAD].contains(&request.method) => Answer::text(
            StatusCode::METHOD_NOT_ALLOWED,
            "nothing here can be changed: GET or HEAD",
        ),
        Some((_, _, give)) => {
            let query = request.uri.query().unwrap_or_default();
            board.look(|view| give(view, query))
        }
    };
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.extend(ALWAYS);
    if answer.kind == HTML {
        headers.insert(CONTENT_SECURITY_POLICY, page::POLICY.clone());
    }
    headers.insert(CONTENT_TYPE, answer.kind);
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Whether the one name that a request is for is ours. It may be in its target too, and then both have to be.
fn is_for_us(request: &Parts, local: Local) -> bool {
    let mut named = request.headers.get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return false;
    };
    let target = request.uri.authority().map(Authority::as_str);
    host.to_str().is_ok_and(|host| hosts::is_ours(host, local))
        && target.is_none_or(|target| hosts::is_ours(target, local))
}

fn probe(is_so: Result<(), String>) -> Answer {
    match is_so {
        Ok(()) => Answer::text(StatusCode::OK, "ok"),
        Err(why) => Answer::text(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
