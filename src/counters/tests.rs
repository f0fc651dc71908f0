//! What kernels of all ages write, and what is told of it.

use std::fs;

use super::*;

const SNMP: &str = "Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\nTcp: 1 200 120000 -1 ";
const REST: &str = " 0 0 0\nUdp: InDatagrams\nUdp: 9\n";
const NETSTAT: &str = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeWaitOverflow TCPMemoryPressures TCPMemoryPressuresChrono\nTcpExt: 1 ";

/// A proc root with these values in its files.
struct Host(tempfile::TempDir);

impl Host {
    fn new(tcp: &str, ext: &str) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(host.0.path().join("1/net")).unwrap();
        host.set(tcp, ext);
        host
    }

    /// Active and passive opens, failures, resets, current, received, sent, sent again; overflows, drops, TIME_WAIT, pressures.
    fn set(&self, tcp: &str, ext: &str) {
        self.write("1/net/snmp", &format!("{SNMP}{tcp}{REST}"));
        self.write("1/net/netstat", &format!("{NETSTAT}{ext} 7\n"));
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn watch(&self) -> Watch {
        Watch::new(ProcRoot::new(self.0.path()))
    }
}

fn told(watch: &mut Watch) -> Vec<Option<u64>> {
    let counters = watch.counters().unwrap();
    let of_tcp = Counter::ALL[..11].iter();
    of_tcp.map(|counter| counters.get(*counter)).collect()
}

#[test]
fn what_was_before_the_agent_is_not_told_and_what_comes_is() {
    let host = Host::new("10 20 30 40 5 600 700 80", "1 2 3 4");
    let mut watch = host.watch();
    assert_eq!(told(&mut watch), [Some(0); 11]);
    host.set("11 22 33 44 5 605 706 87", "9 11 13 15");
    let expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(Some);
    assert_eq!(told(&mut watch), expected);
    assert_eq!(told(&mut watch), expected, "nothing has happened since");
}

#[test]
fn a_counter_that_wraps_or_goes_back_stays_and_goes_on_from_there() {
    let end = u64::from(u32::MAX);
    let host = Host::new(&format!("{end} 5000 0 0 0 {} 0 0", u64::MAX), "0 0 0 0");
    let mut watch = host.watch();
    told(&mut watch);
    // Of 32 bits, begun anew, of 64 bits.
    host.set("3 10 0 0 0 9 0 0", "0 0 0 0");
    let after = told(&mut watch);
    assert_eq!((after[0], after[1], after[4]), (Some(0), Some(0), Some(0)));
    host.set("4 12 0 0 0 10 0 0", "0 0 0 0");
    let after = told(&mut watch);
    assert_eq!((after[0], after[1], after[4]), (Some(1), Some(2), Some(1)));
}

#[test]
fn a_sum_never_falls_and_never_leaps_whatever_the_kernel_says() {
    let host = Host::new("0 0 0 0 0 0 0 0", "0 0 0 0");
    let mut watch = host.watch();
    let mut last = 0;
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..200 {
        let value = if random.bool() {
            random.u64(..1 << 33)
        } else {
            random.u64(..100)
        };
        host.set(&format!("{value} 0 0 0 0 0 0 0"), "0 0 0 0");
        let sum = told(&mut watch)[0].unwrap();
        assert!(
            sum >= last && sum - last <= 1 << 33,
            "{last} {sum} with {value}"
        );
        last = sum;
    }
}

#[test]
fn a_column_that_an_older_kernel_lacks_is_not_told() {
    let host = Host::new("1 1 1 1 1 1 1 1", "1 1 1 1");
    host.write(
        "1/net/netstat",
        "TcpExt: ListenOverflows SomethingNew\nTcpExt: 3 4\nMPTcpExt: X\nMPTcpExt: 1\n",
    );
    let mut watch = host.watch();
    let counters = watch.counters().unwrap();
    assert_eq!(counters.get(Counter::ListenOverflows), Some(0));
    assert_eq!(counters.get(Counter::ListenDrops), None);
    assert_eq!(counters.get(Counter::MemoryPressures), None);
    assert_eq!(counters.get(Counter::Sent), Some(0));
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_and_the_sums_go_on_after_it() {
    let host = Host::new("10 0 0 0 0 0 0 0", "0 0 0 0");
    let mut watch = host.watch();
    told(&mut watch);
    let netstat = host.0.path().join("1/net/netstat");
    fs::remove_file(&netstat).unwrap();
    // Of a kernel without the file there is nothing to tell, as of one without a column.
    let counters = watch.counters().unwrap();
    assert_eq!(counters.get(Counter::ListenOverflows), None);
    assert_eq!(counters.get(Counter::OpenedActively), Some(0));
    fs::create_dir(&netstat).unwrap();
    let fault = watch.counters().unwrap_err();
    assert_eq!(fault.reason, "counters");
    assert!(fault.why.contains("netstat"), "{fault}");
    fs::remove_dir(&netstat).unwrap();
    host.set("15 0 0 0 0 0 0 0", "7 0 0 0");
    assert_eq!(told(&mut watch)[0], Some(5));
    let overflows = watch.counters().unwrap().get(Counter::ListenOverflows);
    assert_eq!(overflows, Some(7), "what came meanwhile is not lost");
}

#[test]
fn what_connection_tracking_counts_is_of_all_cpus() {
    let host = Host::new("0 0 0 0 0 0 0 0", "0 0 0 0");
    let mut watch = host.watch();
    let both = |watch: &mut Watch| {
        let counters = watch.counters().unwrap();
        [Counter::ConntrackInsertFailed, Counter::ConntrackDrops].map(|one| counters.get(one))
    };
    assert_eq!(both(&mut watch), [None, None], "it is not there");
    let names = "entries  clashres found insert_failed drop early_drop";
    let write = |text: &str| host.write("1/net/stat/nf_conntrack", text);
    write(&format!(
        "{names}\n00000011  00000000 00000001 0000000a 00000001 00000000\n00000011  00000000 00000001 000000ff 00000000 00000000\n"
    ));
    assert_eq!(both(&mut watch), [Some(0), Some(0)]);
    write(&format!(
        "{names}\n00000011  00000000 00000001 0000000b 00000001 00000000\n00000011  00000000 00000001 00000100 00000003 00000000\n"
    ));
    assert_eq!(both(&mut watch), [Some(2), Some(3)]);
    for hostile in [
        "",
        "insert_failed drop\n",
        "found drop\n1\n",
        "insert_failed drop\nxyz -1\n",
        "insert_failed\nffffffffffffffff\nffffffffffffffff\n",
    ] {
        write(hostile);
        assert_eq!(both(&mut watch)[1], None, "{hostile:?}");
    }
    write(&format!(
        "{names}\n00000011  00000000 00000001 0000000b 00000001 00000000\n00000011  00000000 00000001 00000101 00000003 00000000\n"
    ));
    assert_eq!(
        both(&mut watch),
        [Some(3), Some(3)],
        "what was counted stays"
    );
}

#[test]
fn a_limit_is_told_only_where_it_is_the_one_that_applies() {
    let host = Host::new("0 0 0 0 0 0 0 0", "0 0 0 0");
    let table = "  sl  local_address\n";
    host.write("1/net/tcp", table);
    host.write("self/net/tcp", table);
    host.write(
        "1/net/sockstat",
        "sockets: used 9\nTCP: inuse 5 orphan 3 tw 2 alloc 9 mem 4\n",
    );
    host.write("sys/fs/file-nr", "9000\t0\t500000\n");
    host.write("sys/net/ipv4/tcp_max_tw_buckets", "262144\n");
    host.write("sys/net/netfilter/nf_conntrack_count", "77\n");
    host.write("sys/net/netfilter/nf_conntrack_max", "1000\n");
    let page = rustix::param::page_size() as u64;
    let elsewhere = host.watch().capacity();
    let expected = Capacity {
        memory: Some(4 * page),
        orphans: Some(3),
        files: Some(9000),
        files_limit: Some(500_000),
        ..Capacity::default()
    };
    assert_eq!(elsewhere, expected, "the settings are of another namespace");

    fs::remove_file(host.0.path().join("self/net/tcp")).unwrap();
    fs::hard_link(
        host.0.path().join("1/net/tcp"),
        host.0.path().join("self/net/tcp"),
    )
    .unwrap();
    host.write("sys/net/ipv4/tcp_mem", "10\t20\t30\n");
    host.write("sys/net/ipv4/tcp_max_orphans", "65536\n");
    let expected = Capacity {
        memory_limits: Some([10, 20, 30].map(|pages| pages * page)),
        orphans_limit: Some(65536),
        time_wait_limit: Some(262_144),
        conntrack: Some(77),
        conntrack_limit: Some(1000),
        ..expected
    };
    assert_eq!(host.watch().capacity(), expected);
}

#[test]
fn what_is_not_there_or_no_number_is_not_told() {
    let host = Host::new("0 0 0 0 0 0 0 0", "0 0 0 0");
    host.write("sys/fs/file-nr", "many\n");
    host.write("sys/net/ipv4/tcp_mem", "1 2\n");
    assert_eq!(host.watch().capacity(), Capacity::default());
}
