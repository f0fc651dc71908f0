use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use tempfile::TempDir;

use super::range::{Origin, Unknown, parse};
use super::*;
use crate::source::details::Attention;
use crate::source::ways::Ways;
use crate::source::{Choice, Source};

static GO_ON: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

/// A proc root in which this process's namespace has these sockets of IPv4, and this range.
fn root(rows: &[Row], range: &str, reserved: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("self/net/tcp", &table(rows));
    put("1/net/tcp", &table(&[]));
    put("sys/net/ipv4/ip_local_port_range", range);
    put("sys/net/ipv4/ip_local_reserved_ports", reserved);
    root
}

/// A socket: its port, the last byte of its peer's address, its peer's port, its state.
type Row = (u16, u8, u16, u8);

const ESTABLISHED: u8 = 1;
const SYN_RECV: u8 = 3;
const TIME_WAIT: u8 = 6;
const LISTEN: u8 = 10;

fn table(rows: &[Row]) -> String {
    let mut table = "  sl  local_address rem_address   st\n".to_owned();
    for (port, peer, remote_port, state) in rows {
        let [local, peer] = [1, *peer].map(|last| u32::from_ne_bytes([10, 0, 0, last]));
        writeln!(
            table,
            "   0: {local:08X}:{port:04X} {peer:08X}:{remote_port:04X} {state:02X} 0:0 0:0 0 0 0 1"
        )
        .unwrap();
    }
    table
}

fn ways(root: &Path) -> Ways {
    Ways::new(crate::source::Options {
        proc_root: ProcRoot::new(root),
        scope: Scope::Own,
        choice: Choice::Text,
        by_family: false,
        attention: Attention::default(),
    })
}

fn watch(root: &Path, when: When) -> Watch {
    let options = Options {
        range: None,
        destinations: 3,
        when,
    };
    Watch::new(options, ProcRoot::new(root), Scope::Own)
}

/// The ports that are told of at `now`.
fn look(watch: &mut Watch, root: &Path, now: Instant, stop: &AtomicBool) -> Option<Ports> {
    match looked(watch, root, now, stop) {
        Look::Counted(ports) => Some(ports),
        Look::Few(_) | Look::Untold => None,
    }
}

/// What is told at `now`.
fn looked(watch: &mut Watch, root: &Path, now: Instant, stop: &AtomicBool) -> Look {
    let mut ways = ways(root);
    let reading = ways.take(Source::Text, &GO_ON).unwrap();
    let found = watch.look(now, &reading, |mut see| {
        ways.show(Source::Text, stop, &mut see)
    });
    found.unwrap_or(Look::Untold)
}

fn usage(rows: &[Row], range: &str, reserved: &str) -> Usage {
    let root = root(rows, range, reserved);
    let mut watch = watch(root.path(), When::Always);
    look(&mut watch, root.path(), now(), &GO_ON).unwrap().usage
}

#[expect(clippy::disallowed_methods, reason = "some moment")]
fn now() -> Instant {
    Instant::now()
}

fn destination(peer: u8, port: u16, ports: u64) -> Destination {
    Destination {
        to: SocketAddr::new(Ipv4Addr::new(10, 0, 0, peer).into(), port),
        from: Ipv4Addr::new(10, 0, 0, 1).into(),
        ports,
    }
}

fn counted(destinations: Vec<Destination>) -> Usage {
    Usage::Counted {
        destinations,
        uncertainty: 0,
    }
}

#[test]
fn ports_are_counted_by_where_connections_go_and_the_most_come_first() {
    let rows = [
        (40_000, 2, 443, ESTABLISHED),
        (40_001, 2, 443, TIME_WAIT),
        (40_000, 2, 80, ESTABLISHED),
        (40_000, 3, 443, ESTABLISHED),
        (40_001, 3, 443, ESTABLISHED),
        (40_002, 3, 443, ESTABLISHED),
        (40_000, 4, 443, ESTABLISHED),
    ];
    let found = usage(&rows, "40000\t40099\n", "\n");
    let expected = vec![
        destination(3, 443, 3),
        destination(2, 443, 2),
        destination(2, 80, 1),
    ];
    assert_eq!(found, counted(expected));
}

#[test]
fn what_takes_no_port_of_the_range_is_not_counted() {
    let rows = [
        // Listens in the range, and two connections that came in by it.
        (40_050, 0, 0, LISTEN),
        (40_050, 2, 443, ESTABLISHED),
        (40_050, 2, 443, TIME_WAIT),
        // Comes in, and the listener is not to be seen.
        (40_000, 2, 443, SYN_RECV),
        (39_999, 2, 443, ESTABLISHED),
        (40_100, 2, 443, ESTABLISHED),
        (40_010, 2, 443, ESTABLISHED),
        (40_021, 2, 443, ESTABLISHED),
        // This one does.
        (40_022, 2, 443, ESTABLISHED),
    ];
    let found = usage(&rows, "40000\t40099\n", "40010,40020-40021,50000\n");
    assert_eq!(found, counted(vec![destination(2, 443, 1)]));
}

#[test]
fn a_share_is_of_the_ports_that_are_not_reserved() {
    let rows = [(40_000, 2, 443, ESTABLISHED), (40_001, 2, 443, ESTABLISHED)];
    let root = root(&rows, "40000 40009", "40008-40020\n");
    let ports = look(
        &mut watch(root.path(), When::Always),
        root.path(),
        now(),
        &GO_ON,
    )
    .unwrap();
    assert_eq!(ports.range.size(), 8);
    assert!((ports.share(2) - 0.25).abs() < 1e-9);
    // A row that a changing table showed twice does not make more than all.
    assert!((ports.share(9) - 1.0).abs() < 1e-9);
}

#[test]
fn the_kernels_range_holds_and_a_given_one_only_where_it_cannot_be_read() {
    let given = parse("20000-29999");
    let find = |root: &Path, scope| Range::find(&ProcRoot::new(root), scope, given.as_ref());
    let without = |root: &Path, scope| Range::find(&ProcRoot::new(root), scope, None).unwrap_err();
    let there = root(&[], "40000 40009", "\n");
    let own = find(there.path(), Scope::Own).unwrap();
    assert_eq!((own.size(), own.origin()), (10, Origin::Kernel));

    // The settings below `sys/net` are this process's, and PID 1 is elsewhere.
    let host = find(there.path(), Scope::Host).unwrap();
    assert_eq!((host.size(), host.origin()), (10_000, Origin::Setting));
    assert_eq!(without(there.path(), Scope::Host), Unknown::OtherNamespace);
    std::fs::remove_dir_all(there.path().join("self")).unwrap();
    assert_eq!(
        without(there.path(), Scope::Host),
        Unknown::UnknownNamespace
    );

    for (range, reserved) in [
        ("", ""),
        ("40000", ""),
        ("40009 40000", ""),
        ("40000 70000", ""),
        ("1 2 3", ""),
        ("40000 40009", "x"),
        ("40000 40009", "40005-40001"),
    ] {
        let garbled = root(&[], range, reserved);
        let why = without(garbled.path(), Scope::Own);
        assert!(matches!(why, Unknown::Unreadable(_)), "{range:?}: {why}");
    }
    let none_left = root(&[], "40000 40009", "1-65535");
    let why = without(none_left.path(), Scope::Own);
    assert_eq!(why, Unknown::AllReserved(40_000..=40_009));
}

#[test]
fn sockets_are_looked_at_only_where_they_could_fill_half_of_the_range() {
    let mut rows = vec![
        (40_000, 2, 443, ESTABLISHED),
        (80, 2, 443, ESTABLISHED),
        (80, 2, 444, TIME_WAIT),
        (80, 2, 445, TIME_WAIT),
        // Neither of these holds one.
        (80, 0, 0, LISTEN),
        (80, 2, 446, SYN_RECV),
    ];
    let few = root(&rows, "40000 40009", "\n");
    let mut watch = watch(few.path(), When::Due);
    let start = now();
    // Four sockets for ten ports.
    let few_ports = Look::Few(0.4);
    assert_eq!(looked(&mut watch, few.path(), start, &GO_ON), few_ports);

    rows.push((80, 2, 447, ESTABLISHED));
    std::fs::write(few.path().join("self/net/tcp"), table(&rows)).unwrap();
    let ports = look(&mut watch, few.path(), start, &GO_ON).unwrap();
    assert_eq!(ports.usage, counted(vec![destination(2, 443, 1)]));

    // Not due, but few need not wait.
    let soon = start + SECONDS_30;
    assert_eq!(looked(&mut watch, few.path(), soon, &GO_ON), Look::Untold);
    rows.pop();
    std::fs::write(few.path().join("self/net/tcp"), table(&rows)).unwrap();
    assert_eq!(looked(&mut watch, few.path(), soon, &GO_ON), few_ports);
}

#[test]
fn where_the_range_is_not_known_few_sockets_tell_nothing() {
    let root = root(&[(40_000, 2, 443, ESTABLISHED)], "", "\n");
    let mut watch = watch(root.path(), When::Due);
    let found = looked(&mut watch, root.path(), now(), &GO_ON);
    assert_eq!(found, Look::Untold);
}

#[test]
fn it_is_told_once_in_five_minutes() {
    let rows = [(40_000, 2, 443, ESTABLISHED); 9];
    let root = root(&rows, "40000 40009", "\n");
    let mut watch = watch(root.path(), When::Due);
    let start = now();
    let told: Vec<u32> = (0..40)
        .filter(|tick| look(&mut watch, root.path(), start + *tick * SECONDS_30, &GO_ON).is_some())
        .collect();
    assert_eq!(told, [0, 10, 20, 30]);
}

const SECONDS_30: Duration = Duration::from_secs(30);

#[test]
fn what_takes_longer_than_a_reading_may_is_not_tried_again_for_an_hour() {
    let rows = [(40_000, 2, 443, ESTABLISHED); 9];
    let root = root(&rows, "40000 40009", "\n");
    let mut watch = watch(root.path(), When::Due);
    let start = now();
    assert_eq!(look(&mut watch, root.path(), start, &STOP), None);
    let soon = start + 59 * Duration::from_mins(1);
    assert_eq!(look(&mut watch, root.path(), soon, &GO_ON), None);
    let later = start + Duration::from_hours(1);
    assert!(look(&mut watch, root.path(), later, &GO_ON).is_some());
}

#[test]
fn a_table_that_is_not_understood_is_no_ground_for_a_number() {
    let rows = [(40_000, 2, 443, ESTABLISHED); 9];
    let root = root(&rows, "40000 40009", "\n");
    let path = root.path().join("self/net/tcp");
    std::fs::write(path, table(&rows) + "what is this\n").unwrap();
    let mut watch = watch(root.path(), When::Always);
    assert_eq!(look(&mut watch, root.path(), now(), &GO_ON), None);
}

#[test]
fn a_number_that_could_be_wrong_by_a_hundredth_is_not_told() {
    // More destinations than are told apart, and a range so small that each one matters.
    let rows: Vec<Row> = (0..5_000)
        .map(|port| (40_000, 2, port, ESTABLISHED))
        .collect();
    assert_eq!(usage(&rows, "40000 40049", "\n"), Usage::Unclear);
    let Usage::Counted { uncertainty, .. } = usage(&rows, "32768 60999", "\n") else {
        panic!("one in 28,232 is not a hundredth");
    };
    assert_eq!(uncertainty, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_largest_group_is_what_a_naive_count_says(
        rows in prop::collection::vec((39_990..40_110_u16, 2..6_u8, 440..450_u16, 1..12_u8), 0..400),
    ) {
        let mut rows: Vec<Row> = rows;
        // The kernel shows listeners first.
        rows.sort_by_key(|row| row.3 != LISTEN);
        let listening: HashSet<u16> = rows.iter().filter(|row| row.3 == LISTEN).map(|row| row.0).collect();
        let mut naive = HashMap::<(u8, u16), u64>::new();
        for (port, peer, remote, state) in &rows {
            let is_free = (40_000..=40_099).contains(port) && !listening.contains(port);
            if is_free && ![LISTEN, SYN_RECV].contains(state) {
                *naive.entry((*peer, *remote)).or_default() += 1;
            }
        }
        let mut naive: Vec<_> = naive.into_iter().map(|((peer, port), ports)| destination(peer, port, ports)).collect();
        naive.sort_by_key(|one| (std::cmp::Reverse(one.ports), one.to));
        naive.truncate(3);
        prop_assert_eq!(usage(&rows, "40000\t40099\n", "\n"), counted(naive));
    }
}
