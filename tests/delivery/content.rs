//! What is in a request: the metrics, the resource, the metadata; and what is left out when asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::agent::{Ended, TCP, TCP6, Tcpgauge, all_at_once, table};
use crate::otlp_server::{OtlpServer, Received};
use crate::samples::{INSTRUMENTS, Sample, samples};

/// Long enough for the first sample of an agent on a busy machine, far shorter than the interval of an hour that it is tested with.
const SOON: Duration = Duration::from_mins(1);

/// Lets an agent send its first sample and ends it: what came in, and how it ended.
fn first_of(agent: impl FnOnce(&str) -> Tcpgauge) -> (Received, Ended) {
    let server = OtlpServer::started();
    let agent = agent(&server.endpoint()).start();
    let came = server.wait_until(SOON, |received| !received.is_empty());
    assert!(came, "nothing came within {SOON:?}:\n{}", agent.log());
    let ended = agent.stop();
    (server.received().swap_remove(0), ended)
}

fn first_sample(agent: impl FnOnce(&str) -> Tcpgauge) -> Sample {
    samples(&[first_of(agent).0]).swap_remove(0)
}

#[test]
fn a_request_is_equal_to_the_golden_one() {
    let rendered = first_sample(Tcpgauge::run).render();
    let golden = include_str!("golden.txt");
    assert!(
        rendered == golden,
        "got:\n{rendered}\nwanted (tests/delivery/golden.txt):\n{golden}"
    );
}

#[test]
fn the_first_sample_is_sent_at_once_and_the_last_at_the_end() {
    let server = OtlpServer::started();
    let agent = Tcpgauge::run_every("1h", &server.endpoint()).start();
    assert!(
        server.wait_until(SOON, |received| !received.is_empty()),
        "nothing came:\n{}",
        agent.log()
    );
    agent.tree.write("tcp", &table(&[(8, 77)], 8));
    let ended = agent.stop();
    ended.assert_clean();
    let sent = samples(&server.accepted());
    assert_eq!(sent.len(), 2, "{}", ended.log);
    assert_eq!(sent[1].value("tcp_close_wait"), 77 + 1);
    assert!(sent[1].time >= ended.stopped);
}

#[test]
fn a_host_without_sockets_has_every_point_at_zero() {
    let server = OtlpServer::started();
    let agent = Tcpgauge::run(&server.endpoint());
    let agent = agent.start();
    agent.tree.write("tcp", &table(&[], 8));
    agent.tree.write("tcp6", &table(&[], 32));
    let is_empty = |sample: &Sample| sample.value("tcp_connections") == 0;
    assert!(
        server.wait_until(SOON, |received| samples(received).iter().any(is_empty)),
        "{}",
        agent.log()
    );
    drop(agent.stop());
    let sample = samples(&server.accepted())
        .into_iter()
        .find(is_empty)
        .unwrap();
    assert_eq!(sample.instruments(), INSTRUMENTS.into());
    assert_eq!(
        sample
            .points("system.network.connection.count")
            .into_values()
            .collect::<Vec<_>>(),
        [0; 11]
    );
}

#[test]
fn what_is_not_one_of_the_five_can_be_left_out() {
    let sample = first_sample(|endpoint| Tcpgauge::run(endpoint).args(["--metrics", "five"]));
    assert_eq!(
        sample.instruments(),
        INSTRUMENTS[1..].iter().copied().collect::<BTreeSet<_>>()
    );
}

#[test]
fn states_can_be_split_by_network_type() {
    let sample = first_sample(|endpoint| Tcpgauge::run(endpoint).args(["--split-network-type"]));
    let count = |states: &[(u8, usize)], state| {
        states
            .iter()
            .find(|one| one.0 == state)
            .map_or(0, |one| one.1)
    };
    let mut expected = BTreeMap::new();
    for (state, name) in STATES {
        for (family, table) in [("ipv4", &TCP[..]), ("ipv6", &TCP6[..])] {
            let attributes = format!(
                "network.connection.state={name}, network.transport=tcp, network.type={family}"
            );
            expected.insert(attributes, i64::try_from(count(table, state)).unwrap());
        }
    }
    assert_eq!(sample.points("system.network.connection.count"), expected);
    assert_eq!(sample.value("tcp_connections"), 47);
}

const STATES: [(u8, &str); 11] = [
    (1, "established"),
    (2, "syn_sent"),
    (3, "syn_received"),
    (4, "fin_wait_1"),
    (5, "fin_wait_2"),
    (6, "time_wait"),
    (7, "closed"),
    (8, "close_wait"),
    (9, "last_ack"),
    (10, "listen"),
    (11, "closing"),
];

#[test]
fn the_resource_is_the_hosts_and_never_the_agents_own_pod_or_container() {
    let given = "deployment.environment.name=a%20b%2C%3D%C3%BC,k8s.node.name=n1,k8s.pod.name=mine,k8s.pod.uid=u1,\
                 container.id=c1,container.name=cn,service.version=9.9";
    let agent = |endpoint: &str| {
        Tcpgauge::run(endpoint)
            .env("OTEL_RESOURCE_ATTRIBUTES", given)
            .env("OTEL_SERVICE_NAME", "sockets")
    };
    let resource = first_sample(agent).resource;
    let get = |name: &str| resource.get(name).map(String::as_str);
    assert_eq!(get("deployment.environment.name"), Some("a b,=ü"));
    assert_eq!(get("k8s.node.name"), Some("n1"));
    assert_eq!(get("host.name"), Some("h"));
    assert_eq!(get("service.name"), Some("sockets"));
    let own: Vec<_> = resource
        .keys()
        .filter(|name| name.starts_with("k8s.pod.") || name.starts_with("container."))
        .collect();
    assert!(own.is_empty(), "{own:?}");
}

#[test]
fn headers_arrive_as_metadata_and_never_show_in_the_log() {
    let agent = |endpoint: &str| {
        let agent = Tcpgauge::run(endpoint).args(["--log-level", "trace"]);
        agent.env(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20s3cr3t%2Ctoken, x-scope-orgid = tenant%2D1",
        )
    };
    let (received, ended) = first_of(agent);
    assert_eq!(
        received.headers.get("authorization").map(String::as_str),
        Some("Bearer s3cr3t,token")
    );
    assert_eq!(
        received.headers.get("x-scope-orgid").map(String::as_str),
        Some("tenant-1")
    );
    for secret in ["s3cr3t", "tenant-1", "tenant%2D1"] {
        assert!(
            !ended.log.contains(secret),
            "{secret} is in the log:\n{}",
            ended.log
        );
    }
}

#[test]
fn metrics_headers_replace_the_generic_ones() {
    let agent = |endpoint: &str| {
        let agent =
            Tcpgauge::run(endpoint).env("OTEL_EXPORTER_OTLP_HEADERS", "x-generic=g,x-both=g");
        agent.env("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-both=m")
    };
    let (received, _) = first_of(agent);
    assert_eq!(
        received.headers.get("x-both").map(String::as_str),
        Some("m")
    );
    assert_eq!(received.headers.get("x-generic"), None);
}

#[test]
fn told_to_send_nothing_it_sends_nothing_and_the_rest_works() {
    let ways: [(&str, (&str, &str)); 2] = [
        ("no exporter", ("OTEL_METRICS_EXPORTER", "none")),
        ("no SDK", ("OTEL_SDK_DISABLED", "true")),
    ];
    all_at_once(&ways, |(name, value)| {
        let server = OtlpServer::started();
        let mut agent = Tcpgauge::run(&server.endpoint()).env(name, value).start();
        std::thread::sleep(Duration::from_millis(2500));
        assert!(agent.is_running(), "{}", agent.log());
        let ended = agent.stop();
        ended.assert_clean();
        assert!(server.received().is_empty());
        assert!(ended.complaints().is_empty(), "{}", ended.log);
    });
}
