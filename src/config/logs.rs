//! The settings of events: where they go, if they do. What nobody says of them is as it is for all signals, and what is said of
//! metrics alone is not said of them; but for the protocol, of which OpenTelemetry leaves the default to us.

use std::path::Path;

use super::layers::{Given, Layers};
use super::setting::{Setting, UsedBy, complete, milliseconds, plain};
use super::{sending, text, values};
use crate::delivery::endpoint::Signal;
use crate::delivery::{self, queue, spool, tls};

/// An event has about 1 KiB: so many events are more than anybody reads.
const MOST_BYTES: usize = 1 << 20;

/// On disk nothing is compressed.
const MOST_SPOOL_BYTES: u64 = 4 << 20;

pub(super) const LOGS: &[Setting] = &[
    Setting {
        key: "logs_exporter",
        flag: Some("logs-exporter"),
        env: &[plain("OTEL_LOGS_EXPORTER")],
        default: "otlp",
        value: "EXPORTER",
        bounds: "`otlp`, `none`",
        help: "otlp: that an alert begins or ends is sent as a log record (docs/events.md). Where exporter is none, and where OTEL_EXPORTER_OTLP_METRICS_ENDPOINT alone says where to, none is sent unless this or logs_endpoint is given",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "logs_endpoint",
        flag: Some("logs-endpoint"),
        env: &[complete("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")],
        default: "",
        value: "URL",
        bounds: "as endpoint",
        help: "Where they go; by default where all signals go (not what OTEL_EXPORTER_OTLP_METRICS_ENDPOINT says), with /v1/logs",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "logs_protocol",
        flag: Some("logs-protocol"),
        env: &[plain("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL")],
        default: "",
        value: "PROTOCOL",
        bounds: "`grpc`, `http/protobuf`",
        help: "The OTLP protocol for logs; by default that of all signals, or of metrics",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "logs_headers",
        flag: None,
        env: &[plain("OTEL_EXPORTER_OTLP_LOGS_HEADERS")],
        default: "",
        value: "NAME=VALUE,…",
        bounds: "as headers",
        help: "Headers that go with logs; by default those of all signals, files included (not those in OTEL_EXPORTER_OTLP_METRICS_HEADERS)",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "logs_insecure",
        flag: Some("logs-insecure"),
        env: &[plain("OTEL_EXPORTER_OTLP_LOGS_INSECURE")],
        default: "",
        value: "BOOL",
        bounds: "`true`, `false`",
        help: "As insecure, for logs; by default that of all signals",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "logs_certificate",
        flag: Some("logs-certificate"),
        env: &[plain("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE")],
        default: "",
        value: "FILE",
        bounds: "as certificate",
        help: "As certificate, for logs; by default that of all signals",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "logs_client_certificate",
        flag: Some("logs-client-certificate"),
        env: &[plain("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE")],
        default: "",
        value: "FILE",
        bounds: "as client_certificate",
        help: "As client_certificate, for logs; by default that of all signals",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "logs_client_key",
        flag: Some("logs-client-key"),
        env: &[plain("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY")],
        default: "",
        value: "FILE",
        bounds: "as client_key",
        help: "As client_key, for logs; by default that of all signals",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "logs_compression",
        flag: Some("logs-compression"),
        env: &[plain("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION")],
        default: "",
        value: "COMPRESSION",
        bounds: "`none`, `gzip`",
        help: "As compression, for logs; by default that of all signals",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "logs_timeout",
        flag: Some("logs-timeout"),
        env: &[milliseconds("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT")],
        default: "",
        value: "DURATION",
        bounds: "as timeout",
        help: "As timeout, for logs; by default that of all signals",
        used_by: UsedBy::Senders,
    },
];

/// What becomes of events.
#[derive(Clone, Debug)]
pub enum Events {
    /// They are sent.
    To(Box<delivery::Options>),
    /// They are not, and this is why.
    Nowhere(String),
}

impl Events {
    /// Where to and how, where they are sent.
    #[must_use]
    pub fn options(&self) -> Option<&delivery::Options> {
        match self {
            Self::To(options) => Some(options),
            Self::Nowhere(_) => None,
        }
    }

    /// Has them wait in the directory that is kept from one run to the next, where nothing else is said: what is known to have
    /// been told is not told again, so it must not be lost.
    pub(super) fn kept_in(mut self, state_dir: Option<&Path>) -> Self {
        if let (Self::To(options), Some(dir)) = (&mut self, state_dir) {
            let spool = || spool::Options::of_logs_in(dir, MOST_SPOOL_BYTES);
            options.spool.get_or_insert_with(spool);
        }
        self
    }
}

/// What becomes of events, where metrics are sent or not.
pub(super) fn events(layers: &mut Layers, sends_metrics: bool) -> Option<Events> {
    let nowhere = |why: &str| Some(Events::Nowhere(why.to_owned()));
    let wanted = layers.take("logs_exporter", text(sending::exporter))?;
    let is_said = layers.is_given("logs_exporter") || layers.is_given("logs_endpoint");
    if !wanted {
        return nowhere("logs_exporter is none");
    }
    if !is_said && !sends_metrics {
        return nowhere("exporter is none; OTEL_LOGS_EXPORTER=otlp sends events all the same");
    }
    if !is_said && layers.is_given("endpoint") && !layers.generally(|all| all.is_given("endpoint"))
    {
        return nowhere(
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT is of metrics alone; OTEL_EXPORTER_OTLP_LOGS_ENDPOINT says where events go, and OTEL_LOGS_EXPORTER=otlp has them go to localhost",
        );
    }
    let before = layers.faults.len();
    let options = options(layers);
    let is_own = |setting: &Setting| layers.is_given(setting.key);
    if let Some(fault) = layers.faults.get(before)
        && !LOGS.iter().any(is_own)
    {
        // Whoever says nothing of logs has made no mistake about them.
        let why = format!("what is set for all signals does not do for logs: {fault}");
        layers.faults.truncate(before);
        return Some(Events::Nowhere(why));
    }
    options.map(|options| Events::To(Box::new(options)))
}

fn options(layers: &mut Layers) -> Option<delivery::Options> {
    let protocol = own(layers, "logs_protocol", text(sending::protocol))?;
    let insecure = own(layers, "logs_insecure", text(values::boolean))?;
    let headers = layers.take("logs_headers", sending::headers)?;
    let certificate = own(layers, "logs_certificate", text(sending::file))?.flatten();
    let client_certificate = own(layers, "logs_client_certificate", text(sending::file))?.flatten();
    let client_key = own(layers, "logs_client_key", text(sending::file))?.flatten();
    let compress = own(layers, "logs_compression", text(sending::compression))?;
    let timeout = own(layers, "logs_timeout", sending::timeout())?;
    let usual_protocol = layers.take("protocol", text(sending::protocol))?;
    let base = layers.generally(|all| {
        let general = all.is_given("protocol");
        let usual = all.take("protocol", text(sending::protocol))?;
        let usual = if general { usual } else { usual_protocol };
        let usually_insecure = all.take("insecure", text(values::boolean))?;
        let endpoint = sending::endpoint(
            all,
            Signal::Logs,
            protocol.unwrap_or(usual),
            insecure.unwrap_or(usually_insecure),
        );
        sending::with(all, endpoint)
    })?;
    let client = match (client_certificate, client_key, base.tls.client) {
        (None, None, usual) => usual,
        (Some(certificate), Some(key), _) => Some(tls::Client { certificate, key }),
        (Some(certificate), None, Some(usual)) => Some(tls::Client {
            certificate,
            ..usual
        }),
        (None, Some(key), Some(usual)) => Some(tls::Client { key, ..usual }),
        (Some(_), None, None) => {
            return layers.refuse("logs_client_certificate", "needs logs_client_key beside it");
        }
        (None, Some(_), None) => {
            return layers.refuse("logs_client_key", "needs logs_client_certificate beside it");
        }
    };
    Some(delivery::Options {
        headers: if headers.is_empty() {
            base.headers
        } else {
            headers
        },
        tls: tls::Options {
            certificate: certificate.or(base.tls.certificate),
            client,
        },
        compress: compress.unwrap_or(base.compress),
        timeout: timeout.unwrap_or(base.timeout),
        queue: queue::Bounds {
            bytes: base.queue.bytes.min(MOST_BYTES),
            ..base.queue
        },
        spool: base.spool.map(|spool| spool.of_logs(MOST_SPOOL_BYTES)),
        ..base
    })
}

/// What is said of logs alone. Nothing of the outer is a fault, of the inner that nothing is said, or nothing in as many words.
#[expect(clippy::option_option, reason = "said in the line above")]
fn own<T>(
    layers: &mut Layers,
    key: &str,
    parse: impl Fn(Given) -> Result<T, String>,
) -> Option<Option<T>> {
    layers.take(key, |given| match given {
        Given::Text(text, _) if text.is_empty() => Ok(None),
        given => parse(given).map(Some),
    })
}
