//! What `check` says of a backend that does not take what it is sent: one sentence, with the word that an operator needs.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::agent::{Tcpgauge, all_at_once};
use crate::certificates::Authority;
use crate::child::Served;
use crate::collector::Setup;

/// A mistake, and what the sentence about it must say.
struct Wrong {
    protocol: &'static str,
    endpoint: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    words: &'static [&'static str],
}

const GRPC: &str = "grpc";
const HTTP: &str = "http/protobuf";

/// A mistake that is only one of address and protocol.
fn spoken(protocol: &'static str, endpoint: String, words: &'static [&'static str]) -> Wrong {
    Wrong {
        protocol,
        endpoint,
        arguments: Vec::new(),
        environment: Vec::new(),
        words,
    }
}

impl Wrong {
    fn believing(mut self, root: &std::path::Path) -> Self {
        self.arguments.extend([
            "--certificate".to_owned(),
            root.to_str().unwrap().to_owned(),
        ]);
        self
    }

    fn with_headers(mut self, headers: &str) -> Self {
        self.environment
            .push(("OTEL_EXPORTER_OTLP_HEADERS", headers.to_owned()));
        self
    }

    fn said(&self) -> (Option<i32>, String) {
        let mut command = Tcpgauge::command("check")
            .args(["--host-name", "h", "--protocol", self.protocol])
            .args(["--endpoint", &self.endpoint])
            .args(&self.arguments);
        for (name, value) in &self.environment {
            command = command.env(name, value);
        }
        let (code, stdout, stderr) = command.output();
        (code, format!("{stdout}{stderr}"))
    }

    fn is_told(&self) {
        let (code, said) = self.said();
        assert_eq!(code, Some(1), "{said}");
        let failed: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("fail"))
            .collect();
        assert_eq!(failed.len(), 1, "one sentence: {said}");
        let missing: Vec<_> = self
            .words
            .iter()
            .filter(|word| !failed[0].contains(**word))
            .collect();
        assert!(missing.is_empty(), "without {missing:?}: {}", failed[0]);
    }
}

/// A Collector with a receiver of each kind.
struct Scene {
    grpc: String,
    http: String,
    grpc_tls: String,
    http_tls: String,
    grpc_mtls: String,
    http_mtls: String,
    grpc_token: String,
    http_token: String,
    grpc_traces: String,
    http_traces: String,
    expired: String,
    misnamed: String,
    root: PathBuf,
    stranger: Authority,
    setup: Setup,
    _collector: Served,
}

fn scene() -> Option<Scene> {
    let mut setup = Setup::new("diagnoses")?;
    let directory = setup.directory().to_owned();
    let authority = Authority::new("ours");
    let root = authority.write(directory.join("root.pem"));
    let identity = authority.server(&directory, "127.0.0.1");
    let tls = json!({"cert_file": identity.certificate, "key_file": identity.key});
    let mut mtls = tls.clone();
    mtls["client_ca_file"] = json!(root);
    let of = |identity: crate::certificates::Identity| -> Value {
        json!({"tls": {"cert_file": identity.certificate, "key_file": identity.key}})
    };
    let expired = of(authority.expired(&directory, "127.0.0.1"));
    let misnamed = of(authority.server(&directory, "collector.example"));
    let auth = setup.bearer("a-token");
    let plain = json!({});
    let (tls, mtls, auth) = (
        json!({"tls": tls}),
        json!({"tls": mtls}),
        json!({"auth": auth}),
    );
    Some(Scene {
        grpc: setup.metrics("grpc", "grpc", plain.clone()),
        http: setup.metrics("http", "http", plain),
        grpc_tls: setup.metrics("grpc-tls", "grpc", tls.clone()),
        http_tls: setup.metrics("http-tls", "http", tls),
        grpc_mtls: setup.metrics("grpc-mtls", "grpc", mtls.clone()),
        http_mtls: setup.metrics("http-mtls", "http", mtls),
        grpc_token: setup.metrics("grpc-token", "grpc", auth.clone()),
        http_token: setup.metrics("http-token", "http", auth),
        grpc_traces: setup.traces("grpc-traces", "grpc"),
        http_traces: setup.traces("http-traces", "http"),
        expired: setup.metrics("expired", "grpc", expired),
        misnamed: setup.metrics("misnamed", "grpc", misnamed),
        root,
        stranger: Authority::new("theirs"),
        _collector: setup.start(),
        setup,
    })
}

/// What is spoken on the port, whether it is encrypted, and what is asked for there.
fn wrong_doors(scene: &Scene) -> Vec<(&'static str, Wrong)> {
    let clear = |address: &String| format!("http://{address}");
    let encrypted = |address: &String| format!("https://{address}");
    let (ours, tls) = (&scene.root, |protocol, address| {
        spoken(protocol, encrypted(address), &["http://"])
    });
    vec![
        (
            "gRPC to the port of HTTP",
            spoken(GRPC, clear(&scene.http), &["4318", "http/protobuf"]),
        ),
        (
            "HTTP to the port of gRPC",
            spoken(HTTP, clear(&scene.grpc), &["4317", "grpc"]),
        ),
        (
            "gRPC to the port of HTTP, in TLS",
            spoken(GRPC, encrypted(&scene.http_tls), &["404", "4317", "4318"]).believing(ours),
        ),
        (
            "HTTP to the port of gRPC, in TLS",
            spoken(HTTP, encrypted(&scene.grpc_tls), &["--protocol"]).believing(ours),
        ),
        (
            "clear gRPC to a TLS port",
            spoken(GRPC, clear(&scene.grpc_tls), &["TLS", "https://"]),
        ),
        (
            "clear HTTP to a TLS port",
            spoken(HTTP, clear(&scene.http_tls), &["TLS", "https://"]),
        ),
        ("gRPC in TLS to a clear port", tls(GRPC, &scene.grpc)),
        ("HTTP in TLS to a clear port", tls(HTTP, &scene.http)),
        (
            "a path that is not there",
            spoken(
                HTTP,
                format!("http://{}/otlp", scene.http),
                &["404", "/v1/metrics"],
            ),
        ),
        (
            "gRPC to what takes traces alone",
            spoken(GRPC, clear(&scene.grpc_traces), &["traces only", "metrics"]),
        ),
        (
            "HTTP to what takes traces alone",
            spoken(
                HTTP,
                clear(&scene.http_traces),
                &["404", "traces only", "metrics"],
            ),
        ),
    ]
}

/// Who is believed, and whom the other side believes.
fn wrong_certificates(scene: &Scene) -> Vec<(&'static str, Wrong)> {
    let directory = scene.setup.directory();
    let encrypted = |address: &String| format!("https://{address}");
    let stranger = scene.stranger.client(directory);
    let as_stranger = |mut wrong: Wrong| {
        for (flag, path) in [
            ("--client-certificate", &stranger.certificate),
            ("--client-key", &stranger.key),
        ] {
            wrong
                .arguments
                .extend([flag.to_owned(), path.to_str().unwrap().to_owned()]);
        }
        wrong
    };
    let ours = &scene.root;
    let wanted: &[&str] = &["certificate from us", "--client-certificate"];
    let unaccepted: &[&str] = &["does not accept the certificate", "--client-certificate"];
    vec![
        (
            "an authority that nobody knows, gRPC",
            spoken(
                GRPC,
                encrypted(&scene.grpc_tls),
                &["authority", "--certificate"],
            ),
        ),
        (
            "an authority that nobody knows, HTTP",
            spoken(
                HTTP,
                encrypted(&scene.http_tls),
                &["authority", "--certificate"],
            ),
        ),
        (
            "an authority that has only the name of one that is known",
            spoken(
                GRPC,
                encrypted(&scene.grpc_tls),
                &["authority", "--certificate"],
            )
            .believing(&Authority::new("ours").write(directory.join("renewed.pem"))),
        ),
        (
            "a certificate that has expired",
            spoken(GRPC, encrypted(&scene.expired), &["expired", "renew"]).believing(ours),
        ),
        (
            "a certificate for somebody else",
            spoken(
                GRPC,
                encrypted(&scene.misnamed),
                &["another name", "collector.example"],
            )
            .believing(ours),
        ),
        (
            "no certificate where one is wanted, gRPC",
            spoken(GRPC, encrypted(&scene.grpc_mtls), wanted).believing(ours),
        ),
        (
            "no certificate where one is wanted, HTTP",
            spoken(HTTP, encrypted(&scene.http_mtls), wanted).believing(ours),
        ),
        (
            "a certificate of a stranger, gRPC",
            as_stranger(spoken(GRPC, encrypted(&scene.grpc_mtls), unaccepted).believing(ours)),
        ),
        (
            "a certificate of a stranger, HTTP",
            as_stranger(spoken(HTTP, encrypted(&scene.http_mtls), unaccepted).believing(ours)),
        ),
        (
            "a root that is no certificate",
            spoken(GRPC, encrypted(&scene.grpc_tls), &["holds no certificate"])
                .believing(&stranger.key),
        ),
    ]
}

/// What we say who we are by.
fn wrong_tokens(scene: &Scene) -> Vec<(&'static str, Wrong)> {
    vec![
        (
            "no token, gRPC",
            spoken(
                GRPC,
                format!("http://{}", scene.grpc_token),
                &["credentials", "headers"],
            ),
        ),
        (
            "no token, HTTP",
            spoken(
                HTTP,
                format!("http://{}", scene.http_token),
                &["401", "credentials", "headers"],
            ),
        ),
        (
            "another token, gRPC",
            spoken(
                GRPC,
                format!("http://{}", scene.grpc_token),
                &["credentials", "headers"],
            )
            .with_headers("authorization=Bearer%20another"),
        ),
        (
            "another token, HTTP",
            spoken(
                HTTP,
                format!("http://{}", scene.http_token),
                &["401", "credentials", "headers"],
            )
            .with_headers("authorization=Bearer%20another"),
        ),
        (
            "a token without its file",
            Wrong {
                arguments: vec![
                    "--header-file".into(),
                    "authorization=/no/such/token".into(),
                ],
                ..spoken(GRPC, format!("http://{}", scene.grpc), &["/no/such/token"])
            },
        ),
    ]
}

#[test]
fn what_is_wrong_with_a_port_is_told_in_one_sentence() {
    let Some(scene) = scene() else { return };
    all_at_once(&wrong_doors(&scene), Wrong::is_told);
}

#[test]
fn what_is_wrong_with_certificates_and_tokens_is_told_in_one_sentence() {
    let Some(scene) = scene() else { return };
    all_at_once(&wrong_certificates(&scene), Wrong::is_told);
    all_at_once(&wrong_tokens(&scene), Wrong::is_told);
}
