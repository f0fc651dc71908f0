//! Every pod on the node, as the commands show it.

use serde_json::{Value, json};

use crate::agent::Agent;
use crate::node::{CLOSE_WAIT, ESTABLISHED, LISTEN, Node, TIME_WAIT};
use crate::program::{Finished, finish, tcpgauge};

const WEB: &str = "5f0c7a36-1de1-4b5c-9a38-0e3f6c1f2a77";
const DB: &str = "0b1f6c64-93a1-4d37-8d0c-6f2a1b7e9c55";

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// A host, a pod that leaks, one without a name, a container of Docker's, and somebody's namespace.
fn node() -> Node {
    let mut node = Node::new(&[(ESTABLISHED, 8), (LISTEN, 1)]);
    node.pod(DB, &id('b'), &[(ESTABLISHED, 40), (LISTEN, 1)]);
    node.pod(
        WEB,
        &id('a'),
        &[
            (CLOSE_WAIT, 12),
            (ESTABLISHED, 3),
            (TIME_WAIT, 5),
            (LISTEN, 2),
        ],
    );
    node.name("shop", "web-0", WEB, &id('a'));
    node.start(
        &format!("/system.slice/docker-{}.scope", id('d')),
        &[(LISTEN, 3)],
    );
    node.start("/user.slice", &[(TIME_WAIT, 6)]);
    node
}

fn run(node: &Node, arguments: &[&str]) -> Finished {
    let mut command = tcpgauge(arguments.iter().copied());
    command.args(node.arguments());
    finish(command)
}

#[test]
fn a_snapshot_shows_every_pod_and_first_what_needs_attention() {
    let run = run(&node(), &["snapshot", "--scope", "pods"]);
    assert_eq!((run.exit, run.stderr.as_str()), (0, ""), "{run:?}");
    let (first, table) = run.stdout.split_once('\n').unwrap();
    assert!(first.starts_with("tcpgauge  pods  "), "{run:?}");
    assert_eq!(
        table,
        "  POD                                   CONNECTIONS  ESTABLISHED  TIME_WAIT  CLOSE_WAIT  LISTEN
  shop/web-0                                     22            3          5          12       2
  other                                           6            0          6           0       0
  0b1f6c64-93a1-4d37-8d0c-6f2a1b7e9c55           41           40          0           0       1
  dddddddddddd                                    3            0          0           0       3

  network namespaces: 2 of pods, 1 of containers, 1 unowned, 0 sandboxed
  pods without a name in --container-logs-dir, shown by UID: 1
"
    );
}

#[test]
fn a_snapshot_of_both_scopes_has_the_host_and_then_the_pods() {
    let node = node();
    let shown = run(&node, &["snapshot", "--scope", "host,pods"]).stdout;
    assert!(shown.starts_with("tcpgauge  host  text  "), "{shown}");
    assert!(
        shown.find("tcp_listen").unwrap() < shown.find("shop/web-0").unwrap(),
        "{shown}"
    );
}

#[test]
fn a_snapshot_in_json_has_a_reading_of_each_owner() {
    let run = run(
        &node(),
        &["snapshot", "--scope", "host,pods", "--format", "json"],
    );
    assert_eq!(run.exit, 0, "{run:?}");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["faults"], json!([]));
    let readings = json["readings"].as_array().unwrap();
    let owners: Vec<_> = readings.iter().map(|reading| &reading["owner"]).collect();
    assert_eq!(readings[0]["scope"], "host");
    assert_eq!(readings[0]["tcp_connections"], 9, "no pod's are the host's");
    let expected = [
        json!(null),
        json!({"k8s.pod.uid": DB}),
        json!({"k8s.namespace.name": "shop", "k8s.pod.name": "web-0", "k8s.pod.uid": WEB}),
        json!({"container.id": id('d')}),
        json!({"tcpgauge.owner": "other"}),
    ];
    assert_eq!(owners, expected.iter().collect::<Vec<_>>());
    let mut web = readings[2].clone();
    let states = web["states"].take();
    assert_eq!(
        (&states["ipv4"]["close_wait"], &states["ipv6"]["close_wait"]),
        (&json!(12), &json!(0))
    );
    assert_eq!(
        web,
        json!({
            "scope": "pods", "owner": readings[2]["owner"], "gate": "read", "age_seconds": 0.0, "complete": true,
            "tcp_connections": 22, "tcp_established": 3, "tcp_time_wait": 5, "tcp_close_wait": 12, "tcp_listen": 2,
            "states": null, "unrecognised": 0, "malformed": 0,
            "listeners": { "longest_accept_queue": { "port": 8080, "length": 0, "limit": null }, "full": null },
        })
    );
}

#[test]
fn a_pod_that_cannot_be_read_is_missing_and_said_to_be() {
    let mut node = node();
    let broken = node.pod("c0ffee00-0000-4000-8000-000000000001", &id('c'), &[]);
    let table = node.proc_root().join(format!("{broken}/net/tcp"));
    std::fs::write(table, "  sl  local_address\n  garbage\n").unwrap();
    let run = run(&node, &["snapshot", "--scope", "pods"]);
    assert_eq!(run.exit, 1, "{run:?}");
    assert!(run.stdout.contains("shop/web-0"), "{run:?}");
    assert!(!run.stdout.contains("c0ffee00"), "{run:?}");
    assert!(run.stdout.contains("  not read: 1\n"), "{run:?}");
    let said =
        "read the tables of pod c0ffee00-0000-4000-8000-000000000001: 1 malformed or cut line(s)";
    assert!(run.stderr.contains(said), "{run:?}");
}

#[test]
fn a_check_says_what_is_found_of_pods_and_what_to_do() {
    let node = node();
    let says = |arguments: &[&str], exit: i32, lines: &[&str]| {
        let mut all = vec!["check", "--exporter", "none", "--scope", "pods"];
        all.extend(arguments);
        let run = run(&node, &all);
        assert_eq!(run.exit, exit, "{run:?}");
        for line in lines {
            assert!(run.stdout.contains(line), "{line}: {run:?}");
        }
    };
    says(
        &[],
        0,
        &[
            "ok    pods           5 processes seen in ",
            "2 of pods, 1 of containers, 1 unowned, 0 sandboxed",
            "has no name for 1 of 2 pods",
            "warn  gates          not possible, so every pod is read each time",
        ],
    );
    says(
        &["--pods-gates", "off", "--max-pods", "2"],
        0,
        &[
            "ok    gates          off, as --pods-gates says",
            "warn  series         1 pods and containers have no series of their own",
        ],
    );
    node.name("shop", "db-0", DB, &id('b'));
    says(&[], 0, &["has names for all 2 pods"]);
    std::fs::remove_dir_all(node.container_logs()).unwrap();
    says(
        &[],
        0,
        &[
            "is not there, so pods are told of by their UID alone: mount the host's /var/log/containers",
        ],
    );
    std::fs::remove_dir_all(node.proc_root()).unwrap();
    says(&[], 1, &["mount the host's /proc there"]);
}

#[test]
fn an_agent_logs_one_line_for_all_pods_and_once_why_it_reads_them_all() {
    let node = node();
    let mut command = tcpgauge(["run", "--exporter", "none", "--scope", "pods"]);
    command.args(node.arguments()).args(["--interval", "1s"]);
    let mut agent = Agent::start(command);
    let line = "sample scope=\"pods\" namespaces=4 pods=4 tcp_connections=72 tcp_established=43 tcp_time_wait=11 tcp_close_wait=12 tcp_listen=6";
    agent.until("INFO sample");
    agent.until("INFO sample");
    let run = agent.stop();
    assert!(run.stderr.contains(line), "{run:?}");
    let once = "every one is read each time: ";
    assert_eq!(run.stderr.matches(once).count(), 1, "{run:?}");
}
