//! Ways into and out of states that little software takes, and on which a derived count is therefore most likely wrong.
//!
//! A socket can be in `SYN_RECV` without being a request: by Fast Open, and where both ends open at once. The kernel then counts
//! it as a full socket, as it does one in `ESTABLISHED`. And a socket can leave a state with no word of farewell: by a reset,
//! by `connect` to no address, by turning into one of the other family.

use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::connect_unspec;
use socket2::{Protocol, Socket};

use crate::listener::{
    Admits, Listener, connect, connect_with, local_address, new_socket, try_socket,
};
use crate::scene::{Scene, send_syn_unheard};

/// Lets clients put data into their SYN and every listener take it, without the exchange of a cookie before.
pub(crate) fn allow_fast_open() -> io::Result<()> {
    const CLIENTS: u32 = 0x1;
    const LISTENERS: u32 = 0x2;
    const WITHOUT_COOKIES: u32 = 0x4 | 0x200;
    const WITHOUT_ASKING: u32 = 0x400;
    std::fs::write(
        "/proc/sys/net/ipv4/tcp_fastopen",
        (CLIENTS | LISTENERS | WITHOUT_COOKIES | WITHOUT_ASKING).to_string(),
    )
}

/// What it takes to be in `SYN_RECV` as a full socket. Needs [`allow_fast_open`].
pub(crate) const FULL_SOCKETS_IN_SYN_RECV: [Scene; 2] = [
    Scene {
        act: fast_open_unheard,
        admits: Admits::OnlySyn,
        leaves: &["established", "syn_received"],
        ipv4: 9,
        ipv6: 14,
    },
    Scene {
        act: open_at_once_unheard,
        admits: Admits::Everything,
        leaves: &["syn_received"],
        ipv4: 21,
        ipv6: 10,
    },
];

/// Connections of these two kinds, once they are there.
pub(crate) const OPENED_RARELY: [Scene; 2] = [
    Scene {
        act: fast_open,
        admits: Admits::Everything,
        leaves: &["established", "established"],
        ipv4: 3,
        ipv6: 4,
    },
    Scene {
        act: |listener| vec![connect_to_itself(listener.address.ip())],
        admits: Admits::Everything,
        leaves: &["established"],
        ipv4: 5,
        ipv6: 2,
    },
];

/// Ways out that leave nothing in the table, though most of the sockets are still open.
pub(crate) const ENDED_RARELY: [Scene; 6] = [
    nothing_left_of(reset),
    nothing_left_of(reset_after_half_a_close),
    nothing_left_of(disconnect),
    nothing_left_of(disconnect_a_listener),
    nothing_left_of(disconnect_before_an_answer),
    Scene {
        act: disconnect_and_connect_again,
        admits: Admits::Everything,
        leaves: &["established", "established"],
        ipv4: 2,
        ipv6: 3,
    },
];

const fn nothing_left_of(act: fn(&Listener) -> Vec<Socket>) -> Scene {
    Scene {
        act,
        admits: Admits::Everything,
        leaves: &[],
        ipv4: 3,
        ipv6: 4,
    }
}

pub(crate) fn fast_open(listener: &Listener) -> Vec<Socket> {
    const MSG_FASTOPEN: i32 = 0x2000_0000;
    let client = new_socket(listener.address.ip());
    let sent = client.send_to_with_flags(b"early", &listener.address.into(), MSG_FASTOPEN);
    assert_eq!(sent.unwrap(), 5);
    vec![client, listener.accept()]
}

/// The listener has accepted data and a socket before it heard the handshake's last segment, which it never does.
fn fast_open_unheard(listener: &Listener) -> Vec<Socket> {
    fast_open(listener)
}

/// A socket that connects to its own address sees both ends open at once.
pub(crate) fn connect_to_itself(ip: IpAddr) -> Socket {
    let socket = bound(ip);
    let itself = local_address(&socket);
    connect_with(socket, itself)
}

pub(crate) fn connect_to_itself_unheard(ip: IpAddr) -> Socket {
    let socket = bound(ip);
    Admits::AllButAck.attach_to(&socket);
    socket.set_nonblocking(true).unwrap();
    let itself = local_address(&socket).into();
    socket.connect(&itself).unwrap_err();
    socket
}

fn open_at_once_unheard(listener: &Listener) -> Vec<Socket> {
    vec![connect_to_itself_unheard(listener.address.ip())]
}

fn bound(ip: IpAddr) -> Socket {
    let socket = new_socket(ip);
    socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
    socket
}

/// Closes by a reset.
pub(crate) fn abort(socket: Socket) {
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
}

fn reset(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    abort(client);
    vec![server]
}

fn reset_after_half_a_close(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    abort(server);
    vec![client]
}

pub(crate) fn disconnect(listener: &Listener) -> Vec<Socket> {
    let (client, server) = listener.pair();
    connect_unspec(&client).unwrap();
    vec![client, server]
}

fn disconnect_a_listener(listener: &Listener) -> Vec<Socket> {
    let other = Listener::new(listener.address.ip(), Admits::Everything);
    let client = connect(other.address);
    connect_unspec(&other.socket).unwrap();
    vec![client, other.socket]
}

fn disconnect_before_an_answer(listener: &Listener) -> Vec<Socket> {
    let deaf = Listener::new(listener.address.ip(), Admits::Nothing);
    let clients = send_syn_unheard(&deaf);
    for client in &clients {
        connect_unspec(client).unwrap();
    }
    clients
}

pub(crate) fn disconnect_and_connect_again(listener: &Listener) -> Vec<Socket> {
    let mut sockets = disconnect(listener);
    let client = connect_with(sockets.remove(0), listener.address);
    sockets.extend([client, listener.accept()]);
    sockets
}

/// A listener that speaks multipath TCP where the other end does; an error where the kernel does not.
pub(crate) fn multipath_listener(ip: IpAddr) -> io::Result<Listener> {
    Ok(Listener::on(try_socket(ip, Some(Protocol::MPTCP))?, ip))
}

pub(crate) fn multipath_connect(address: SocketAddr) -> Socket {
    let client = try_socket(address.ip(), Some(Protocol::MPTCP)).unwrap();
    connect_with(client, address)
}

/// IPv6 sockets that have become IPv4 ones (`IPV6_ADDRFORM`), held by another process for as long as this lives.
pub(crate) struct Converted(Child);

impl Converted {
    /// So many connections of IPv4 clients to an IPv6 listener, in which the accepted ends and as many IPv6 clients have turned.
    /// In Python, as no crate sets that option.
    pub(crate) fn connections(number: u64) -> io::Result<Self> {
        let mut child = Command::new("python3")
            .args(["-c", include_str!("converted.py"), &number.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said)?;
        assert_eq!(said, "ready\n");
        Ok(Self(child))
    }
}

impl Drop for Converted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
