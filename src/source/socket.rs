//! One socket, as whoever looks closer than to count it sees it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::diag::message::Message;
use super::row::Row;
use crate::tcp::{Family, State};

/// One socket. What few need is read from what the kernel wrote when it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Socket<'a> {
    /// The family of the socket, not that of its peer: an IPv4 connection can be one of an IPv6 socket.
    pub family: Family,
    /// The state, or nothing where the kernel's number is unknown to us.
    pub state: Option<State>,
    origin: Origin<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Origin<'a> {
    Table(&'a Row, &'a [u8]),
    Dump(Message<'a>),
}

impl<'a> Socket<'a> {
    /// The one that a line of the table tells of.
    #[must_use]
    pub fn of_table(family: Family, row: &'a Row, line: &'a [u8]) -> Self {
        Self {
            family,
            state: row.state,
            origin: Origin::Table(row, line),
        }
    }

    pub(super) fn of_dump(family: Family, state: Option<State>, message: Message<'a>) -> Self {
        Self {
            family,
            state,
            origin: Origin::Dump(message),
        }
    }

    /// Its own port.
    #[must_use]
    pub fn local_port(&self) -> u16 {
        match self.origin {
            Origin::Table(row, _) => row.local_port,
            Origin::Dump(message) => message.local_port(),
        }
    }

    /// Its own address and port. An IPv4 address that is mapped into IPv6 is told as what it is.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        let ip = match self.origin {
            Origin::Table(_, line) => ip(line, 1)?,
            Origin::Dump(message) => message.local_ip(self.family),
        };
        Some(SocketAddr::new(ip.to_canonical(), self.local_port()))
    }

    /// The address and port of its peer.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        let (ip, port) = match self.origin {
            Origin::Table(row, line) => (ip(line, 2)?, row.remote_port),
            Origin::Dump(message) => (message.remote_ip(self.family), message.remote_port()),
        };
        Some(SocketAddr::new(ip.to_canonical(), port))
    }

    /// Its inode; nothing where no process can hold it.
    #[must_use]
    pub fn inode(&self) -> Option<u64> {
        let inode = match self.origin {
            Origin::Table(row, _) => row.inode,
            Origin::Dump(message) => message.inode().into(),
        };
        (inode != 0).then_some(inode)
    }

    /// The user that made it; nothing where it no longer belongs to a process, for there the kernel says 0.
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        self.inode()?;
        Some(match self.origin {
            Origin::Table(row, _) => row.uid,
            Origin::Dump(message) => message.uid(),
        })
    }

    /// What waits to be taken: of a listener connections, of others bytes.
    #[must_use]
    pub fn receive_queue(&self) -> u64 {
        match self.origin {
            Origin::Table(row, _) => row.rx_queue,
            Origin::Dump(message) => message.receive_queue().into(),
        }
    }

    /// Of a listener: how many connections may wait, which the tables do not tell.
    #[must_use]
    pub fn backlog(&self) -> Option<u64> {
        match self.origin {
            Origin::Table(..) => None,
            Origin::Dump(message) => Some(message.send_queue().into()),
        }
    }
}

/// The address in a column: the kernel writes it as numbers of 32 bits in its own order of bytes, which are in the network's.
fn ip(line: &[u8], column: usize) -> Option<IpAddr> {
    let column = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .nth(column)?;
    let digits = column.split(|byte| *byte == b':').next()?;
    let mut words = digits
        .chunks(8)
        .map(|word| u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok());
    match digits.len() {
        8 => Some(Ipv4Addr::from(words.next()??.to_ne_bytes()).into()),
        32 => {
            let mut bytes = [0; 16];
            for (place, word) in bytes.chunks_mut(4).zip(words) {
                place.copy_from_slice(&word?.to_ne_bytes());
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}
