//! HTTP: what probes and people ask of an agent. It changes nothing, waits for nobody, and tells no secret.
//!
//! Two listeners are possible. One offers everything, and is asked by its address or as `localhost` alone: a page of somebody
//! else's, in a browser on this machine, could ask it under any other name (DNS rebinding). The other offers whether the agent
//! lives and is ready, to whoever asks: the kubelet asks by the pod's address.

mod api;
pub mod board;
mod hosts;
mod kept;
mod page;
mod router;
pub mod server;
mod status;
pub mod wrongs;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Who listens where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// For all there is; nothing where that is off.
    pub all: Option<Wanted>,
    /// For probes alone; nothing where that is off.
    pub health: Option<Place>,
    /// Whether there is a page for people where all there is is offered.
    pub page: bool,
}

/// A place to listen at, and how much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where.
    pub place: Place,
    /// Whether somebody asked for it; what is only the default may be taken, as by another agent on the host.
    pub asked_for: bool,
}

/// A place to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One address, which may stand for all of its family.
    At(SocketAddr),
    /// This port at every address that there is, of whichever family.
    Everywhere(u16),
}

impl Place {
    /// The place that `text` names, or how to write one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let everywhere = text.strip_prefix(':').and_then(|port| port.parse().ok());
        everywhere
            .map(Self::Everywhere)
            .or_else(|| text.parse().ok().map(Self::At))
            .ok_or_else(|| {
                format!(
                    "{text:?} is no place to listen at: write IP:PORT such as 127.0.0.1:9469 or [::1]:9469, :PORT for every address, or none"
                )
            })
    }

    /// Whether the kernel is to choose the port.
    #[must_use]
    pub fn is_anywhere(self) -> bool {
        match self {
            Self::At(address) => address.port() == 0,
            Self::Everywhere(port) => port == 0,
        }
    }

    /// What to try, the best first: a host may have no IPv6, and where it has, that takes IPv4 too.
    fn addresses(self) -> Vec<SocketAddr> {
        match self {
            Self::At(address) => vec![address],
            Self::Everywhere(port) => vec![
                (IpAddr::from(Ipv6Addr::UNSPECIFIED), port).into(),
                (IpAddr::from(Ipv4Addr::UNSPECIFIED), port).into(),
            ],
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Everywhere(port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_a_port_everywhere() {
        for (text, shown) in [
            ("127.0.0.1:9469", "127.0.0.1:9469"),
            ("[::1]:1", "[::1]:1"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            (":9470", ":9470"),
        ] {
            assert_eq!(Place::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "9469",
            ":",
            ":65536",
            "localhost:9469",
            "127.0.0.1",
            "::1:9469",
            "http://127.0.0.1:9469",
        ] {
            let error = Place::parse(text).unwrap_err();
            assert!(error.contains("IP:PORT"), "{text}: {error}");
        }
    }
}
