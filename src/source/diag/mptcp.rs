//! Whether this kernel counts IPv6 sockets of MPTCP.
//!
//! Some do not (CVE-2026-31669): their sockets of MPTCP over IPv6 are in every dump and not in `inuse`, so that what follows
//! from it would be too few. Go listens with MPTCP by default. Nothing tells of the defect but to try.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, listen, socket_with};

use crate::source::counters::CountersError;

/// So many listeners are opened at once; on a busy host dozens of others open and close meanwhile.
const LISTENERS: usize = 32;
/// So many of them must be seen.
const ENOUGH: u64 = 16;
const TRIES: u32 = 3;

/// Why the counter of IPv6 sockets is not relied on.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// They are not counted.
    #[error("this kernel does not count MPTCP sockets of IPv6 in sockstat6 (CVE-2026-31669)")]
    Uncounted,
    /// It could not be tried.
    #[error(
        "whether this kernel counts MPTCP sockets of IPv6 (CVE-2026-31669) cannot be tried: {0}"
    )]
    Untried(#[source] std::io::Error),
    /// The counter cannot be read.
    #[error("{0}")]
    Counters(#[from] CountersError),
}

/// What was found, where nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// They are counted.
    Counted,
    /// There are none, for now.
    None,
}

/// Opens listeners on loopback, and looks whether `inuse6` rises.
pub(super) fn probe(
    mut inuse6: impl FnMut() -> Result<Option<u64>, CountersError>,
) -> Result<Found, Unproven> {
    for _ in 0..TRIES {
        let Some(before) = inuse6()? else {
            // No IPv6.
            return Ok(Found::None);
        };
        let mut listeners = [const { None::<OwnedFd> }; LISTENERS];
        for listener in &mut listeners {
            match open() {
                Ok(socket) => *listener = Some(socket),
                // No MPTCP, or no IPv6: there is nothing to miscount.
                Err(
                    Errno::PROTONOSUPPORT | Errno::NOPROTOOPT | Errno::AFNOSUPPORT | Errno::INVAL,
                ) => return Ok(Found::None),
                Err(errno) => return Err(Unproven::Untried(errno.into())),
            }
        }
        let during = inuse6()?.unwrap_or_default();
        drop(listeners);
        if during.saturating_sub(before) >= ENOUGH {
            return Ok(Found::Counted);
        }
    }
    Err(Unproven::Uncounted)
}

/// A listener that nobody knows of, on a port of the kernel's choice.
fn open() -> Result<OwnedFd, Errno> {
    let socket = socket_with(
        AddressFamily::INET6,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        Some(ipproto::MPTCP),
    )?;
    let on = |ip| bind(&socket, &SocketAddrV6::new(ip, 0, 0, 0));
    // Where IPv6 is off but for its sockets, loopback has no IPv6 address.
    on(Ipv6Addr::LOCALHOST).or_else(|_| on(Ipv4Addr::LOCALHOST.to_ipv6_mapped()))?;
    listen(&socket, 0)?;
    Ok(socket)
}
