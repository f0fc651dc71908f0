//! Counts the sockets that hold a port, by where they come from and go to.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::groups::Groups;
use super::range::Range;
use super::{Destination, Usage};
use crate::source::details;
use crate::source::socket::Socket;
use crate::tcp::{Family, State};

/// So many groups are told apart for certain, in 200 KiB or so. Where there are more sockets in more groups, each counts as too
/// few by no more than the sockets divided by this.
const MOST_GROUPS: usize = 3584;

/// A number that can be wrong by more than this share of the range is not told.
const UNCLEAR_FROM_PERCENT: u64 = 1;

/// What two connections that share a port differ in. IPv4 addresses are mapped into IPv6: an IPv4 connection of an IPv6 socket takes a port
/// like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Group {
    from: Ipv6Addr,
    to: (Ipv6Addr, u16),
}

/// Counts the sockets that it is shown.
#[derive(Debug)]
pub struct Census {
    size: u64,
    range: details::Ports,
    listening: [details::Ports; 2],
    groups: Groups<Group>,
    /// Sockets of which it is not known where they go.
    unplaced: u64,
}

impl Census {
    /// A census of the ports of this range.
    #[must_use]
    pub fn new(range: &Range) -> Self {
        let mut ports = details::Ports::default();
        range.ports().for_each(|port| ports.insert(port));
        Self {
            size: range.size(),
            range: ports,
            listening: [details::Ports::default(), details::Ports::default()],
            groups: Groups::new(MOST_GROUPS),
            unplaced: 0,
        }
    }

    /// Looks at a socket. The listeners of a family come before its other sockets.
    pub fn see(&mut self, socket: &Socket<'_>) {
        let port = socket.local_port();
        if !self.range.contains(port) {
            return;
        }
        // What came in by a listener has its port and its family, and takes none.
        let [ipv4, ipv6] = &mut self.listening;
        let listening = match socket.family {
            Family::Ipv4 => ipv4,
            Family::Ipv6 => ipv6,
        };
        match socket.state {
            Some(State::Listen) => listening.insert(port),
            Some(State::SynReceived) => {}
            _ if listening.contains(port) => {}
            _ => match (socket.local(), socket.remote()) {
                (Some(from), Some(to)) => self.groups.add(Group {
                    from: mapped(from.ip()),
                    to: (mapped(to.ip()), to.port()),
                }),
                _ => self.unplaced += 1,
            },
        }
    }

    /// The `most` destinations with most ports in use.
    #[must_use]
    pub fn end(self, most: usize) -> Usage {
        let uncertainty = self.groups.uncertainty() + self.unplaced;
        if uncertainty * 100 > self.size * UNCLEAR_FROM_PERCENT {
            return Usage::Unclear;
        }
        let mut found = HashMap::<_, Destination>::new();
        for (group, ports) in self.groups.iter() {
            let (to, port) = group.to;
            let destination = Destination {
                to: SocketAddr::new(IpAddr::V6(to).to_canonical(), port),
                from: IpAddr::V6(group.from).to_canonical(),
                ports,
            };
            let largest = found.entry(destination.to).or_insert(destination);
            // The rest is so that the same sockets give the same answer.
            if (largest.ports, destination.from) < (ports, largest.from) {
                *largest = destination;
            }
        }
        let mut destinations: Vec<_> = found.into_values().collect();
        destinations.sort_unstable_by(|one, other| {
            (other.ports, one.to, one.from).cmp(&(one.ports, other.to, other.from))
        });
        destinations.truncate(most);
        Usage::Counted {
            destinations,
            uncertainty,
        }
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
