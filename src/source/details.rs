//! What a reading tells of single sockets: how listeners keep up, and who holds the sockets in a state that is asked for.
//!
//! Both are gathered while the sockets are counted, so that they are of the same reading. Their size has a bound, however many
//! sockets there are.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Serialize;

use super::listening::{self, Gathered};
pub use super::listening::{Listening, MOST_LISTENING};
pub use super::port_set::Ports;
use super::socket::Socket;
use crate::tcp::{Family, State};

/// So many ports can be looked at each by itself.
pub const MOST_PORTS: usize = 16;

/// So many groups of sockets are told apart in one namespace.
pub const MOST_GROUPS: usize = 1024;

/// So often in a reading is room made for more groups.
const MOST_GATHERED: u32 = 64;

/// So many sockets are remembered by their inode in one namespace.
pub const MOST_INODES: usize = 1 << 16;

/// What is to be looked at besides the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    /// The listening ports that are told of each by itself; not more than [`MOST_PORTS`].
    pub ports: Arc<[u16]>,
    /// The state whose holders are wanted.
    pub state: Option<State>,
    /// Whether the inodes of those sockets are wanted, by which processes can be found.
    pub inodes: bool,
    /// Whether the ports that are listened on are wanted.
    pub listening: bool,
}

/// What was seen besides the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// How the listeners keep up.
    pub listeners: Listeners,
    /// Who holds the sockets in the state that was asked for.
    pub holders: Option<Holders>,
    /// The ports that are listened on, in order, each once; nothing where they are not wanted, or more than [`MOST_LISTENING`].
    pub listening: Option<Arc<[Listening]>>,
}

/// The listeners of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    /// The longest accept queue; nothing where nobody listens.
    pub longest: Option<AcceptQueue>,
    /// Listeners whose queue is full; nothing where a listener did not say how long its queue may be.
    pub full: Option<u64>,
    /// Of each port that is told of by itself, in the order of [`Attention::ports`], the longest.
    pub ports: [Option<AcceptQueue>; MOST_PORTS],
}

/// Connections that wait for a service to accept them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AcceptQueue {
    /// Where it listens.
    pub port: u16,
    /// How many wait.
    pub length: u64,
    /// How many may wait, where the source tells; one more can, for the kernel refuses above it.
    pub limit: Option<u64>,
}

impl AcceptQueue {
    /// Whether no more than one connection can still come in; nothing where the limit is not known.
    #[must_use]
    pub fn is_full(&self) -> Option<bool> {
        self.limit
            .map(|limit| self.length > 0 && self.length >= limit)
    }
}

/// Sockets in one state, grouped by who holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// The groups. Most pods have one or two, and a tree has room for eleven: of pointers, then.
    pub groups: BTreeMap<Holder, Box<Held>>,
    /// Sockets of small groups, where there are more than [`MOST_GROUPS`]. Some can be of a group that is there.
    pub rest: u64,
}

/// Who holds sockets, as far as it can be told without a privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// The user; nothing where no process can hold them any more.
    pub uid: Option<u32>,
    /// Where the sockets are.
    pub endpoint: Endpoint,
}

/// What the sockets of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// Their own port: they came in. The namespace listens on it, or did, for several of them share it and each has another peer.
    Local(u16),
    /// Their peer.
    Remote(SocketAddr),
    /// Nothing: the line of one could not be read to that point.
    Unknown,
}

/// The sockets of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub sockets: u64,
    /// The address of the first one's peer.
    pub peer: Option<IpAddr>,
    /// Whether others have other peers.
    pub has_more_peers: bool,
    /// What waits in their receive queues: connections of listeners, bytes of others.
    pub received: u64,
    /// Their inodes, where they are wanted; there can be fewer than sockets.
    pub inodes: Vec<u64>,
    /// The family and the port of the first one.
    pub place: Option<(Family, u16)>,
}

impl Holders {
    /// All sockets of all groups.
    #[must_use]
    pub fn total(&self) -> u64 {
        let groups = self.groups.values().map(|held| held.sockets);
        groups.sum::<u64>() + self.rest
    }

    fn add(&mut self, holder: Holder, held: Held) {
        let is_known = self.groups.contains_key(&holder);
        if !is_known && self.groups.len() >= MOST_GROUPS {
            self.make_room();
        }
        let group = self.groups.entry(holder).or_insert_with(|| {
            Box::new(Held {
                peer: held.peer,
                place: held.place,
                ..Held::default()
            })
        });
        group.sockets += held.sockets;
        group.received += held.received;
        group.has_more_peers |= held.has_more_peers || group.peer != held.peer;
        let room = MOST_INODES.saturating_sub(group.inodes.len());
        group.inodes.extend(held.inodes.into_iter().take(room));
    }

    /// Gives up the smaller half of the groups: a large one grows again before it is its turn, wherever in the table its sockets are.
    fn make_room(&mut self) {
        let mut sizes: Vec<_> = self
            .groups
            .iter()
            .map(|(holder, held)| (held.sockets, *holder))
            .collect();
        sizes.sort_unstable();
        for (sockets, holder) in sizes.into_iter().take(MOST_GROUPS / 2) {
            self.groups.remove(&holder);
            self.rest += sockets;
        }
    }

    /// Puts together the sockets that have a port in common and each a peer of its own, and gives those ports: whoever went out
    /// from one port to many places would be one thing, and is seldom seen; who came in to a service that has stopped to listen
    /// is the other.
    fn gather(&mut self) -> Vec<(Family, u16)> {
        let is_single = |holder: &Holder, held: &Held| {
            matches!(holder.endpoint, Endpoint::Remote(_)) && held.sockets == 1
        };
        let mut sharing: BTreeMap<(Option<u32>, (Family, u16)), u64> = BTreeMap::new();
        for (holder, held) in &self.groups {
            if let Some(place) = held.place.filter(|_| is_single(holder, held)) {
                *sharing.entry((holder.uid, place)).or_default() += 1;
            }
        }
        sharing.retain(|_, sockets| *sockets > 1);
        let shared = |holder: &Holder, held: &Held| {
            let place = held.place.filter(|_| is_single(holder, held))?;
            sharing.contains_key(&(holder.uid, place)).then_some(place)
        };
        let all = std::mem::take(&mut self.groups);
        for (holder, held) in all {
            let endpoint =
                shared(&holder, &held).map_or(holder.endpoint, |(_, port)| Endpoint::Local(port));
            self.add(Holder { endpoint, ..holder }, *held);
        }
        sharing.into_keys().map(|(_, place)| place).collect()
    }
}

impl Details {
    /// Puts in what was seen in another namespace of the same owner.
    pub fn merge(&mut self, other: Self) {
        self.listeners.merge(&other.listeners);
        let listening = self.listening.take().zip(other.listening);
        self.listening = listening.and_then(|(one, more)| listening::together(&one, &more));
        match (&mut self.holders, other.holders) {
            (Some(holders), Some(more)) => {
                holders.rest += more.rest;
                for (holder, held) in more.groups {
                    holders.add(holder, *held);
                }
            }
            (holders, more) => *holders = holders.take().or(more),
        }
    }
}

impl Listeners {
    fn see(&mut self, queue: AcceptQueue, ports: &[u16]) {
        let is_first = self.longest.is_none();
        keep_longer(&mut self.longest, queue);
        let full = if is_first { Some(0) } else { self.full };
        self.full = full
            .zip(queue.is_full())
            .map(|(full, is_full)| full + u64::from(is_full));
        for (port, longest) in ports.iter().zip(&mut self.ports) {
            if *port == queue.port {
                keep_longer(longest, queue);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.full = match (self.longest, other.longest) {
            (_, None) => self.full,
            (None, _) => other.full,
            _ => self.full.zip(other.full).map(|(one, more)| one + more),
        };
        let mine = std::iter::once(&mut self.longest).chain(&mut self.ports);
        let others = std::iter::once(&other.longest).chain(&other.ports);
        for (mine, other) in mine.zip(others) {
            if let Some(queue) = other {
                keep_longer(mine, *queue);
            }
        }
    }
}

fn keep_longer(longest: &mut Option<AcceptQueue>, queue: AcceptQueue) {
    if longest.is_none_or(|longest| longest.length < queue.length) {
        *longest = Some(queue);
    }
}

/// Gathers details while sockets are counted. Allocates nothing where no holders are wanted.
#[derive(Debug)]
pub struct Watcher {
    attention: Attention,
    /// Ports by which sockets come in.
    listening: [Ports; 2],
    inodes: usize,
    gathered: u32,
    ports: Gathered,
    details: Details,
}

impl Watcher {
    /// One that looks at what is wanted.
    #[must_use]
    pub fn new(attention: Attention) -> Self {
        Self {
            attention,
            listening: [Ports::default(), Ports::default()],
            inodes: 0,
            gathered: 0,
            ports: Gathered::default(),
            details: Details::default(),
        }
    }

    /// Forgets what was seen, before a reading.
    pub fn begin(&mut self) {
        self.details = Details::default();
        self.inodes = 0;
        self.gathered = 0;
        self.ports.begin();
        if self.attention.state.is_some() {
            self.listening.iter_mut().for_each(Ports::clear);
            self.details.holders = Some(Holders::default());
        }
    }

    /// Gives what was seen.
    pub fn end(&mut self) -> Details {
        self.gather();
        self.details.listening = self.attention.listening.then(|| self.ports.end()).flatten();
        std::mem::take(&mut self.details)
    }

    /// Looks at a socket. The kernel tells of a family's listeners before its other sockets.
    #[inline]
    pub fn see(&mut self, socket: &Socket<'_>) {
        if socket.state == Some(State::Listen) {
            self.see_listener(socket);
        }
        if self.attention.state.is_some() && self.attention.state == socket.state {
            self.see_held(socket);
        }
    }

    fn see_listener(&mut self, socket: &Socket<'_>) {
        let queue = AcceptQueue {
            port: socket.local_port(),
            length: socket.receive_queue(),
            limit: socket.backlog(),
        };
        self.details.listeners.see(queue, &self.attention.ports);
        if self.attention.state.is_some() {
            self.listening(socket.family).insert(queue.port);
        }
        if self.attention.listening {
            self.ports.see(socket);
        }
    }

    fn see_held(&mut self, socket: &Socket<'_>) {
        let port = socket.local_port();
        let remote = socket.remote();
        // A connection has the family of the listener that it came in by.
        let endpoint = if self.listening(socket.family).contains(port) {
            Endpoint::Local(port)
        } else {
            remote.map_or(Endpoint::Unknown, Endpoint::Remote)
        };
        let inode = socket.inode();
        let wanted = inode.filter(|_| self.attention.inodes && self.inodes < MOST_INODES);
        self.inodes += usize::from(wanted.is_some());
        let held = Held {
            sockets: 1,
            peer: remote.map(|remote| remote.ip()),
            has_more_peers: false,
            received: socket.receive_queue(),
            inodes: wanted.into_iter().collect(),
            place: Some((socket.family, port)),
        };
        let holder = Holder {
            uid: socket.uid(),
            endpoint,
        };
        if let Some(holders) = &mut self.details.holders {
            holders.add(holder, held);
            if holders.groups.len() >= MOST_GROUPS && self.gathered < MOST_GATHERED {
                self.gather();
            }
        }
    }

    /// Makes room by what sockets have in common, so that others like them need none.
    fn gather(&mut self) {
        self.gathered += 1;
        let holders = self.details.holders.as_mut();
        for (family, port) in holders.map(Holders::gather).unwrap_or_default() {
            self.listening(family).insert(port);
        }
    }

    fn listening(&mut self, family: Family) -> &mut Ports {
        let [ipv4, ipv6] = &mut self.listening;
        match family {
            Family::Ipv4 => ipv4,
            Family::Ipv6 => ipv6,
        }
    }
}

#[cfg(test)]
#[path = "details_tests.rs"]
mod tests;
