//! The one table of settings. Flags, help, environment variables, keys of the file and `docs/config.md` come from it.

pub use super::setting::{Form, NOT_HONOURED, NotHonoured, Setting, UsedBy, Variable};
use super::setting::{complete, milliseconds, plain};

/// The file itself: what is needed before any setting is known.
pub const CONFIG_VARIABLE: &str = "TCPGAUGE_CONFIG";

/// Every setting, in the order in which it is documented.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "scope",
        flag: Some("scope"),
        env: &[plain("TCPGAUGE_SCOPE")],
        default: "host",
        value: "SCOPE",
        bounds: "`host`, `self`",
        help: "Whose sockets are read: the host's (PID 1 of the proc root) or those of this process's own network namespace",
        used_by: UsedBy::Readers,
    },
    Setting {
        key: "proc_root",
        flag: Some("proc-root"),
        env: &[plain("TCPGAUGE_PROC_ROOT"), plain("HOST_PROC")],
        default: "/proc",
        value: "DIR",
        bounds: "a directory",
        help: "Where the host's proc is mounted",
        used_by: UsedBy::Readers,
    },
    Setting {
        key: "source",
        flag: Some("source"),
        env: &[plain("TCPGAUGE_SOURCE")],
        default: "auto",
        value: "SOURCE",
        bounds: "`auto`, `diag`, `text`",
        help: "How they are read. auto: the cheapest that is right. diag: over netlink, which tells of this process's own network namespace alone. text: from net/tcp and net/tcp6",
        used_by: UsedBy::Readers,
    },
    Setting {
        key: "interval",
        flag: Some("interval"),
        env: &[milliseconds("OTEL_METRIC_EXPORT_INTERVAL")],
        default: "30s",
        value: "DURATION",
        bounds: "1s to 1h",
        help: "Time between two readings, which are aligned to the wall clock; a reading may take as long",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "metrics",
        flag: Some("metrics"),
        env: &[plain("TCPGAUGE_METRICS")],
        default: "five,states,self",
        value: "GROUPS",
        bounds: "`five`, `states`, `self`, with commas; `five` is always in",
        help: "Groups of metrics to export (tcpgauge metrics lists them)",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "split_network_type",
        flag: Some("split-network-type"),
        env: &[plain("TCPGAUGE_SPLIT_NETWORK_TYPE")],
        default: "false",
        value: "BOOL",
        bounds: "`true`, `false`",
        help: "Split system.network.connection.count by network.type (ipv4, ipv6)",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "endpoint",
        flag: Some("endpoint"),
        env: &[
            complete("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
            plain("OTEL_EXPORTER_OTLP_ENDPOINT"),
        ],
        default: "",
        value: "URL",
        bounds: "`http://HOST:PORT`, `https://HOST:PORT`, for gRPC also `unix:///PATH`",
        help: "The backend that points are sent to; by default http://localhost:4317, or with http/protobuf http://localhost:4318. For http/protobuf /v1/metrics is appended, but not to OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, which is taken as it is",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "protocol",
        flag: Some("protocol"),
        env: &[
            plain("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"),
            plain("OTEL_EXPORTER_OTLP_PROTOCOL"),
        ],
        default: "grpc",
        value: "PROTOCOL",
        bounds: "`grpc`, `http/protobuf`",
        help: "The OTLP protocol; many a backend takes only one of the two",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "headers",
        flag: None,
        env: &[
            plain("OTEL_EXPORTER_OTLP_METRICS_HEADERS"),
            plain("OTEL_EXPORTER_OTLP_HEADERS"),
        ],
        default: "",
        value: "NAME=VALUE,…",
        bounds: "names and values that gRPC can carry; values percent-encoded",
        help: "Headers that go with every request, such as a token",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "header_files",
        flag: Some("header-file"),
        env: &[plain("TCPGAUGE_HEADER_FILES")],
        default: "",
        value: "NAME=PATH,…",
        bounds: "files of at most 64 KiB",
        help: "Headers whose values are read from files with every request, such as a token that is rotated",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "insecure",
        flag: Some("insecure"),
        env: &[
            plain("OTEL_EXPORTER_OTLP_METRICS_INSECURE"),
            plain("OTEL_EXPORTER_OTLP_INSECURE"),
        ],
        default: "false",
        value: "BOOL",
        bounds: "`true`, `false`",
        help: "What an endpoint of gRPC without a scheme means: true is http, false is https",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "certificate",
        flag: Some("certificate"),
        env: &[
            plain("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE"),
            plain("OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ],
        default: "",
        value: "FILE",
        bounds: "PEM, at most 4 MiB; read with every connection",
        help: "Who may vouch for a server over https; by default those that the system trusts, or where it has none those that Mozilla does",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "client_certificate",
        flag: Some("client-certificate"),
        env: &[
            plain("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE"),
            plain("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        ],
        default: "",
        value: "FILE",
        bounds: "PEM, at most 4 MiB; read with every connection",
        help: "Our own certificate, for a server that asks (mTLS); needs client_key",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "client_key",
        flag: Some("client-key"),
        env: &[
            plain("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY"),
            plain("OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        ],
        default: "",
        value: "FILE",
        bounds: "PEM; read with every connection",
        help: "The key of client_certificate",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "compression",
        flag: Some("compression"),
        env: &[
            plain("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION"),
            plain("OTEL_EXPORTER_OTLP_COMPRESSION"),
        ],
        default: "none",
        value: "COMPRESSION",
        bounds: "`none`, `gzip`",
        help: "Whether every request is compressed. A backlog always is, unless the backend cannot take it",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "timeout",
        flag: Some("timeout"),
        env: &[
            milliseconds("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"),
            milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT"),
        ],
        default: "10s",
        value: "DURATION",
        bounds: "100ms to 5m",
        help: "How long one request may take; connecting may take as long, but at most 5 s",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "queue_bytes",
        flag: Some("queue-bytes"),
        env: &[plain("TCPGAUGE_QUEUE_BYTES")],
        default: "16MiB",
        value: "SIZE",
        bounds: "16KiB to 1GiB",
        help: "What may wait for an absent backend; beyond it the oldest is dropped",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "queue_age",
        flag: Some("queue-age"),
        env: &[plain("TCPGAUGE_QUEUE_AGE")],
        default: "24h",
        value: "DURATION",
        bounds: "1m to 168h",
        help: "How long a point may wait before it is dropped",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "send_spread",
        flag: Some("send-spread"),
        env: &[plain("TCPGAUGE_SEND_SPREAD")],
        default: "5s",
        value: "DURATION",
        bounds: "0s to 1m",
        help: "Over how much time the requests of many agents are spread, each having its own delay, at most half an interval; the first request is sent at once",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "spool_dir",
        flag: Some("spool-dir"),
        env: &[plain("TCPGAUGE_SPOOL_DIR")],
        default: "",
        value: "DIR",
        bounds: "a directory that is there, for one agent",
        help: "Where what waits is kept on disk as well, so that it survives a crash, a kill and a reboot; by default nowhere",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "spool_bytes",
        flag: Some("spool-bytes"),
        env: &[plain("TCPGAUGE_SPOOL_BYTES")],
        default: "64MiB",
        value: "SIZE",
        bounds: "1MiB to 16GiB",
        help: "What it may take on disk, where nothing is compressed; beyond it the oldest goes",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "spool_sync",
        flag: Some("spool-sync"),
        env: &[plain("TCPGAUGE_SPOOL_SYNC")],
        default: "0s",
        value: "DURATION",
        bounds: "0s to 1h",
        help: "How long a sample may be on disk without being synced, and lost with the power; 0s syncs each, and 1 MiB is synced in any case",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "traces_exporter",
        flag: Some("traces-exporter"),
        env: &[plain("OTEL_TRACES_EXPORTER")],
        default: "none",
        value: "EXPORTER",
        bounds: "`none`, `otlp`",
        help: "otlp: the agent sends traces of its own work, one for each sample",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "traces_endpoint",
        flag: Some("traces-endpoint"),
        env: &[
            complete("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            plain("OTEL_EXPORTER_OTLP_ENDPOINT"),
        ],
        default: "",
        value: "URL",
        bounds: "as endpoint",
        help: "Where they go. Certificates, compression and timeout are those of metrics",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "traces_protocol",
        flag: Some("traces-protocol"),
        env: &[
            plain("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
            plain("OTEL_EXPORTER_OTLP_PROTOCOL"),
        ],
        default: "grpc",
        value: "PROTOCOL",
        bounds: "`grpc`, `http/protobuf`",
        help: "The OTLP protocol for traces",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "traces_headers",
        flag: None,
        env: &[
            plain("OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
            plain("OTEL_EXPORTER_OTLP_HEADERS"),
        ],
        default: "",
        value: "NAME=VALUE,…",
        bounds: "as headers",
        help: "Headers that go with traces",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "exporter",
        flag: Some("exporter"),
        env: &[plain("OTEL_METRICS_EXPORTER")],
        default: "otlp",
        value: "EXPORTER",
        bounds: "`otlp`, `none`",
        help: "none: nothing is sent, everything else works",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "sdk_disabled",
        flag: None,
        env: &[plain("OTEL_SDK_DISABLED")],
        default: "false",
        value: "BOOL",
        bounds: "`true`, `false`",
        help: "true is exporter none by the name that OpenTelemetry gave it",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "host_name",
        flag: Some("host-name"),
        env: &[plain("TCPGAUGE_HOST_NAME")],
        default: "",
        value: "NAME",
        bounds: "1 to 255 bytes",
        help: "host.name of the resource; by default the kernel's host name, except in a container, where that is the container's",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "service_name",
        flag: Some("service-name"),
        env: &[plain("OTEL_SERVICE_NAME")],
        default: "",
        value: "NAME",
        bounds: "1 to 255 bytes",
        help: "service.name of the resource; by default tcpgauge",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "resource_attributes",
        flag: None,
        env: &[plain("OTEL_RESOURCE_ATTRIBUTES")],
        default: "",
        value: "KEY=VALUE,…",
        bounds: "at most 128; values percent-encoded",
        help: "More attributes of the resource; those of a pod or container (k8s.pod.*, container.*) are left out in scope host, where they would be the agent's own",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "log_level",
        flag: Some("log-level"),
        env: &[plain("TCPGAUGE_LOG_LEVEL")],
        default: "info",
        value: "LEVEL",
        bounds: "`error`, `warn`, `info`, `debug`, `trace`",
        help: "What is logged, on stderr",
        used_by: UsedBy::Senders,
    },
    Setting {
        key: "log_format",
        flag: Some("log-format"),
        env: &[plain("TCPGAUGE_LOG_FORMAT")],
        default: "text",
        value: "FORMAT",
        bounds: "`text`, `json`",
        help: "How it is logged",
        used_by: UsedBy::Senders,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_variables_are_unique() {
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        // Traces share with metrics the variables that are of no signal.
        let own = SETTINGS.iter().flat_map(|setting| {
            let is_general = |name: &str| {
                setting.key.starts_with("traces_")
                    && name.starts_with("OTEL_EXPORTER_OTLP_")
                    && !name.contains("TRACES")
            };
            let names = setting.env.iter().map(|variable| variable.name);
            names.filter(move |name| !is_general(name))
        });
        names.extend(own);
        names.extend(NOT_HONOURED.iter().map(|variable| variable.name));
        names.push(CONFIG_VARIABLE);
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
