//! What the kernel answers to a dump: netlink messages of sockets (`linux/netlink.h`, `linux/inet_diag.h`).
//!
//! Bytes in, sockets out, no kernel needed. Every length is checked against what is there.

use std::net::IpAddr;

use crate::source::socket::Socket;
use crate::tcp::{Family, State};

/// `TCPDIAG_GETSOCK`: the type of the request, and of each message that tells of a socket.
pub const GETSOCK: u16 = 18;

const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;

/// `NLM_F_DUMP_INTR`: what is dumped changed in a way that the kernel cannot make up for.
const DUMP_INTERRUPTED: u16 = 0x10;

/// `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// `struct inet_diag_msg`, which attributes follow.
const SOCKET_BYTES: usize = 72;
/// `INET_DIAG_SHUTDOWN`: an attribute that every full socket has, and a request has not.
const SHUTDOWN: u16 = 8;
/// The top bits of an attribute's type are flags.
const ATTRIBUTE_TYPE: u16 = 0x3fff;
/// The timer of what lives in the table of `TIME_WAIT` sockets.
const TIME_WAIT_TIMER: u8 = 3;
/// `TCP_NEW_SYN_RECV`: what a request is in, should a kernel ever say so.
const NEW_SYN_RECV: u8 = 12;

/// What is fixed of a message that tells of a socket.
///
/// `struct inet_diag_msg`: addresses and ports are in the network's order, all else in the machine's.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a>(&'a [u8; SOCKET_BYTES]);

impl Message<'_> {
    pub(in crate::source) fn local_port(self) -> u16 {
        u16::from_be(self.u16_at(4))
    }

    pub(in crate::source) fn remote_port(self) -> u16 {
        u16::from_be(self.u16_at(6))
    }

    pub(in crate::source) fn local_ip(self, family: Family) -> IpAddr {
        self.ip_at(8, family)
    }

    pub(in crate::source) fn remote_ip(self, family: Family) -> IpAddr {
        self.ip_at(24, family)
    }

    pub(in crate::source) fn receive_queue(self) -> u32 {
        self.u32_at(56)
    }

    pub(in crate::source) fn send_queue(self) -> u32 {
        self.u32_at(60)
    }

    pub(in crate::source) fn uid(self) -> u32 {
        self.u32_at(64)
    }

    pub(in crate::source) fn inode(self) -> u32 {
        self.u32_at(68)
    }

    fn ip_at(self, at: usize, family: Family) -> IpAddr {
        let bytes = self.0.get(at..).unwrap_or_default();
        match family {
            Family::Ipv4 => IpAddr::from(bytes.first_chunk::<4>().copied().unwrap_or_default()),
            Family::Ipv6 => IpAddr::from(bytes.first_chunk::<16>().copied().unwrap_or_default()),
        }
    }

    // Every field is within the message.
    fn u16_at(self, at: usize) -> u16 {
        u16_at(self.0, at).unwrap_or_default()
    }

    fn u32_at(self, at: usize) -> u32 {
        u32_at(self.0, at).unwrap_or_default()
    }
}

/// What a socket is to the kernel, which says who counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole one: `inuse` of sockstat counts it.
    Full,
    /// What is left of a connection in `TIME_WAIT`, or in `FIN_WAIT2` without a process: `tw` of sockstat counts it.
    Mini,
    /// A handshake that is not done: neither counts it.
    Request,
}

/// What a datagram was besides the sockets in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The dump ends with it.
    pub done: bool,
    /// The kernel says that the dump may lack sockets, or have some twice.
    pub interrupted: bool,
}

/// Why a datagram is no part of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The kernel refused, with an errno.
    #[error("the kernel answers {}{}", std::io::Error::from_raw_os_error(*.0), missing(*.0))]
    Kernel(i32),
    /// The kernel lost messages.
    #[error("the kernel lost a part of the answer")]
    Overrun,
    /// A message is not what its header says, or tells of no TCP socket.
    #[error("an answer of the kernel is malformed: {0}")]
    Malformed(&'static str),
}

fn missing(errno: i32) -> &'static str {
    const ENOENT: i32 = 2;
    const EOPNOTSUPP: i32 = 95;
    match errno {
        ENOENT | EOPNOTSUPP => {
            " (it has no tcp_diag: modprobe tcp_diag, if there is such a module)"
        }
        _ => "",
    }
}

/// Shows `see` every socket of a datagram that answers the request with this `sequence` number.
///
/// Messages with another number answer something else, and are passed over.
pub fn read(
    datagram: &[u8],
    sequence: u32,
    mut see: impl FnMut(&Socket<'_>, Kind),
) -> Result<Part, MessageError> {
    let mut part = Part::default();
    let mut rest = datagram;
    while !rest.is_empty() {
        let header = Header::read(rest)?;
        let (message, after) = rest
            .split_at_checked(header.length)
            .ok_or(MessageError::Malformed("longer than what came"))?;
        // The last one need not be padded.
        rest = after
            .get(header.length.next_multiple_of(4) - header.length..)
            .unwrap_or_default();
        if header.sequence != sequence {
            continue;
        }
        part.interrupted |= header.flags & DUMP_INTERRUPTED != 0;
        let body = message.get(HEADER_BYTES..).unwrap_or_default();
        match header.kind {
            GETSOCK => socket(body, &mut see)?,
            NOOP => {}
            DONE => {
                // Older kernels say nothing more; newer ones say how it ended.
                match errno(body) {
                    Some(failure @ ..0) => {
                        return Err(MessageError::Kernel(failure.saturating_neg()));
                    }
                    _ => part.done = true,
                }
                return Ok(part);
            }
            ERROR => match errno(body) {
                // An acknowledgement that nobody asked for.
                Some(0) => {}
                Some(failure) => return Err(MessageError::Kernel(failure.saturating_neg())),
                None => return Err(MessageError::Malformed("an error without a number")),
            },
            OVERRUN => return Err(MessageError::Overrun),
            _ => return Err(MessageError::Malformed("of a type that nobody asked for")),
        }
    }
    Ok(part)
}

struct Header {
    length: usize,
    kind: u16,
    flags: u16,
    sequence: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, MessageError> {
        let header = || {
            Some(Self {
                length: usize::try_from(u32_at(bytes, 0)?).ok()?,
                kind: u16_at(bytes, 4)?,
                flags: u16_at(bytes, 6)?,
                sequence: u32_at(bytes, 8)?,
            })
        };
        match header() {
            Some(header) if bytes.len() >= HEADER_BYTES && header.length >= HEADER_BYTES => {
                Ok(header)
            }
            _ => Err(MessageError::Malformed("shorter than a header")),
        }
    }
}

fn socket(body: &[u8], see: &mut impl FnMut(&Socket<'_>, Kind)) -> Result<(), MessageError> {
    let (fixed, attributes) = body
        .split_first_chunk::<SOCKET_BYTES>()
        .ok_or(MessageError::Malformed("shorter than a socket"))?;
    let &[family, state, timer, ..] = fixed;
    let family = match family {
        2 => Family::Ipv4,
        10 => Family::Ipv6,
        _ => return Err(MessageError::Malformed("neither IPv4 nor IPv6")),
    };
    let state = match state {
        NEW_SYN_RECV => Some(State::SynReceived),
        number => State::from_kernel(number.into()),
    };
    let kind = match state {
        _ if timer == TIME_WAIT_TIMER => Kind::Mini,
        Some(State::TimeWait) => Kind::Mini,
        Some(State::SynReceived) if !has_attribute(attributes, SHUTDOWN)? => Kind::Request,
        _ => Kind::Full,
    };
    see(&Socket::of_dump(family, state, Message(fixed)), kind);
    Ok(())
}

/// Whether an attribute (`struct nlattr`) of this type is there.
fn has_attribute(mut attributes: &[u8], wanted: u16) -> Result<bool, MessageError> {
    const HEADER_BYTES: usize = 4;
    while !attributes.is_empty() {
        let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) else {
            return Err(MessageError::Malformed("a cut attribute"));
        };
        let length = usize::from(length);
        if length < HEADER_BYTES || length > attributes.len() {
            return Err(MessageError::Malformed("an attribute of a wrong length"));
        }
        if kind & ATTRIBUTE_TYPE == wanted {
            return Ok(true);
        }
        attributes = attributes
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Ok(false)
}

fn errno(body: &[u8]) -> Option<i32> {
    u32_at(body, 0).map(u32::cast_signed)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)
}
