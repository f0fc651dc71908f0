//! Which answer means what: one table, from an answer to the fate of what was sent.
//!
//! OTLP's own table (specification 1.9, "Failures") gives up points for many a mistake that is the operator's and
//! will be mended: a token that is being rotated, a route that is not there yet. Those points are kept here. What is
//! given up is only what the backend says is wrong in itself.

use tonic::Code;

use super::endpoint::Signal;
use super::transport::Kind;

/// What becomes of a request that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Kept; tried again after a while.
    Retry,
    /// Kept, and tried again; nothing will change until somebody mends the configuration, on this side or that.
    Mend(&'static str),
    /// Kept; smaller requests are tried, for this one was too large. One record alone is tried again after a while.
    Shrink,
    /// Kept; what is compressed is not taken, so it is sent as it is.
    Unpack,
    /// Something in it is bad: smaller requests are tried until it stands alone, and that one record is dropped.
    Isolate,
}

/// The verdict on a failure to send something.
#[must_use]
pub const fn verdict(kind: Kind, signal: Signal) -> Verdict {
    match (kind, signal) {
        (Kind::Status(Code::Unimplemented) | Kind::Http(404 | 405 | 501), Signal::Logs) => NO_LOGS,
        (
            Kind::Status(Code::PermissionDenied) | Kind::Http(403) | Kind::Page(403),
            Signal::Logs,
        ) => FORBIDDEN_LOGS,
        (kind, _) => of(kind),
    }
}

const fn of(kind: Kind) -> Verdict {
    match kind {
        Kind::Status(code) => of_grpc(code),
        Kind::Http(status) => of_http(status),
        Kind::Page(status) => of_page(status),
        Kind::NoGzip => Verdict::Unpack,
        Kind::Unusable
        | Kind::Unresolved
        | Kind::Refused
        | Kind::Unreachable
        | Kind::ConnectTimeout
        | Kind::Tls
        | Kind::Timeout
        | Kind::OtherProtocol
        | Kind::Lost => Verdict::Retry,
    }
}

const CREDENTIALS: Verdict =
    Verdict::Mend("it wants credentials, or others: see the headers setting");
const FORBIDDEN: Verdict =
    Verdict::Mend("these credentials may not write metrics: see the headers setting");

const NO_LOGS: Verdict = Verdict::Mend(
    "it takes no logs, which alerts are sent as; metrics are not concerned. Send logs to a backend that takes them (--logs-endpoint, OTEL_EXPORTER_OTLP_LOGS_ENDPOINT), or nowhere (--logs-exporter none, OTEL_LOGS_EXPORTER=none)",
);
const FORBIDDEN_LOGS: Verdict = Verdict::Mend(
    "these credentials may not write logs, which alerts are sent as: see the logs_headers setting, or send none (OTEL_LOGS_EXPORTER=none)",
);

const fn of_grpc(code: Code) -> Verdict {
    match code {
        // Ok with an error is none; to try again does no harm.
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Verdict::Retry,
        Code::Unauthenticated => CREDENTIALS,
        Code::PermissionDenied => FORBIDDEN,
        Code::NotFound => Verdict::Mend("it does not know this tenant or path"),
        Code::Unimplemented => Verdict::Mend(
            "it takes no metrics: it may be a backend for traces only, such as Tempo, or no OTLP receiver; send metrics to one that has a metrics pipeline",
        ),
        Code::ResourceExhausted => Verdict::Shrink,
        Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists => Verdict::Isolate,
    }
}

const fn of_http(status: u16) -> Verdict {
    match status {
        400 | 409 | 422 => Verdict::Isolate,
        401 => CREDENTIALS,
        403 => FORBIDDEN,
        404 => Verdict::Mend(
            "there is no such path: OTLP/HTTP takes metrics at /v1/metrics below the endpoint, some backends elsewhere, and one for traces only, such as Tempo, nowhere",
        ),
        405 => Verdict::Mend("it takes no metrics on this path: is the endpoint complete?"),
        413 => Verdict::Shrink,
        415 => Verdict::Mend(
            "it does not take Protocol Buffers over HTTP on this path: is it an OTLP receiver?",
        ),
        300..=399 => Verdict::Mend(
            "it is somewhere else now, and a redirection is not followed, for headers would go with it: set the endpoint to where it points",
        ),
        408 | 425 | 429 | 500 | 502..=504 | 506..=599 | 100..=199 => Verdict::Retry,
        501 | 505 => Verdict::Mend("it does not speak OTLP/HTTP on this port"),
        _ => Verdict::Mend("the endpoint, or something before it, does not take such requests"),
    }
}

/// What answers in the place of a gRPC server says nothing of what was sent.
const fn of_page(status: u16) -> Verdict {
    match status {
        401 => CREDENTIALS,
        403 => FORBIDDEN,
        200..=499 => Verdict::Mend(
            "something that does not speak OTLP answers there: is it the OTLP/gRPC port (4317), or for http/protobuf that of OTLP/HTTP (4318), is the path right, and does a proxy before it pass OTLP on?",
        ),
        _ => Verdict::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEND: Verdict = Verdict::Mend("");

    fn without_advice(kind: Kind) -> Verdict {
        match verdict(kind, Signal::Metrics) {
            Verdict::Mend(_) => MEND,
            other => other,
        }
    }

    #[test]
    fn each_status_has_the_verdict_that_the_table_gives_it() {
        for (code, expected) in [
            (Code::Cancelled, Verdict::Retry),
            (Code::Unknown, Verdict::Retry),
            (Code::InvalidArgument, Verdict::Isolate),
            (Code::DeadlineExceeded, Verdict::Retry),
            (Code::NotFound, MEND),
            (Code::AlreadyExists, Verdict::Isolate),
            (Code::PermissionDenied, MEND),
            (Code::ResourceExhausted, Verdict::Shrink),
            (Code::FailedPrecondition, Verdict::Isolate),
            (Code::Aborted, Verdict::Retry),
            (Code::OutOfRange, Verdict::Retry),
            (Code::Unimplemented, MEND),
            (Code::Internal, Verdict::Retry),
            (Code::Unavailable, Verdict::Retry),
            (Code::DataLoss, Verdict::Retry),
            (Code::Unauthenticated, MEND),
        ] {
            assert_eq!(without_advice(Kind::Status(code)), expected, "{code:?}");
        }
    }

    #[test]
    fn each_status_of_http_has_the_verdict_that_the_table_gives_it() {
        for (status, expected) in [
            (100, Verdict::Retry),
            (301, MEND),
            (307, MEND),
            (400, Verdict::Isolate),
            (401, MEND),
            (403, MEND),
            (404, MEND),
            (405, MEND),
            (406, MEND),
            (408, Verdict::Retry),
            (409, Verdict::Isolate),
            (413, Verdict::Shrink),
            (415, MEND),
            (418, MEND),
            (422, Verdict::Isolate),
            (425, Verdict::Retry),
            (429, Verdict::Retry),
            (500, Verdict::Retry),
            (501, MEND),
            (502, Verdict::Retry),
            (503, Verdict::Retry),
            (504, Verdict::Retry),
            (505, MEND),
            (507, Verdict::Retry),
            (599, Verdict::Retry),
        ] {
            assert_eq!(without_advice(Kind::Http(status)), expected, "{status}");
        }
    }

    #[test]
    fn nothing_is_given_up_because_of_a_page_in_the_place_of_grpc() {
        for status in 100..600 {
            let found = without_advice(Kind::Page(status));
            assert!(matches!(found, Verdict::Retry | MEND), "{status} {found:?}");
        }
    }

    #[test]
    fn what_takes_no_logs_keeps_them_as_what_takes_no_metrics_keeps_those_and_says_how_to_send_none()
     {
        let grpc = [Code::Unimplemented, Code::PermissionDenied].map(Kind::Status);
        let http = [403, 404, 405, 501].map(Kind::Http);
        for kind in grpc.into_iter().chain(http).chain([Kind::Page(403)]) {
            let Verdict::Mend(advice) = verdict(kind, Signal::Logs) else {
                panic!("{kind:?}");
            };
            assert!(advice.contains("logs"), "{kind:?}: {advice}");
            assert!(
                advice.contains("OTEL_LOGS_EXPORTER=none"),
                "{kind:?}: {advice}"
            );
            assert_eq!(without_advice(kind), MEND);
        }
        for status in 100..600 {
            for kind in [Kind::Http(status), Kind::Page(status)] {
                let of_logs = std::mem::discriminant(&verdict(kind, Signal::Logs));
                assert_eq!(
                    of_logs,
                    std::mem::discriminant(&verdict(kind, Signal::Metrics))
                );
            }
        }
    }
}
