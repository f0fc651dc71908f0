//! Which answer means what: one table, from a gRPC status to the fate of what was sent.
//!
//! OTLP's own table (specification 1.9, "Failures") gives up points for many a mistake that is the operator's and
//! will be mended: a token that is being rotated, a route that is not there yet. Those points are kept here. What is
//! given up is only what the backend says is wrong in itself.

use tonic::Code;

/// What becomes of a request that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Kept; tried again after a while.
    Retry,
    /// Kept, and tried again; nothing will change until somebody mends the configuration, on this side or that.
    Mend(&'static str),
    /// Kept; smaller requests are tried, for this one was too large. One record alone is tried again after a while.
    Shrink,
    /// Something in it is bad: smaller requests are tried until it stands alone, and that one record is dropped.
    Isolate,
}

/// The verdict on a status that the server gave.
#[must_use]
pub const fn verdict(code: Code) -> Verdict {
    match code {
        // Ok with an error is none; tonic does not make it, and to try again does no harm.
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Verdict::Retry,
        Code::Unauthenticated => {
            Verdict::Mend("it wants credentials, or others: see the headers setting")
        }
        Code::PermissionDenied => {
            Verdict::Mend("these credentials may not write metrics: see the headers setting")
        }
        Code::NotFound => Verdict::Mend("it does not know this tenant or path"),
        Code::Unimplemented => Verdict::Mend(
            "it takes no metrics: it may be a backend for traces only, such as Tempo, or no OTLP receiver; send metrics to one that has a metrics pipeline",
        ),
        Code::ResourceExhausted => Verdict::Shrink,
        Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists => Verdict::Isolate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_the_verdict_that_the_table_gives_it() {
        let mend = Verdict::Mend("");
        for (code, expected) in [
            (Code::Cancelled, Verdict::Retry),
            (Code::Unknown, Verdict::Retry),
            (Code::InvalidArgument, Verdict::Isolate),
            (Code::DeadlineExceeded, Verdict::Retry),
            (Code::NotFound, mend),
            (Code::AlreadyExists, Verdict::Isolate),
            (Code::PermissionDenied, mend),
            (Code::ResourceExhausted, Verdict::Shrink),
            (Code::FailedPrecondition, Verdict::Isolate),
            (Code::Aborted, Verdict::Retry),
            (Code::OutOfRange, Verdict::Retry),
            (Code::Unimplemented, mend),
            (Code::Internal, Verdict::Retry),
            (Code::Unavailable, Verdict::Retry),
            (Code::DataLoss, Verdict::Retry),
            (Code::Unauthenticated, mend),
        ] {
            let found = match verdict(code) {
                Verdict::Mend(_) => mend,
                other => other,
            };
            assert_eq!(found, expected, "{code:?}");
        }
    }
}
