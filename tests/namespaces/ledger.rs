//! The kernel's own books: what it says about how many sockets there are and how many came, without listing any.

use std::collections::BTreeMap;

/// What the counters said at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// Everything in the table that holds `TIME_WAIT`, of both families; the mini-sockets in `FIN_WAIT_2` included.
    pub(crate) time_wait_table: u64,
    /// Connections opened so far, by either end.
    opened: u64,
}

impl Ledger {
    pub(crate) fn now() -> Self {
        let snmp = std::fs::read_to_string("/proc/self/net/snmp").unwrap();
        let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let names = lines.next().unwrap().split(' ');
        let values = lines.next().unwrap().split(' ');
        let tcp: BTreeMap<_, _> = names.zip(values).collect();
        let counter = |name| tcp[name].parse::<u64>().unwrap();

        // Last, for a reading that begins with the same counter begins next.
        let sockstat = std::fs::read_to_string("/proc/self/net/sockstat").unwrap();
        let mut words = sockstat.split_whitespace().skip_while(|&word| word != "tw");
        Self {
            time_wait_table: words.nth(1).unwrap().parse().unwrap(),
            opened: counter("ActiveOpens") + counter("PassiveOpens"),
        }
    }

    /// Ends of connections that came into being between the two moments.
    pub(crate) fn opened_until(&self, later: &Self) -> u64 {
        later.opened - self.opened
    }
}
