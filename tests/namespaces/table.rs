//! Counts by family and state, in the words of the JSON snapshot, which every witness is brought to.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The eleven states, in the order of the kernel's numbers 1 to 11.
pub(crate) const STATES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_received",
    "fin_wait_1",
    "fin_wait_2",
    "time_wait",
    "closed",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];

/// The file a socket shows in: `net/tcp` or `net/tcp6`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(crate) fn loopback(self) -> IpAddr {
        match self {
            Self::Ipv4 => Ipv4Addr::LOCALHOST.into(),
            Self::Ipv6 => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

/// Sockets by state, zeros included, so that two tables are equal exactly if all 22 numbers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) ipv4: BTreeMap<&'static str, u64>,
    pub(crate) ipv6: BTreeMap<&'static str, u64>,
}

impl Default for Table {
    fn default() -> Self {
        let zeros = BTreeMap::from_iter(STATES.map(|state| (state, 0)));
        Self {
            ipv4: zeros.clone(),
            ipv6: zeros,
        }
    }
}

impl Table {
    /// Adds sockets of a state that must be one of [`STATES`].
    pub(crate) fn add(&mut self, family: Family, state: &str, number: u64) {
        let counts = match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        };
        *counts
            .get_mut(state)
            .unwrap_or_else(|| panic!("no such state: {state}")) += number;
    }

    pub(crate) fn of(&self, family: Family, state: &str) -> u64 {
        match family {
            Family::Ipv4 => self.ipv4[state],
            Family::Ipv6 => self.ipv6[state],
        }
    }

    /// Both families' sockets of one state.
    pub(crate) fn both(&self, state: &str) -> u64 {
        self.ipv4[state] + self.ipv6[state]
    }

    /// All sockets.
    pub(crate) fn total(&self) -> u64 {
        STATES.iter().map(|state| self.both(state)).sum()
    }
}
