//! Where events go, and how: what is said of them, of all signals, and not of metrics.

use super::*;
use crate::delivery::endpoint::Signal;

type Given<'a> = &'a [(&'static str, &'a str)];
type Variables<'a> = &'a [(&'a str, &'a str)];

fn sent(flags: Given<'_>, variables: Variables<'_>) -> delivery::Options {
    match load(flags, variables).unwrap().events {
        Events::To(options) => *options,
        Events::Nowhere(why) => panic!("{flags:?} {variables:?}: {why}"),
    }
}

fn not_sent(flags: Given<'_>, variables: Variables<'_>) -> String {
    match load(flags, variables).unwrap().events {
        Events::To(options) => panic!("{flags:?} {variables:?}: {}", options.endpoint),
        Events::Nowhere(why) => why,
    }
}

const HTTP: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318/otlp");
const OF_METRICS: (&str, &str) = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:1/m");
const OF_LOGS: (&str, &str) = (
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "http://loki:3100/otlp/v1/logs",
);

#[test]
fn events_go_where_all_signals_go_unless_somebody_says_otherwise() {
    for (flags, variables, expected) in [
        (&[][..], &[][..], "http://localhost:4317"),
        (&[], &[HTTP], "http://localhost:4318/v1/logs"),
        (&[], &[HTTP, BASE], "http://all:4318/otlp/v1/logs"),
        (
            &[],
            &[HTTP, BASE, OF_METRICS],
            "http://all:4318/otlp/v1/logs",
        ),
        (&[], &[HTTP, BASE, OF_LOGS], "http://loki:3100/otlp/v1/logs"),
        (
            &[],
            &[HTTP, OF_METRICS, OF_LOGS],
            "http://loki:3100/otlp/v1/logs",
        ),
        (
            &[("endpoint", "http://flag:1")],
            &[HTTP, OF_METRICS],
            "http://flag:1/v1/logs",
        ),
        (
            &[("logs_endpoint", "http://flag:1")],
            &[HTTP, OF_LOGS],
            "http://flag:1/v1/logs",
        ),
        // The protocol of metrics is what a base for all of them is mostly meant for.
        (
            &[],
            &[
                BASE,
                ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
            ],
            "http://all:4318/otlp/v1/logs",
        ),
        (
            &[],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4317"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
            ],
            "http://all:4317",
        ),
        (
            &[],
            &[
                BASE,
                HTTP,
                ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "h:1"),
                ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", "true"),
            ],
            "http://h:1",
        ),
    ] {
        let options = sent(flags, variables);
        let found = options.endpoint.to_string();
        assert_eq!(found, expected, "{flags:?} {variables:?}");
        assert_eq!(options.endpoint.signal, Signal::Logs);
    }
    assert!(
        sent(&[], &[])
            .endpoint
            .path()
            .ends_with("LogsService/Export")
    );
}

#[test]
fn nothing_goes_where_nobody_said_that_logs_may_go() {
    const NO_METRICS: (&str, &str) = ("OTEL_METRICS_EXPORTER", "none");
    const LOGS: (&str, &str) = ("OTEL_LOGS_EXPORTER", "otlp");
    const NO_LOGS: (&str, &str) = ("OTEL_LOGS_EXPORTER", "none");
    const DISABLED: (&str, &str) = ("OTEL_SDK_DISABLED", "true");
    for (variables, why) in [
        (&[NO_LOGS][..], "logs_exporter is none"),
        (&[NO_LOGS, OF_LOGS], "logs_exporter is none"),
        (&[NO_METRICS], "exporter is none"),
        (&[DISABLED], "disabled"),
        (&[DISABLED, LOGS, OF_LOGS], "disabled"),
        (&[OF_METRICS, HTTP], "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
    ] {
        let found = not_sent(&[], variables);
        assert!(found.contains(why), "{variables:?}: {found}");
    }
    let off = ("TCPGAUGE_ALERTS", "false");
    assert_eq!(not_sent(&[], &[off, LOGS]), "alerts are off");
    for (variables, expected) in [
        (&[NO_METRICS, LOGS][..], "http://localhost:4317"),
        (
            &[NO_METRICS, LOGS, HTTP, BASE],
            "http://all:4318/otlp/v1/logs",
        ),
        (
            &[NO_METRICS, HTTP, OF_LOGS],
            "http://loki:3100/otlp/v1/logs",
        ),
        // As OpenTelemetry has it.
        (&[OF_METRICS, HTTP, LOGS], "http://localhost:4318/v1/logs"),
    ] {
        let found = sent(&[], variables).endpoint.to_string();
        assert_eq!(found, expected, "{variables:?}");
    }
}

#[test]
fn each_part_is_that_of_all_signals_unless_it_is_said_of_logs_and_never_that_of_metrics() {
    let of_all = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/all/ca"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/all/cert"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/all/key"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "7000"),
    ];
    let of_metrics = [
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "m=1,n=2"),
        ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/metrics/ca"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
            "/metrics/cert",
        ),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "/metrics/key"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "9000"),
    ];
    let of_logs = [
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x=1,y=2,z=3"),
        ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "/logs/ca"),
        ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE", "/logs/cert"),
        ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/logs/key"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "3000"),
    ];
    let told = |variables: &[(&str, &str)]| {
        let options = sent(&[], variables);
        let headers = options.headers.read().unwrap().map().len();
        let client = options
            .tls
            .client
            .map(|client| (client.certificate, client.key));
        let tls = format!("{:?} {client:?}", options.tls.certificate);
        (headers, tls, options.compress, options.timeout.as_secs())
    };
    let tls = |of: &str| format!("Some(\"/{of}/ca\") Some((\"/{of}/cert\", \"/{of}/key\"))");
    assert_eq!(told(&of_all), (1, tls("all"), true, 7));
    assert_eq!(told(&of_metrics), (0, "None None".to_owned(), false, 10));
    assert_eq!(
        told(&[of_all, of_metrics].concat()),
        (1, tls("all"), true, 7)
    );
    assert_eq!(told(&of_logs), (3, tls("logs"), false, 3));
    assert_eq!(
        told(&[of_all, of_metrics, of_logs].concat()),
        (3, tls("logs"), false, 3)
    );
    // One of a pair is enough where the other is said of all.
    let (_, found, ..) = told(&[&of_all[..], &of_logs[3..4]].concat());
    assert_eq!(found, tls("all").replace("/all/key", "/logs/key"));
}

#[test]
fn what_is_said_of_logs_and_wrong_is_a_fault_and_what_is_said_of_none_is_not() {
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://x/path"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", "perhaps"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/key"),
        ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE", "/cert"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "no pair"),
        ("OTEL_LOGS_EXPORTER", "console"),
    ] {
        let faults = load(&[], &[(variable, value)]).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(variable), "{faults:?}");
    }
    // Good for metrics, which say so, and not for logs.
    let variables = [
        BASE,
        OF_METRICS,
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    let why = not_sent(&[], &variables);
    assert!(
        why.contains("OTEL_EXPORTER_OTLP_ENDPOINT: has a path"),
        "{why}"
    );
    // What is wrong for both is said once.
    let faults = load(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://x/path")]).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn events_wait_in_little_room_of_their_own_and_on_disk_below_the_samples() {
    let options = sent(&[], &[]);
    assert_eq!(options.queue.bytes, 1 << 20);
    assert_eq!(options.queue.age, Duration::from_hours(24));
    assert!(options.spool.is_none());
    let file = "spool_dir = \"/spool\"\nspool_bytes = \"64MiB\"\nqueue_bytes = \"64KiB\"\nqueue_age = \"2h\"\nlogs_timeout = \"1s\"";
    let config = load_with_file(file, &[], &[]).unwrap();
    let options = config.events.options().unwrap();
    assert_eq!(options.queue.bytes, 64 << 10);
    assert_eq!(options.queue.age, Duration::from_hours(2));
    assert_eq!(options.timeout, Duration::from_secs(1));
    let spool = options.spool.as_ref().unwrap();
    assert_eq!(spool.dir.to_str(), Some("/spool/logs"));
    assert_eq!((spool.bytes, spool.make), (4 << 20, true));
}

#[test]
fn events_wait_where_alerts_are_kept_if_nowhere_else() {
    let options = sent(&[], &[("TCPGAUGE_STATE_DIR", "/state")]);
    let spool = options.spool.as_ref().unwrap();
    assert_eq!(spool.dir.to_str(), Some("/state/logs"));
    assert_eq!((spool.bytes, spool.make), (4 << 20, true));
    let both = [
        ("TCPGAUGE_STATE_DIR", "/state"),
        ("TCPGAUGE_SPOOL_DIR", "/spool"),
    ];
    let options = sent(&[], &both);
    assert_eq!(options.spool.unwrap().dir.to_str(), Some("/spool/logs"));
}
