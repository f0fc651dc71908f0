//! The ways in which sockets get into their states.

use std::io::Read;
use std::net::Shutdown;

use socket2::Socket;

use crate::listener::{Admits, Listener, connect, new_socket};

/// One way to put sockets into states, and how often it is done in each family.
pub(crate) struct Scene {
    /// Does it once against its own listener, and gives what must stay open.
    pub(crate) act: fn(&Listener) -> Vec<Socket>,
    pub(crate) admits: Admits,
    /// The states one act leaves behind. The scene's listener comes on top.
    pub(crate) leaves: &'static [&'static str],
    pub(crate) ipv4: u64,
    pub(crate) ipv6: u64,
}

impl Scene {
    /// The same, so many times more in each family.
    pub(crate) fn more_often(&self, times: u64) -> Self {
        Self {
            ipv4: self.ipv4 + times,
            ipv6: self.ipv6 + times,
            ..*self
        }
    }
}

/// Every state but LISTEN; the acts' numbers make all sums differ, so that no two states can be mistaken for each other.
pub(crate) const EVERY_STATE: &[Scene] = &[
    Scene {
        act: connect_and_accept,
        admits: Admits::Everything,
        leaves: &["established", "established"],
        ipv4: 7,
        ipv6: 4,
    },
    Scene {
        act: connect_only,
        admits: Admits::Everything,
        leaves: &["established", "established"],
        ipv4: 2,
        ipv6: 3,
    },
    Scene {
        act: leave_bytes_unread,
        admits: Admits::Everything,
        leaves: &["established", "established"],
        ipv4: 1,
        ipv6: 2,
    },
    Scene {
        act: close_one_direction,
        admits: Admits::Everything,
        leaves: &["fin_wait_2", "close_wait"],
        ipv4: 3,
        ipv6: 5,
    },
    ORPHANS_IN_FIN_WAIT_2,
    Scene {
        act: send_fin_unheard,
        admits: Admits::AllButFin,
        leaves: &["fin_wait_1", "established"],
        ipv4: 5,
        ipv6: 11,
    },
    Scene {
        act: close_both_at_once,
        admits: Admits::AllButFin,
        leaves: &["closing", "fin_wait_2"],
        ipv4: 8,
        ipv6: 2,
    },
    Scene {
        act: answer_fin_unheard,
        admits: Admits::AllButFin,
        leaves: &["last_ack", "fin_wait_2"],
        ipv4: 13,
        ipv6: 6,
    },
    Scene {
        act: send_syn_unheard,
        admits: Admits::Nothing,
        leaves: &["syn_sent"],
        ipv4: 4,
        ipv6: 17,
    },
    // The states that end by themselves after about a minute come last.
    Scene {
        act: connect_only,
        admits: Admits::OnlySyn,
        leaves: &["established", "syn_received"],
        ipv4: 14,
        ipv6: 1,
    },
    Scene {
        act: close_in_turn,
        admits: Admits::Everything,
        leaves: &["time_wait"],
        ipv4: 19,
        ipv6: 23,
    },
];

/// An orphan in `FIN_WAIT_2` lives on as a mini-socket, in the same table as those in `TIME_WAIT`.
pub(crate) const ORPHANS_IN_FIN_WAIT_2: Scene = Scene {
    act: close_while_peer_does_not,
    admits: Admits::Everything,
    leaves: &["fin_wait_2", "close_wait"],
    ipv4: 7,
    ipv6: 16,
};

fn connect_and_accept(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    vec![client, server]
}

/// The other end waits in the accept queue, or as a request if the listener never hears the handshake's last segment.
fn connect_only(listener: &Listener) -> Vec<Socket> {
    vec![connect(listener.address)]
}

fn leave_bytes_unread(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    assert_eq!(client.send(b"never read").unwrap(), 10);
    vec![client, server]
}

pub(crate) fn send_syn_unheard(listener: &Listener) -> Vec<Socket> {
    let client = new_socket(listener.address.ip());
    client.set_nonblocking(true).unwrap();
    let started = client.connect(&listener.address.into()).unwrap_err();
    assert_eq!(
        started.raw_os_error(),
        Some(rustix::io::Errno::INPROGRESS.raw_os_error())
    );
    vec![client]
}

fn close_one_direction(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&server);
    vec![client, server]
}

pub(crate) fn close_while_peer_does_not(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&server);
    // The server's byte acknowledges the FIN: from here on the client is in FIN_WAIT_2 for certain, and reading the
    // byte keeps close() from resetting the connection.
    assert_eq!(server.send(b".").unwrap(), 1);
    assert_eq!((&client).read(&mut [0]).unwrap(), 1);
    drop(client);
    vec![server]
}

fn send_fin_unheard(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    client.shutdown(Shutdown::Write).unwrap();
    vec![client, server]
}

fn close_both_at_once(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    client.shutdown(Shutdown::Write).unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    vec![client, server]
}

fn answer_fin_unheard(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    server.shutdown(Shutdown::Write).unwrap();
    expect_end(&client);
    client.shutdown(Shutdown::Write).unwrap();
    vec![client, server]
}

fn close_in_turn(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&server);
    drop(server);
    expect_end(&client);
    Vec::new()
}

/// Returns once the peer's FIN has arrived.
pub(crate) fn expect_end(mut socket: &Socket) {
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}
