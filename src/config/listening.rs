//! The settings of who may ask over HTTP.

use super::layers::Layers;
use super::setting::{Setting, UsedBy, plain};
use super::text;
use super::values::boolean;
use crate::http::{Options, Place, Wanted};

/// They come last: an agent does its work without anybody asking.
pub(super) const LISTENING: &[Setting] = &[
    Setting {
        key: "http_listen",
        flag: Some("http-listen"),
        env: &[plain("TCPGAUGE_HTTP_LISTEN")],
        default: "127.0.0.1:9469",
        value: "PLACE",
        bounds: "`IP:PORT`, `:PORT` for every address, `none`",
        help: "Where the page, /api/v1, /status, /livez and /readyz answer (docs/http.md): to who asks by address or as localhost, and without a password, so think before naming more than loopback. If the default is taken the agent goes on without; if a place that is given is, it does not start",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "http_page",
        flag: Some("http-page"),
        env: &[plain("TCPGAUGE_HTTP_PAGE")],
        default: "true",
        value: "BOOL",
        bounds: "`true`, `false`",
        help: "Whether `/` of http_listen is a page for people; the rest answers without it as well",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "health_listen",
        flag: Some("health-listen"),
        env: &[plain("TCPGAUGE_HEALTH_LISTEN")],
        default: "none",
        value: "PLACE",
        bounds: "`IP:PORT`, `:PORT` for every address, `none`",
        help: "Where /livez and /readyz alone answer, to anybody and by any name: for a kubelet, which asks by the pod's address",
        used_by: UsedBy::Senders,
    },
];

pub(super) fn options(layers: &mut Layers) -> Option<Options> {
    let all = layers.take("http_listen", text(place));
    let health = layers.take("health_listen", text(place));
    let page = layers.take("http_page", text(boolean));
    let asked_for = layers.is_given("http_listen");
    let (all, health, page) = (all?, health?, page?);
    // With port 0 each has one of its own.
    if asked_for && health.is_some() && all == health && !health.is_some_and(Place::is_anywhere) {
        return layers.refuse(
            "health_listen",
            "is the place of http_listen, which answers /livez and /readyz as well",
        );
    }
    Some(Options {
        all: all.map(|place| Wanted { place, asked_for }),
        health,
        page,
    })
}

fn place(text: &str) -> Result<Option<Place>, String> {
    if text == "none" {
        return Ok(None);
    }
    Place::parse(text).map(Some)
}
