use std::net::SocketAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::super::super::arguments::Form;
use super::*;
use crate::culprits::Seen;
use crate::pods::{Owner, PodName, Pods};
use crate::source::Scope;

fn question(top: usize, watch: Option<Duration>) -> Question {
    Question {
        state: State::CloseWait,
        form: Form::Table,
        top,
        watch,
    }
}

fn group(whose: Whose, endpoint: Endpoint, sockets: u64) -> Group {
    Group {
        whose,
        process: None,
        user: Some(1000),
        endpoint,
        peer: Some([10, 0, 0, 9].into()),
        has_more_peers: false,
        sockets,
        received: Some(4),
        seen: None,
    }
}

fn host() -> Whose {
    Whose::Alone(Scope::Host)
}

fn leaker(name: &str) -> Arc<Process> {
    Arc::new(Process {
        pid: 4711,
        start: 1,
        name: name.into(),
        container: Some("0123456789abcdef0123".into()),
        others: 2,
    })
}

fn shown(culprits: &Culprits, question: &Question) -> String {
    let mut sample = Sample::at(UNIX_EPOCH);
    sample.pods = Some(Pods::default());
    page(&sample, culprits, question)
}

fn culprits(state: State, groups: Vec<Group>, rest: u64, access: Access) -> Culprits {
    let sockets: u64 = groups.iter().map(|group| group.sockets).sum();
    Culprits {
        state,
        total: sockets + rest,
        groups,
        rest,
        access,
    }
}

#[test]
fn everything_is_on_one_screen_and_adds_up() {
    let pod = Whose::Of(Owner::Pod {
        uid: "1c1e0c1e".into(),
        name: Some(PodName {
            namespace: "shop".into(),
            pod: "web".into(),
        }),
    });
    let remote: SocketAddr = "[fd00::5]:5432".parse().unwrap();
    let mut nobodys = group(host(), Endpoint::Unknown, 3);
    (nobodys.user, nobodys.peer) = (None, None);
    let groups = vec![
        Group {
            process: Some(leaker("leaker")),
            has_more_peers: true,
            ..group(host(), Endpoint::Local(8080), 50)
        },
        group(pod.clone(), Endpoint::Remote(remote), 7),
        nobodys,
        group(pod, Endpoint::Local(1), 2),
    ];
    let all = culprits(State::CloseWait, groups, 1, Access::Denied(5));
    let expected = "\
tcpgauge  culprits  close_wait  1970-01-01T00:00:00.000Z
  OWNER     PROCESS                             USER  ENDPOINT            PEER         SOCKETS
  host      4711 leaker in 0123456789ab +2 more  1000  local port 8080     10.0.0.9, …  50
  shop/web  -                                   1000  to [fd00::5]:5432   10.0.0.9     7

  in 1 more groups: 2 (--top, --format json)
  not attributed: 4
  sockets in close_wait: 63
  5 process(es) may not be looked into, so not all that hold them are named: that needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH
";
    let words = |page: &str| -> Vec<Vec<String>> {
        let lines = page.lines();
        lines
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    };
    let page = shown(&all, &question(2, None));
    assert_eq!(words(&page), words(expected), "{page}");
    // Columns stand below each other.
    let starts = |word: &str| page.lines().find_map(|line| line.find(word)).unwrap();
    assert_eq!(starts("ENDPOINT"), starts("local port"));
    assert_eq!(starts("ENDPOINT"), starts("to [fd00"));
}

#[test]
fn listeners_have_a_queue_and_no_peer() {
    let all = culprits(
        State::Listen,
        vec![group(host(), Endpoint::Local(8080), 1)],
        0,
        Access::Whole,
    );
    let page = shown(&all, &question(20, None));
    let rows: Vec<Vec<_>> = page
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[1],
        ["OWNER", "PROCESS", "USER", "ENDPOINT", "QUEUE", "SOCKETS"]
    );
    assert_eq!(
        rows[2],
        ["host", "-", "1000", "local", "port", "8080", "4", "1"]
    );
}

#[test]
fn a_watch_says_since_when_and_how_fast() {
    for (ago, before, expected) in [
        (Duration::ZERO, 123, "for 0 s"),
        (Duration::from_secs(90), 123, "for 90 s, steady"),
        (Duration::from_mins(40), 3, "for 40 min, +3.0/min"),
        (Duration::from_mins(2), 223, "for 2 min, -50/min"),
        (Duration::from_hours(30), 123, "for 30 h, steady"),
        (Duration::from_hours(100), 0, "for 4 d, steady"),
    ] {
        let mut group = group(host(), Endpoint::Local(80), 123);
        group.seen = Some(Seen {
            ago,
            sockets: before,
        });
        let all = culprits(State::CloseWait, vec![group], 0, Access::Whole);
        let page = shown(&all, &question(20, Some(Duration::from_secs(1))));
        assert!(
            page.contains(&format!("{expected}\n")),
            "{expected}: {page}"
        );
    }
}

#[test]
fn a_name_does_nothing_to_a_terminal_and_takes_not_all_of_it() {
    let named = Group {
        process: Some(leaker(&format!("\x1b[2J{}", "x".repeat(4000)))),
        ..group(host(), Endpoint::Local(80), 1)
    };
    let page = shown(
        &culprits(State::CloseWait, vec![named], 0, Access::Whole),
        &question(20, None),
    );
    assert!(!page.contains('\x1b'), "{page:?}");
    assert!(page.lines().all(|line| line.len() < 200), "{page}");
}

#[test]
fn nothing_in_that_state_is_said_in_a_line() {
    let none = culprits(State::CloseWait, vec![], 0, Access::Whole);
    let page = shown(&none, &question(20, None));
    assert!(page.ends_with("Z\n  sockets in close_wait: 0\n"), "{page}");
    let sample = Sample::at(UNIX_EPOCH);
    let page = super::page(&sample, &none, &question(20, None));
    assert!(page.ends_with("  nothing was read\n"), "{page}");
}
