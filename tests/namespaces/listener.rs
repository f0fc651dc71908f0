//! Listeners that can be deaf to some segments, and connections to them.
//!
//! A state that a segment would end is held by a socket filter on the listener (its accepted sockets inherit it), which makes
//! that segment disappear: the kernel then waits for it as it would on a bad network. This needs no timing and no full
//! buffers, and a sender repeats itself for a minute or more before it gives up.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};

/// Far more than any step takes; only a kernel that does something else gets there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Which arriving segments a socket, and what a listener accepts, sees.
#[derive(Clone, Copy)]
pub(crate) enum Admits {
    Everything,
    Nothing,
    OnlySyn,
    AllButFin,
    AllButAck,
}

impl Admits {
    /// A classic BPF program over the TCP header, whose byte 13 holds the flags.
    fn filter(self) -> Option<Vec<SockFilter>> {
        const LOAD_BYTE: u16 = 0x30;
        const JUMP_IF_SET: u16 = 0x45;
        const RETURN: u16 = 0x06;
        const FIN: u32 = 0x01;
        const SYN: u32 = 0x02;
        const ACK: u32 = 0x10;

        let flags = SockFilter::new(LOAD_BYTE, 0, 0, 13);
        let keep = SockFilter::new(RETURN, 0, 0, u32::MAX);
        let drop = SockFilter::new(RETURN, 0, 0, 0);
        let if_set = |flag| SockFilter::new(JUMP_IF_SET, 0, 1, flag);
        match self {
            Self::Everything => None,
            Self::Nothing => Some(vec![drop]),
            Self::OnlySyn => Some(vec![flags, if_set(SYN), keep, drop]),
            Self::AllButFin => Some(vec![flags, if_set(FIN), drop, keep]),
            Self::AllButAck => Some(vec![flags, if_set(ACK), drop, keep]),
        }
    }

    pub(crate) fn attach_to(self, socket: &Socket) {
        if let Some(filter) = self.filter() {
            socket.attach_filter(&filter).unwrap();
        }
    }
}

/// A listening socket and where it listens.
pub(crate) struct Listener {
    pub(crate) socket: Socket,
    pub(crate) address: SocketAddr,
}

impl Listener {
    pub(crate) fn new(ip: IpAddr, admits: Admits) -> Self {
        let socket = new_socket(ip);
        admits.attach_to(&socket);
        Self::on(socket, ip)
    }

    /// Listens with a socket that is new.
    pub(crate) fn on(socket: Socket, ip: IpAddr) -> Self {
        if ip.is_ipv6() {
            socket.set_only_v6(!ip.is_unspecified()).unwrap();
        }
        socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
        socket.listen(128).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            address: local_address(&socket),
            socket,
        }
    }

    pub(crate) fn accept(&self) -> Socket {
        let (accepted, _) = self.socket.accept().unwrap();
        accepted.set_read_timeout(Some(PATIENCE)).unwrap();
        accepted
    }

    /// A connection: the client's end and the accepted one.
    pub(crate) fn pair(&self) -> (Socket, Socket) {
        let client = connect(self.address);
        (client, self.accept())
    }
}

pub(crate) fn connect(address: SocketAddr) -> Socket {
    connect_with(new_socket(address.ip()), address)
}

pub(crate) fn connect_with(client: Socket, address: SocketAddr) -> Socket {
    client.connect_timeout(&address.into(), PATIENCE).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

pub(crate) fn new_socket(ip: IpAddr) -> Socket {
    try_socket(ip, None).unwrap()
}

/// Not every kernel knows every protocol.
pub(crate) fn try_socket(ip: IpAddr, protocol: Option<Protocol>) -> io::Result<Socket> {
    let domain = if ip.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    Socket::new(domain, Type::STREAM, protocol)
}

pub(crate) fn local_address(socket: &Socket) -> SocketAddr {
    socket
        .local_addr()
        .as_ref()
        .map(SockAddr::as_socket)
        .unwrap()
        .unwrap()
}
