//! Where things go, and how.

use super::*;
use crate::delivery::spool::SyncPolicy;

#[test]
fn the_endpoint_of_metrics_alone_is_taken_as_it_is_and_any_other_as_a_base() {
    for (protocol, variables, expected) in [
        ("grpc", &[][..], "http://localhost:4317"),
        ("http/protobuf", &[], "http://localhost:4318/v1/metrics"),
        (
            "http/protobuf",
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://h/otlp")],
            "https://h/otlp/v1/metrics",
        ),
        (
            "http/protobuf",
            &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://h/otlp")],
            "https://h/otlp",
        ),
        (
            "grpc",
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "h:4317")],
            "https://h:4317",
        ),
        (
            "grpc",
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "h:4317"),
                ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ],
            "http://h:4317",
        ),
    ] {
        let config = load(&[("protocol", protocol)], variables).unwrap();
        let found = sending(&config).endpoint.to_string();
        assert_eq!(found, expected, "{protocol} {variables:?}");
    }
}

#[test]
fn traces_go_where_metrics_go_unless_somebody_says_otherwise() {
    let traces = |flags: &[(&'static str, &str)], variables: &[(&str, &str)]| {
        let config = load(flags, variables).unwrap();
        let options = config.traces.unwrap();
        let headers = options.headers.read().unwrap().map().len();
        (options.endpoint.to_string(), headers)
    };
    let on = ("OTEL_TRACES_EXPORTER", "otlp");
    let http = ("protocol", "http/protobuf");
    for (flags, variables, expected, headers) in [
        (&[][..], &[on][..], "http://localhost:4317", 0),
        (
            &[http, ("endpoint", "http://h:4318/otlp")],
            &[on, ("OTEL_EXPORTER_OTLP_HEADERS", "a=b")],
            "http://h:4318/otlp/v1/traces",
            1,
        ),
        (
            &[http],
            &[
                on,
                ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://h/metrics"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
                ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "c=d,e=f"),
            ],
            "http://localhost:4318/v1/traces",
            2,
        ),
        (
            &[http],
            &[
                on,
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://tempo:4317"),
                ("OTEL_METRICS_EXPORTER", "none"),
            ],
            "http://tempo:4317",
            0,
        ),
    ] {
        let found = traces(flags, variables);
        assert_eq!(
            found,
            (expected.to_owned(), headers),
            "{flags:?} {variables:?}"
        );
    }
    assert!(load(&[], &[]).unwrap().traces.is_none());
}

#[test]
fn where_nothing_is_sent_it_does_not_matter_what_is_set_about_sending() {
    for none in [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_SDK_DISABLED", "true"),
    ] {
        let config = load(
            &[],
            &[
                none,
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://x"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ],
        );
        assert!(config.unwrap().delivery.is_none());
    }
    let faults = load(
        &[],
        &[
            ("OTEL_METRICS_EXPORTER", "nobody"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://x/path"),
        ],
    )
    .unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn a_spool_syncs_each_sample_unless_a_time_is_given_and_then_by_size_too() {
    let spool = |flags: &[(&'static str, &str)], variables: &[(&str, &str)]| {
        let config = load(flags, variables).unwrap();
        sending(&config).spool.clone().map(|spool| spool.sync)
    };
    let dir = ("spool_dir", "/spool");
    let every = |bytes, seconds| {
        Some(SyncPolicy::Every {
            bytes,
            interval: Duration::from_secs(seconds),
        })
    };
    assert_eq!(spool(&[], &[]), None);
    assert_eq!(spool(&[dir], &[]), Some(SyncPolicy::EveryRecord));
    let small = ("spool_sync_size", "64KiB");
    assert_eq!(spool(&[dir, small], &[]), Some(SyncPolicy::EveryRecord));
    let later = ("spool_sync", "1m");
    assert_eq!(spool(&[dir, later], &[]), every(1 << 20, 60));
    assert_eq!(spool(&[dir, later, small], &[]), every(64 << 10, 60));
    let variables = [("TCPGAUGE_SPOOL_SYNC_SIZE", "1KiB")];
    assert_eq!(spool(&[dir, later], &variables), every(1 << 10, 60));
    let file = "spool_dir = \"/spool\"\nspool_sync = \"1h\"\nspool_sync_size = \"4KiB\"";
    let config = load_with_file(file, &[], &[]).unwrap();
    let sync = sending(&config).spool.as_ref().map(|spool| spool.sync);
    assert_eq!(sync, every(4 << 10, 3600));
    for size in ["1023", "1025KiB", "0", "much"] {
        let faults = load(&[("spool_sync_size", size)], &[]).unwrap_err();
        assert!(
            faults.len() == 1 && faults[0].contains("spool-sync-size"),
            "{size}: {faults:?}"
        );
    }
}
