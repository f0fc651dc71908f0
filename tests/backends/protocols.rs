//! Every way to speak OTLP, to a real Collector: what was sampled arrives, with its times and its values.

use serde_json::json;

use crate::agent::{TCP, TCP6, Tcpgauge, all_at_once};
use crate::certificates::Authority;
use crate::collector::{Setup, gauge};
use crate::whole::assert_whole;

/// What the environment says of where to send to, and how.
struct Way {
    name: &'static str,
    environment: Vec<(&'static str, String)>,
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CLIENT_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// The protocols as an agent and as a Collector call them.
const PROTOCOLS: [(&str, &str); 2] = [("grpc", "grpc"), ("http/protobuf", "http")];

fn leak(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}

fn ways(setup: &mut Setup) -> Vec<(&'static str, Way)> {
    let directory = setup.directory().to_owned();
    let authority = Authority::new("ours");
    let server = authority.server(&directory, "127.0.0.1");
    let client = authority.client(&directory);
    let root = authority.write(directory.join("root.pem"));
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let tls = json!({"cert_file": server.certificate, "key_file": server.key});
    let mtls =
        json!({"cert_file": server.certificate, "key_file": server.key, "client_ca_file": root});
    let token = setup.bearer("t0ken=of,the-test");
    let certificate = (CERTIFICATE, path(&root));
    let mut ways = Vec::new();
    let mut add = |name: &'static str, environment| ways.push((name, Way { name, environment }));
    for (protocol, receiver) in PROTOCOLS {
        let mut way = |what: &str, settings, scheme: &str, more: &[(&'static str, String)]| {
            let name = leak(format!("{receiver}-{what}"));
            let address = setup.metrics(name, receiver, settings);
            let given = [
                (ENDPOINT, format!("{scheme}://{address}")),
                (PROTOCOL, protocol.to_owned()),
            ];
            add(name, [&given, more].concat());
        };
        let gzip = (COMPRESSION, "gzip".to_owned());
        way("clear", json!({}), "http", &[]);
        way("gzip", json!({}), "http", std::slice::from_ref(&gzip));
        way(
            "tls",
            json!({"tls": tls}),
            "https",
            std::slice::from_ref(&certificate),
        );
        way(
            "mtls",
            json!({"tls": mtls}),
            "https",
            &[
                certificate.clone(),
                (CLIENT_CERTIFICATE, path(&client.certificate)),
                (CLIENT_KEY, path(&client.key)),
                gzip,
            ],
        );
        way(
            "token",
            json!({"tls": tls, "auth": token}),
            "https",
            &[
                certificate.clone(),
                (
                    HEADERS,
                    "authorization=Bearer%20t0ken%3Dof%2Cthe-test".to_owned(),
                ),
            ],
        );
    }
    let socket = directory.join("socket");
    setup.metrics(
        "unix",
        "grpc",
        json!({"endpoint": socket, "transport": "unix"}),
    );
    add(
        "unix",
        vec![(ENDPOINT, format!("unix://{}", path(&socket)))],
    );
    ways
}

#[test]
fn what_was_sampled_arrives_over_every_way() {
    let Some(mut setup) = Setup::new("protocols") else {
        return;
    };
    let ways = ways(&mut setup);
    let _collector = setup.start();
    all_at_once(&ways, |way| {
        let mut agent = Tcpgauge::command("run")
            .args(["--interval", "1s", "--host-name", way.name])
            .env("TCPGAUGE_SEND_SPREAD", "0s");
        for (name, value) in &way.environment {
            agent = agent.env(name, value);
        }
        let agent = agent.start();
        setup.wait(way.name, || agent.log(), |times| times.len() >= 3);
        let ended = agent.stop();
        setup.wait(
            way.name,
            || ended.log.clone(),
            |times| times.last().is_some_and(|last| *last >= ended.stopped),
        );
        assert_whole(&setup.times(way.name), &ended);
        assert_eq!(ended.complaints(), <[&str; 0]>::default(), "{}", ended.log);
        for sample in setup.samples(way.name) {
            check_values(&sample, way.name);
        }
    });
}

fn check_values(sample: &serde_json::Value, host: &str) {
    let of = |wanted: Option<u8>| {
        let rows = TCP.iter().chain(&TCP6);
        let rows = rows.filter(|(state, _)| wanted.is_none_or(|wanted| wanted == *state));
        i64::try_from(rows.map(|(_, sockets)| sockets).sum::<usize>()).unwrap()
    };
    for (name, state) in [
        ("tcp_connections", None),
        ("tcp_established", Some(1)),
        ("tcp_time_wait", Some(6)),
        ("tcp_close_wait", Some(8)),
        ("tcp_listen", Some(10)),
    ] {
        assert_eq!(gauge(sample, name), of(state), "{name}");
    }
    let attributes = sample["resource"]["attributes"].as_array().unwrap();
    let named = json!({"key": "host.name", "value": {"stringValue": host}});
    assert!(attributes.contains(&named), "{attributes:?}");
}
