//! What users give, in every layer, and what they are told when it is wrong.

use std::ffi::OsString;
use std::io::Write;

use tracing::Level;

use super::*;
use crate::source::Scope;
use crate::source::proc_root::ProcRoot;

#[path = "alerting_tests.rs"]
mod alerting_settings;
#[path = "logs_tests.rs"]
mod logs_settings;
#[path = "sending_tests.rs"]
mod sending_settings;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect()
}

fn flags(settings: &[(&'static str, &str)]) -> Flags {
    Flags {
        file: None,
        settings: settings
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()))
            .collect(),
    }
}

fn load(given: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    load_with_file("", given, variables)
}

fn load_with_file(
    file: &str,
    given: &[(&'static str, &str)],
    variables: &[(&str, &str)],
) -> Result<Config, Vec<String>> {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(file.as_bytes()).unwrap();
    let mut flags = flags(given);
    flags.file = Some(on_disk.path().to_owned());
    Config::load(flags, environment(variables), UsedBy::Senders)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn sending(config: &Config) -> &delivery::Options {
    config.delivery.as_ref().unwrap()
}

#[test]
fn defaults_are_what_the_table_says() {
    let config = Config::load(Flags::default(), Environment::default(), UsedBy::Senders).unwrap();
    assert_eq!(config.interval, Duration::from_secs(30));
    assert_eq!(config.source.scope, Scope::Host);
    assert_eq!(config.source.proc_root, ProcRoot::new("/proc"));
    assert_eq!(
        sending(&config).endpoint.to_string(),
        "http://localhost:4317"
    );
    assert_eq!(sending(&config).timeout, Duration::from_secs(10));
    assert_eq!(
        sending(&config).queue,
        delivery::queue::Bounds {
            bytes: 16 << 20,
            age: 24 * HOUR
        }
    );
    assert_eq!(config.log.level, Level::INFO);
    assert!(config.warnings.is_empty() && config.origins.is_empty());
}

#[test]
fn each_layer_counts_more_than_the_one_below() {
    let file = "interval = \"2s\"";
    let variable = ("OTEL_METRIC_EXPORT_INTERVAL", "3000");
    let flag = ("interval", "4s");
    for (file, variables, flags, seconds) in [
        ("", &[][..], &[][..], 30),
        (file, &[], &[], 2),
        (file, &[variable], &[], 3),
        (file, &[variable], &[flag], 4),
        (file, &[(variable.0, "")], &[], 2),
    ] {
        let config = load_with_file(file, flags, variables).unwrap();
        assert_eq!(config.interval.as_secs(), seconds);
    }
}

#[test]
fn of_several_variables_the_more_specific_counts() {
    let config = load(
        &[],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://generic:1"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:2"),
            ("HOST_PROC", "/host/proc"),
        ],
    )
    .unwrap();
    assert_eq!(sending(&config).endpoint.to_string(), "http://metrics:2");
    assert_eq!(config.source.proc_root, ProcRoot::new("/host/proc"));
    let config = load(
        &[],
        &[("HOST_PROC", "/host/proc"), ("TCPGAUGE_PROC_ROOT", "/own")],
    )
    .unwrap();
    assert_eq!(config.source.proc_root, ProcRoot::new("/own"));
}

#[test]
fn every_fault_is_reported_at_once_with_its_origin() {
    let faults = load_with_file(
        "intervall = \"30s\"\nqueue_bytes = \"1PiB\"\nheaders = \"x\"",
        &[("scope", "node")],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://localhost:4317"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "30s"),
        ],
    )
    .unwrap_err();
    for (origin, says) in [
        ("intervall in ", "did you mean interval?"),
        ("queue_bytes in ", "no size"),
        ("headers in ", "table"),
        ("flag --scope", "host, self"),
        (
            "environment variable OTEL_EXPORTER_OTLP_ENDPOINT",
            "unknown scheme",
        ),
        (
            "environment variable OTEL_METRIC_EXPORT_INTERVAL",
            "milliseconds",
        ),
    ] {
        assert!(
            faults
                .iter()
                .any(|fault| fault.starts_with(origin) && fault.contains(says)),
            "{origin}: {faults:#?}"
        );
    }
    assert_eq!(faults.len(), 6, "{faults:#?}");
}

#[test]
fn every_setting_has_bounds_that_hold() {
    for (key, value) in [
        ("scope", "everything"),
        ("interval", "999ms"),
        ("interval", "3601s"),
        ("metrics", "six"),
        ("split_network_type", "maybe"),
        ("endpoint", "https://collector:4317/v1/metrics"),
        ("protocol", "http/json"),
        ("insecure", "perhaps"),
        ("compression", "zstd"),
        ("client_certificate", "/without/a/key.pem"),
        ("client_key", "/without/a/certificate.pem"),
        ("header_files", "authorization"),
        ("header_files", "bad name=/token"),
        ("timeout", "99ms"),
        ("timeout", "6m"),
        ("queue_bytes", "1"),
        ("queue_bytes", "2GiB"),
        ("queue_age", "59s"),
        ("queue_age", "169h"),
        ("exporter", "console"),
        ("host_name", "new\nline"),
        ("service_name", "\u{7}"),
        ("http_listen", "9469"),
        ("http_listen", "localhost:9469"),
        ("health_listen", "0.0.0.0"),
        ("log_level", "loud"),
        ("log_format", "xml"),
    ] {
        let faults = load(&[(key, value)], &[]).unwrap_err();
        assert_eq!(faults.len(), 1, "{key}={value}: {faults:?}");
        assert!(faults[0].starts_with("flag --"), "{faults:?}");
    }
}

#[test]
fn a_table_in_the_file_gives_headers_and_attributes() {
    let file = "[headers]\nauthorization = \"Bearer t\"\n[resource_attributes]\n\"a.b\" = \"c\"";
    let config = load_with_file(file, &[], &[]).unwrap();
    assert_eq!(
        sending(&config).headers.read().unwrap().map()["authorization"],
        "Bearer t"
    );
    assert_eq!(
        config.resource.attributes,
        [Attribute {
            key: "a.b".to_owned(),
            value: "c".to_owned()
        }]
    );
}

#[test]
fn a_secret_in_a_bad_place_is_not_repeated() {
    for faults in [
        load_with_file("[headers]\nauthorization = \"Bearer hunter2", &[], &[]).unwrap_err(),
        load_with_file("headers = \"authorization=hunter2\"", &[], &[]).unwrap_err(),
        load(&[], &[("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")]).unwrap_err(),
        load(&[], &[("OTEL_EXPORTER_OTLP_HEADERS", "bad name=hunter2")]).unwrap_err(),
        load(&[], &[("OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2%0a")]).unwrap_err(),
        load(
            &[],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:hunter2@host")],
        )
        .unwrap_err(),
    ] {
        assert!(
            !faults.is_empty() && !faults.concat().contains("hunter2"),
            "{faults:?}"
        );
    }
    let config = load(&[], &[("OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2")]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_has_no_effect_is_said() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=agent,x=y"),
    ];
    let config = load(&[], &variables).unwrap();
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    assert_eq!(config.resource.attributes.len(), 1);
    let config = load(&[("scope", "self")], &variables).unwrap();
    assert_eq!(
        config.warnings.len(),
        1,
        "in scope self the pod is what is measured"
    );
}

#[test]
fn a_place_that_somebody_gave_is_more_than_a_default_even_if_it_is_the_same() {
    let http = |given: &[(&'static str, &str)], variables: &[(&str, &str)]| {
        load(given, variables).map(|config| config.http)
    };
    let by_default = http(&[], &[]).unwrap();
    let all = by_default.all.unwrap();
    assert_eq!(
        (all.place.to_string().as_str(), all.asked_for),
        ("127.0.0.1:9469", false)
    );
    assert_eq!(by_default.health, None);
    let variable = ("TCPGAUGE_HTTP_LISTEN", "127.0.0.1:9469");
    assert!(http(&[], &[variable]).unwrap().all.unwrap().asked_for);
    assert_eq!(
        http(&[("http_listen", "none")], &[variable]).unwrap().all,
        None
    );

    let faults = http(&[("http_listen", ":9470"), ("health_listen", ":9470")], &[]).unwrap_err();
    assert!(
        faults.len() == 1 && faults[0].starts_with("flag --health-listen"),
        "{faults:?}"
    );
    // What nobody asked for gives way to what somebody did.
    assert!(http(&[("health_listen", "127.0.0.1:9469")], &[]).is_ok());
}

#[test]
fn the_exporter_can_be_none_in_both_of_the_standard_ways() {
    for variable in [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_SDK_DISABLED", "TRUE"),
    ] {
        assert!(
            load(&[], &[variable]).unwrap().delivery.is_none(),
            "{variable:?}"
        );
    }
    assert!(
        load(&[], &[("OTEL_SDK_DISABLED", "false")])
            .unwrap()
            .delivery
            .is_some()
    );
}

#[test]
fn what_asks_for_what_happens_anyway_gets_no_warning() {
    let config = load(
        &[],
        &[
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "TRUE"),
            (
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                "Cumulative",
            ),
        ],
    );
    assert_eq!(config.unwrap().warnings, Vec::<String>::new());
}

#[test]
fn an_attribute_without_a_value_says_nothing() {
    let config = load(&[], &[("OTEL_RESOURCE_ATTRIBUTES", "host.name=,x=y")]).unwrap();
    assert!(!config.resource.names_the_host());
    assert_eq!(config.resource.attributes.len(), 1);
}

#[test]
fn control_characters_reach_no_terminal() {
    let faults = load(&[], &[("OTEL_RESOURCE_ATTRIBUTES", "a%1b[2J=b")]).unwrap_err();
    assert!(faults[0].contains("control characters"), "{faults:?}");
}

#[test]
fn a_reading_is_not_kept_from_anyone_by_where_it_would_be_sent() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://host"),
        ("TCPGAUGE_SCOPE", "self"),
    ];
    let config = Config::load(Flags::default(), environment(&variables), UsedBy::Readers).unwrap();
    assert_eq!(config.source.scope, Scope::Own);
}

#[test]
fn the_file_is_read_within_bounds_and_a_bad_one_names_the_line() {
    let faults = load_with_file("interval = \"30s\"\nscope = = \"host\"", &[], &[]).unwrap_err();
    assert!(faults[0].contains("line 2"), "{faults:?}");
    let faults = load_with_file(&"#".repeat((1 << 20) + 1), &[], &[]).unwrap_err();
    assert!(faults[0].contains("longer than"), "{faults:?}");
    let missing = Flags {
        file: Some("/nowhere/tcpgauge.toml".into()),
        ..Flags::default()
    };
    let faults = Config::load(missing, Environment::default(), UsedBy::Senders).unwrap_err();
    assert!(
        faults[0]
            .to_string()
            .starts_with("/nowhere/tcpgauge.toml: cannot be read"),
        "{faults:?}"
    );
}

#[test]
fn every_default_in_the_table_is_a_value_that_the_setting_takes() {
    for setting in settings::all().filter(|setting| !setting.default.is_empty()) {
        // Most of what is of traces matters only where there are some.
        let traces = ("traces_exporter", "otlp");
        let config = load(&[traces, (setting.key, setting.default)], &[]).unwrap();
        let shown: Vec<_> = config.origins.iter().map(ToString::to_string).collect();
        assert!(
            shown
                .iter()
                .any(|origin| *origin == format!("flag --{}", setting.flag.unwrap_or(setting.key))),
            "{} is looked at: {shown:?}",
            setting.key
        );
    }
}
