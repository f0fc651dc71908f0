//! What is an endpoint, and what is none.

use super::*;

fn grpc(text: &str) -> Result<Endpoint, String> {
    let how = Reading {
        protocol: Protocol::Grpc,
        signal: Signal::Metrics,
        insecure: false,
        complete: false,
    };
    Endpoint::parse(text, how)
}

fn http(text: &str, complete: bool) -> Result<Endpoint, String> {
    let how = Reading {
        protocol: Protocol::HttpProtobuf,
        signal: Signal::Metrics,
        insecure: false,
        complete,
    };
    Endpoint::parse(text, how)
}

#[test]
fn an_endpoint_of_grpc_is_scheme_host_and_port() {
    for (text, host, port, tls) in [
        ("http://localhost:4317", "localhost", 4317, false),
        (
            "HTTP://collector.example:4317/",
            "collector.example",
            4317,
            false,
        ),
        ("http://10.0.0.1", "10.0.0.1", 80, false),
        ("http://[::1]:4317", "::1", 4317, false),
        ("http://[::1]", "::1", 80, false),
        ("https://api.example", "api.example", 443, true),
        ("collector:4317", "collector", 4317, true),
    ] {
        let endpoint = grpc(text).unwrap();
        assert_eq!(
            (endpoint.host(), endpoint.port(), endpoint.is_encrypted()),
            (Some(host), port, tls),
            "{text}"
        );
    }
    let how = Reading {
        protocol: Protocol::Grpc,
        signal: Signal::Metrics,
        insecure: true,
        complete: false,
    };
    let insecure = Endpoint::parse("collector:4317", how).unwrap();
    assert!(!insecure.is_encrypted());
}

#[test]
fn a_unix_socket_is_an_absolute_path() {
    for text in ["unix:///run/otlp.sock", "unix:/run/otlp.sock"] {
        let endpoint = grpc(text).unwrap();
        assert_eq!(endpoint.address, Address::Unix("/run/otlp.sock".into()));
        assert_eq!(endpoint.host(), None);
        assert_eq!(endpoint.to_string(), "unix:///run/otlp.sock");
    }
    assert!(
        grpc("unix://run/otlp.sock")
            .unwrap_err()
            .contains("unix:///")
    );
    assert!(http("unix:///run/otlp.sock", true).is_err());
}

#[test]
fn metrics_have_a_path_below_a_base_and_are_at_their_own_url_as_it_is() {
    for (text, below, as_it_is) in [
        ("http://h:4318", "/v1/metrics", "/"),
        ("http://h:4318/", "/v1/metrics", "/"),
        ("http://h/otlp", "/otlp/v1/metrics", "/otlp"),
        ("http://h/otlp/", "/otlp/v1/metrics", "/otlp/"),
        ("http://h/v1/metrics", "/v1/metrics", "/v1/metrics"),
        (
            "http://h/api/v1/otlp?x=1",
            "/api/v1/otlp/v1/metrics?x=1",
            "/api/v1/otlp?x=1",
        ),
    ] {
        assert_eq!(http(text, false).unwrap().path(), below, "{text}");
        assert_eq!(http(text, true).unwrap().path(), as_it_is, "{text}");
    }
    let shown = http("https://h/otlp?token=secret", true).unwrap();
    assert_eq!(shown.to_string(), "https://h/otlp");
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let usual = Endpoint::usual(protocol, Signal::Metrics);
        assert_eq!(usual.port(), protocol.usual_port());
        let how = Reading {
            protocol,
            signal: Signal::Metrics,
            insecure: false,
            complete: true,
        };
        assert_eq!(Endpoint::parse(&usual.to_string(), how), Ok(usual));
    }
}

#[test]
fn a_bad_endpoint_says_what_is_wrong_and_never_repeats_a_password() {
    for (text, says) in [
        ("", "no scheme"),
        ("http://host:4317/v1/metrics", "path"),
        ("http://host:4317?x=1", "path"),
        ("http://host:99999", "bad port"),
        ("http://host:0", "bad port"),
        ("http://host:", "bad port"),
        ("http://host:-1", "bad port"),
        ("http://host:+1", "bad port"),
        ("http://[::1]x:80", "bad host"),
        ("http://[zz]:4317", "bad host"),
        ("http://[::1", "bad host"),
        ("grpc://host:4317", "unknown scheme"),
        ("http://user:secret@host:4317", "password"),
        ("http://", "no host"),
        ("http://:4317", "no host"),
        ("http://a b:4317", "bad host"),
    ] {
        let error = grpc(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    for (text, says) in [
        ("localhost:4318", "no scheme"),
        ("http://h/a b", "bad path"),
        ("http://h/a#b", "bad path"),
        ("http://user:secret@h/v1/metrics", "password"),
    ] {
        let error = http(text, false).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn traces_have_paths_of_their_own() {
    for (protocol, text, expected) in [
        (Protocol::HttpProtobuf, "http://h:4318", "/v1/traces"),
        (
            Protocol::Grpc,
            "http://h:4317",
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        ),
    ] {
        let how = Reading {
            protocol,
            signal: Signal::Traces,
            insecure: false,
            complete: false,
        };
        assert_eq!(Endpoint::parse(text, how).unwrap().path(), expected);
    }
}

#[test]
fn a_token_in_the_query_is_redacted() {
    let endpoint = http("https://h/p?token=query-secret&x=1", true).unwrap();
    let said = endpoint.redact("POST /p?token=query-secret&x=1 is bad, query-secret is too");
    assert!(!said.contains("secret"), "{said}");
    assert_eq!(http("https://h/p", true).unwrap().redact("x"), "x");
}
