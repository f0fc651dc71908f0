//! Reads sockets over netlink (`sock_diag`), in the network namespace of the thread that asks.
//!
//! The cheapest reading there is: the kernel walks its table of sockets once, for both families, and tells only of those in
//! rare states. How many are in `ESTABLISHED` and `TIME_WAIT`, which are nearly all of them on a busy host, follows from its
//! own counters. No capability is needed.

pub mod message;
mod mptcp;
pub mod tally;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recvfrom, sendto, socket_with,
};

use self::message::MessageError;
use self::mptcp::Found;
pub use self::mptcp::Unproven;
use self::tally::{Negative, Tally};
use super::Counted;
use super::counters::{Activity, CountersError, Files};
use super::socket::Socket;

/// A kernel sends at most 32 KiB at once where nobody asks for more.
const BUFFER_BYTES: usize = 64 << 10;

/// No dump is longer: it ends one that never ends.
const MOST_BYTES: u64 = 16 << 30;

/// The kernel answers at once, so this is long.
const PAUSE: Duration = Duration::from_secs(1);
/// So many of them are the end.
const MOST_PAUSES: u32 = 5;
/// Datagrams of other senders that are passed over.
const MOST_STRANGERS: u32 = 1000;

/// Bits of the states to dump; bit 13 would walk another table, of sockets that are only bound.
const EVERY_STATE: u32 = 0x1fff;
const ESTABLISHED: u32 = 1 << 1;
const TIME_WAIT: u32 = 1 << 6;

/// Why there is no reading over netlink.
#[derive(Debug, thiserror::Error)]
pub enum DiagError {
    /// There is no such socket for us.
    #[error(
        "cannot open a netlink socket of sock_diag: {0} (seccomp, SELinux or a kernel without it can forbid it)"
    )]
    Socket(#[source] io::Error),
    /// The request was not taken.
    #[error("cannot ask for a dump of sockets: {0}")]
    Send(#[source] io::Error),
    /// The answer did not come.
    #[error("cannot receive a dump of sockets: {0}")]
    Receive(#[source] io::Error),
    /// The kernel did not go on.
    #[error("the dump of sockets did not go on within {} s", MOST_PAUSES)]
    Silent,
    /// The answer does not fit.
    #[error("a part of the dump is {0} bytes, more than the {BUFFER_BYTES} that any kernel sends")]
    TooLong(usize),
    /// The answer is not one.
    #[error("{0}")]
    Message(#[from] MessageError),
    /// The kernel says that the dump is not consistent.
    #[error("the kernel says that the dump was interrupted, and may lack sockets")]
    Interrupted,
    /// There is no end to it.
    #[error("the dump goes on after {} GiB, which no table of sockets does", MOST_BYTES >> 30)]
    Endless,
    /// The caller asked to stop.
    #[error("the dump took longer than the time that it was given")]
    Stopped,
    /// The counters that two states follow from.
    #[error("{0}")]
    Counters(#[from] CountersError),
    /// What follows from the counters cannot be.
    #[error("{0}")]
    Negative(#[from] Negative),
}

/// Whether the kernel's counter of IPv6 sockets counts those of MPTCP, and for good: where there is none it may come.
/// `files` are of this process's own namespace.
pub fn counts_mptcp(files: &mut Files) -> Result<bool, Unproven> {
    let inuse6 = || files.counters().map(|counters| counters.inuse6);
    Ok(mptcp::probe(inuse6)? == Found::Counted)
}

/// A way to read over netlink. It allocates once, with the first reading.
#[derive(Debug)]
pub(super) struct Diag {
    files: Files,
    buffer: Vec<u8>,
    sequence: u32,
    counts_mptcp: bool,
}

impl Diag {
    /// A way to read the namespace whose `net` is `directory`, which must be this process's own.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            files: Files::new(directory),
            buffer: Vec::new(),
            sequence: 0,
            counts_mptcp: false,
        }
    }

    /// The sockets, with two states that follow from the counters.
    pub(super) fn sparse(
        &mut self,
        by_family: bool,
        stop: &AtomicBool,
        see: &mut impl FnMut(&Socket<'_>),
    ) -> Result<Counted, DiagError> {
        let counters = self.files.counters()?;
        let states = EVERY_STATE & !ESTABLISHED;
        let states = if by_family {
            states
        } else {
            states & !TIME_WAIT
        };
        let tally = self.dump(states, stop, see)?;
        let sockets = if by_family {
            tally.by_family(&counters)?
        } else {
            tally.together(&counters)?
        };
        Ok(tally.counted(sockets))
    }

    /// The sockets, each of them dumped.
    pub(super) fn full(
        &mut self,
        stop: &AtomicBool,
        see: &mut impl FnMut(&Socket<'_>),
    ) -> Result<Counted, DiagError> {
        let tally = self.dump(EVERY_STATE, stop, see)?;
        Ok(tally.counted(tally.all(self.files.have_ipv6())))
    }

    /// What tells how much changes.
    pub(super) fn activity(&mut self) -> Result<Activity, CountersError> {
        self.files.activity()
    }

    /// Whether the kernel's counter of IPv6 sockets counts those of MPTCP.
    pub(super) fn counts_mptcp(&mut self) -> Result<(), Unproven> {
        // A kernel that can count does not forget it; one without MPTCP may be given it.
        if !self.counts_mptcp {
            self.counts_mptcp = counts_mptcp(&mut self.files)?;
        }
        Ok(())
    }

    fn dump(
        &mut self,
        states: u32,
        stop: &AtomicBool,
        see: &mut impl FnMut(&Socket<'_>),
    ) -> Result<Tally, DiagError> {
        self.buffer.resize(BUFFER_BYTES, 0);
        self.sequence = self.sequence.wrapping_add(1);
        // One for each dump: what an earlier one left behind cannot come again.
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )
        .map_err(|errno| DiagError::Socket(errno.into()))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PAUSE))
            .map_err(|errno| DiagError::Socket(errno.into()))?;
        ask(&socket, &request(self.sequence, states))?;

        let mut tally = Tally::default();
        let (mut bytes, mut interrupted) = (0, false);
        loop {
            let datagram = receive(&socket, &mut self.buffer, stop)?;
            bytes += datagram.len() as u64;
            if bytes > MOST_BYTES {
                return Err(DiagError::Endless);
            }
            let part = message::read(datagram, self.sequence, |socket, kind| {
                tally.add(socket.family, socket.state, kind);
                see(socket);
            })?;
            interrupted |= part.interrupted;
            match (part.done, interrupted) {
                (true, true) => return Err(DiagError::Interrupted),
                (true, false) => return Ok(tally),
                (false, _) => {}
            }
        }
    }
}

/// `struct nlmsghdr` and `struct inet_diag_req`, for a dump of the sockets in `states`.
///
/// The request is the old one, which ignores the family: one walk answers for both.
fn request(sequence: u32, states: u32) -> [u8; 76] {
    const REQUEST_AND_DUMP: u16 = 0x1 | 0x300;
    const INET: u8 = 2;
    let mut bytes = [0; 76];
    let length = 76_u32;
    let mut put = |at: usize, field: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + field.len()) {
            place.copy_from_slice(field);
        }
    };
    put(0, &length.to_ne_bytes());
    put(4, &message::GETSOCK.to_ne_bytes());
    put(6, &REQUEST_AND_DUMP.to_ne_bytes());
    put(8, &sequence.to_ne_bytes());
    put(16, &[INET]);
    put(68, &states.to_ne_bytes());
    bytes
}

fn ask(socket: &OwnedFd, request: &[u8]) -> Result<(), DiagError> {
    let kernel = SocketAddrNetlink::new(0, 0);
    loop {
        match sendto(socket, request, SendFlags::empty(), &kernel) {
            Ok(sent) if sent == request.len() => return Ok(()),
            Ok(_) => return Err(DiagError::Send(io::ErrorKind::WriteZero.into())),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(DiagError::Send(errno.into())),
        }
    }
}

/// The next datagram that the kernel sent.
fn receive<'a>(
    socket: &OwnedFd,
    buffer: &'a mut [u8],
    stop: &AtomicBool,
) -> Result<&'a [u8], DiagError> {
    let (mut pauses, mut strangers) = (0, 0);
    let length = loop {
        if stop.load(Ordering::Relaxed) {
            return Err(DiagError::Stopped);
        }
        match recvfrom(socket, &mut *buffer, RecvFlags::TRUNC) {
            Ok((_, length, sender)) => {
                let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
                if sender.is_some_and(|sender| sender.pid() == 0) {
                    break length;
                }
                strangers += 1;
                if strangers == MOST_STRANGERS {
                    return Err(DiagError::Silent);
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                pauses += 1;
                if pauses == MOST_PAUSES {
                    return Err(DiagError::Silent);
                }
            }
            Err(errno) => return Err(DiagError::Receive(errno.into())),
        }
    };
    buffer.get(..length).ok_or(DiagError::TooLong(length))
}

#[cfg(test)]
mod tests {
    use rustix::net::{send, socketpair};

    use super::*;

    static GO_ON: AtomicBool = AtomicBool::new(false);

    fn impatient(socket: OwnedFd) -> OwnedFd {
        let pause = Duration::from_millis(1);
        set_socket_timeout(&socket, Timeout::Recv, Some(pause)).unwrap();
        socket
    }

    fn netlink() -> OwnedFd {
        let kind = (AddressFamily::NETLINK, SocketType::RAW);
        let flags = SocketFlags::CLOEXEC;
        impatient(socket_with(kind.0, kind.1, flags, Some(netlink::SOCK_DIAG)).unwrap())
    }

    #[test]
    fn a_kernel_that_says_nothing_is_not_waited_for() {
        let mut buffer = [0; 100];
        let found = receive(&netlink(), &mut buffer, &GO_ON);
        assert!(matches!(found, Err(DiagError::Silent)), "{found:?}");
    }

    #[test]
    fn what_another_than_the_kernel_sends_is_passed_over() {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None).unwrap();
        let ours = impatient(ours);
        for _ in 0..5 {
            send(&theirs, &[0; 88], SendFlags::empty()).unwrap();
        }
        let mut buffer = [0; 100];
        let found = receive(&ours, &mut buffer, &GO_ON);
        assert!(matches!(found, Err(DiagError::Silent)), "{found:?}");
    }

    #[test]
    fn an_answer_longer_than_the_buffer_is_an_error_and_not_cut() {
        let socket = netlink();
        // Not even the end of the dump fits.
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        ask(&socket, &request(1, EVERY_STATE)).unwrap();
        let mut buffer = [0; 19];
        let found = receive(&socket, &mut buffer, &GO_ON);
        assert!(
            matches!(found, Err(DiagError::TooLong(length)) if length > 19),
            "{found:?}"
        );
    }

    #[test]
    fn a_dump_ends_when_it_is_told_to() {
        let mut diag = Diag::new(Path::new("/proc/self/net"));
        let found = diag.full(&AtomicBool::new(true), &mut |_| {});
        assert!(matches!(found, Err(DiagError::Stopped)), "{found:?}");
    }

    #[test]
    fn a_request_that_the_kernel_does_not_know_is_its_error() {
        let socket = netlink();
        let mut wrong = request(1, EVERY_STATE);
        // No such type of sock_diag.
        wrong[4] = 99;
        ask(&socket, &wrong).unwrap();
        let mut buffer = [0; 4096];
        let datagram = receive(&socket, &mut buffer, &GO_ON).unwrap();
        let found = message::read(datagram, 1, |_, _| {});
        assert!(matches!(found, Err(MessageError::Kernel(_))), "{found:?}");
    }
}
