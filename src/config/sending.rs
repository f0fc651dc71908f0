//! The settings of delivery, put together: where to, how, and what may wait.

use std::path::PathBuf;
use std::time::Duration;

use super::layers::{Given, Layers};
use super::settings::Form;
use super::{HOUR, MINUTE, duration, pairs, text, values};
use crate::delivery::endpoint::{Endpoint, Protocol, Reading, Signal};
use crate::delivery::headers::Headers;
use crate::delivery::spool::{self, SyncPolicy};
use crate::delivery::{self, queue, tls};

/// What becomes of metrics.
pub(super) fn options(layers: &mut Layers) -> Option<delivery::Options> {
    let protocol = layers.take("protocol", text(protocol));
    let insecure = layers.take("insecure", text(values::boolean));
    let endpoint = endpoint(
        layers,
        Signal::Metrics,
        protocol.unwrap_or_default(),
        insecure.unwrap_or_default(),
    );
    let options = with(layers, endpoint);
    protocol?;
    insecure?;
    options
}

/// Everything but the endpoint.
pub(super) fn with(layers: &mut Layers, endpoint: Option<Endpoint>) -> Option<delivery::Options> {
    let mut headers = layers.take("headers", headers);
    let files = layers.take("header_files", |given| {
        let files = pairs(given)?;
        // What is wrong with them is found here, and where they belong is with the others.
        collect(&files, Headers::add_file)?;
        Ok(files)
    });
    if let (Some(headers), Some(files)) = (&mut headers, &files) {
        for (name, path) in files {
            let _ = headers.add_file(name, path);
        }
    }
    let tls = tls(layers);
    let compress = layers.take("compression", text(compression));
    let timeout = layers.take("timeout", timeout());
    let bytes = layers.take(
        "queue_bytes",
        text(|size| values::bytes(size, 16 << 10, 1 << 30)),
    );
    let age = layers.take("queue_age", duration(MINUTE, 7 * 24 * HOUR));
    let spool = spool(layers);
    let spread = layers.take("send_spread", duration(Duration::ZERO, MINUTE));
    files?;
    Some(delivery::Options {
        endpoint: endpoint?,
        headers: headers?,
        tls: tls?,
        compress: compress?,
        timeout: timeout?,
        queue: queue::Bounds {
            bytes: bytes?,
            age: age?,
        },
        spool: spool?,
        spread: spread?,
    })
}

pub(super) fn protocol(name: &str) -> Result<Protocol, String> {
    values::choice(name, &Protocol::NAMES, Protocol::named)
}

pub(super) fn headers(given: Given) -> Result<Headers, String> {
    collect(&pairs(given)?, Headers::add)
}

pub(super) fn compression(name: &str) -> Result<bool, String> {
    values::choice(name, &["none", "gzip"], |name| match name {
        "none" => Some(false),
        "gzip" => Some(true),
        _ => None,
    })
}

pub(super) fn timeout() -> impl Fn(Given) -> Result<Duration, String> {
    duration(Duration::from_millis(100), 5 * MINUTE)
}

/// Whether an exporter sends.
pub(super) fn exporter(name: &str) -> Result<bool, String> {
    values::choice(name, &["otlp", "none"], |name| match name {
        "otlp" => Some(true),
        "none" => Some(false),
        _ => None,
    })
}

/// Where a signal goes.
pub(super) fn endpoint(
    layers: &mut Layers,
    signal: Signal,
    protocol: Protocol,
    insecure: bool,
) -> Option<Endpoint> {
    let url = |own: bool| {
        move |given| match given {
            Given::Text(text, _) if text.is_empty() => Ok(None),
            // That of metrics alone is no base of another one's.
            Given::Text(_, Form::Complete) if !own => Ok(None),
            Given::Text(text, form) => {
                let how = Reading {
                    protocol,
                    signal,
                    insecure,
                    complete: form == Form::Complete,
                };
                Endpoint::parse(&text, how).map(Some)
            }
            Given::Pairs(_) => Err("must be a string".to_owned()),
        }
    };
    let given = match signal {
        Signal::Metrics => layers.take("endpoint", url(true))?,
        Signal::Traces | Signal::Logs => {
            let own = if signal == Signal::Traces {
                "traces_endpoint"
            } else {
                "logs_endpoint"
            };
            match layers.take(own, url(true))? {
                None => layers.take("endpoint", url(false))?,
                given => given,
            }
        }
    };
    Some(given.unwrap_or_else(|| Endpoint::usual(protocol, signal)))
}

/// Nothing of the outer option is a fault, of the inner one no spool.
#[expect(clippy::option_option, reason = "said in the line above")]
fn spool(layers: &mut Layers) -> Option<Option<spool::Options>> {
    let dir = layers.take("spool_dir", text(file));
    let bytes = layers.take(
        "spool_bytes",
        text(|size| values::bytes(size, 1 << 20, 16 << 30)),
    );
    let interval = layers.take("spool_sync", duration(Duration::ZERO, HOUR));
    let unsynced = layers.take(
        "spool_sync_size",
        text(|size| values::bytes(size, 1 << 10, spool::MOST_UNSYNCED)),
    );
    let (dir, bytes, interval, unsynced) = (dir?, bytes?, interval?, unsynced?);
    Some(dir.map(|dir| spool::Options {
        dir,
        bytes: bytes as u64,
        sync: if interval.is_zero() {
            SyncPolicy::EveryRecord
        } else {
            SyncPolicy::Every {
                bytes: unsynced,
                interval,
            }
        },
        make: false,
    }))
}

fn tls(layers: &mut Layers) -> Option<tls::Options> {
    let certificate = layers.take("certificate", text(file))?;
    let client_certificate = layers.take("client_certificate", text(file))?;
    let key = layers.take("client_key", text(file))?;
    let client = match (client_certificate, key) {
        (Some(certificate), Some(key)) => Some(tls::Client { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            return layers.refuse("client_certificate", "needs client_key beside it");
        }
        (None, Some(_)) => {
            return layers.refuse("client_key", "needs client_certificate beside it");
        }
    };
    Some(tls::Options {
        certificate,
        client,
    })
}

/// What becomes of the agent's own traces. What nobody says of them is as it is for metrics.
#[expect(
    clippy::option_option,
    reason = "nothing of the outer is a fault, of the inner no traces"
)]
pub(super) fn traces(
    layers: &mut Layers,
    metrics: Option<&delivery::Options>,
) -> Option<Option<delivery::Options>> {
    let wanted = layers.take("traces_exporter", text(exporter));
    if wanted == Some(false) {
        return Some(None);
    }
    let given = layers.take(
        "traces_protocol",
        text(|name| {
            if name.is_empty() {
                return Ok(None);
            }
            protocol(name).map(Some)
        }),
    );
    let headers = layers.take("traces_headers", headers);
    // Its faults are noted already.
    let base = match (metrics, wanted) {
        (Some(options), _) => Some(options.clone()),
        (None, Some(_)) => options(layers),
        (None, None) => None,
    };
    let base_protocol = base.as_ref().map(|base| base.endpoint.protocol);
    let spoken = given.flatten().or(base_protocol).unwrap_or_default();
    let insecure = layers
        .take("insecure", text(values::boolean))
        .unwrap_or_default();
    let endpoint = endpoint(layers, Signal::Traces, spoken, insecure);
    let (endpoint, base, headers) = (endpoint?, base?, headers?);
    wanted?;
    given?;
    Some(Some(delivery::Options {
        endpoint,
        headers: if headers.is_empty() {
            base.headers.clone()
        } else {
            headers
        },
        spool: None,
        ..base
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "a parser of a setting can fail")]
pub(super) fn file(path: &str) -> Result<Option<PathBuf>, String> {
    Ok((!path.is_empty()).then(|| path.into()))
}

fn collect(
    pairs: &[(String, String)],
    add: impl Fn(&mut Headers, &str, &str) -> Result<(), String>,
) -> Result<Headers, String> {
    let mut headers = Headers::default();
    for (name, value) in pairs {
        add(&mut headers, name, value)?;
    }
    Ok(headers)
}
