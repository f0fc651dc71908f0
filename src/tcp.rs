//! The words of the trade: TCP states, address families, counts. Pure, and known to every other module.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// A TCP socket state as the kernel numbers it (`include/net/tcp_states.h`), named after RFC 9293.
///
/// `TCP_NEW_SYN_RECV` (12) is not here: the kernel prints such request sockets as [`State::SynReceived`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// `01`: data can flow both ways.
    Established = 1,
    /// `02`: our SYN is out, no answer yet.
    SynSent = 2,
    /// `03`: a SYN was answered, the handshake's last ACK is missing.
    SynReceived = 3,
    /// `04`: we closed, our FIN is not acknowledged yet.
    FinWait1 = 4,
    /// `05`: we closed, the peer has not.
    FinWait2 = 5,
    /// `06`: both closed; the port pair is held for 60 s.
    TimeWait = 6,
    /// `07`: no connection. No kernel shows it in `/proc/net/tcp`.
    Closed = 7,
    /// `08`: the peer closed, our application has not.
    CloseWait = 8,
    /// `09`: the peer closed, then we did; our FIN is not acknowledged yet.
    LastAck = 9,
    /// `0A`: waiting for connections.
    Listen = 10,
    /// `0B`: both closed at once; our FIN is not acknowledged yet.
    Closing = 11,
}

impl State {
    /// Every state, in the kernel's order.
    pub const ALL: [Self; 11] = [
        Self::Established,
        Self::SynSent,
        Self::SynReceived,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Closed,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
    ];

    /// The state with this kernel number, or nothing for a number that no known kernel prints.
    #[must_use]
    pub fn from_kernel(number: u64) -> Option<Self> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        Self::ALL.get(index).copied()
    }

    /// The value of `network.connection.state` in OpenTelemetry's semantic conventions (1.42).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::SynSent => "syn_sent",
            Self::SynReceived => "syn_received",
            Self::FinWait1 => "fin_wait_1",
            Self::FinWait2 => "fin_wait_2",
            Self::TimeWait => "time_wait",
            Self::Closed => "closed",
            Self::CloseWait => "close_wait",
            Self::LastAck => "last_ack",
            Self::Listen => "listen",
            Self::Closing => "closing",
        }
    }

    const fn index(self) -> usize {
        self as usize - 1
    }
}

/// The address family of a socket: which of `tcp` and `tcp6` lists it.
///
/// A dual-stack IPv6 socket talking to an IPv4 peer is an [`Family::Ipv6`] socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `AF_INET`, listed in `tcp`.
    Ipv4,
    /// `AF_INET6`, listed in `tcp6`.
    Ipv6,
}

impl Family {
    /// The value of `network.type` in OpenTelemetry's semantic conventions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// How many sockets are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; State::ALL.len()]);

impl Counts {
    /// Counts `number` more sockets in `state`.
    pub fn add(&mut self, state: State, number: u64) {
        if let Some(count) = self.0.get_mut(state.index()) {
            *count = count.saturating_add(number);
        }
    }

    /// The number of sockets in `state`.
    #[must_use]
    pub fn get(&self, state: State) -> u64 {
        self.0.get(state.index()).copied().unwrap_or_default()
    }

    /// The number of sockets in any state.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let mut sum = self;
        for state in State::ALL {
            Self::add(&mut sum, state, other.get(state));
        }
        sum
    }
}

impl Serialize for Counts {
    /// An object of the eleven state names, zeros included.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(State::ALL.len()))?;
        for state in State::ALL {
            map.serialize_entry(state.name(), &self.get(state))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_number_names_its_state_and_no_other_number_does() {
        for state in State::ALL {
            assert_eq!(State::from_kernel(state as u64), Some(state));
        }
        for number in [0, 12, 13, 0xff, u64::MAX] {
            assert_eq!(State::from_kernel(number), None);
        }
    }

    #[test]
    fn counts_keep_states_apart() {
        let mut counts = Counts::default();
        for (extra, state) in State::ALL.into_iter().enumerate() {
            counts.add(state, extra as u64 + 1);
        }
        for (extra, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(counts.get(state), extra as u64 + 1);
        }
        assert_eq!(counts.total(), 66);
    }
}
