//! Connections that are left in `CLOSE_WAIT`, and processes that hold them.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};

/// Connections whose peers have closed them, and whoever listens for more.
pub(crate) struct Leak {
    pub(crate) listener: TcpListener,
    pub(crate) held: Vec<OwnedFd>,
    pub(crate) peers: Vec<TcpStream>,
}

impl Leak {
    pub(crate) fn new(listen: IpAddr, connect: IpAddr, number: usize) -> Self {
        let listener = TcpListener::bind((listen, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let held = (0..number).map(|_| {
            let client = TcpStream::connect((connect, port)).unwrap();
            let (mut served, _) = listener.accept().unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            // The end of what it sends is there, so the state is.
            assert_eq!(served.read(&mut [0]).unwrap(), 0);
            (OwnedFd::from(served), client)
        });
        let (held, peers) = held.unzip();
        Self {
            listener,
            held,
            peers,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }
}

/// A process that has all of these open too, until it is dropped.
pub(crate) struct Keeper(Child);

impl Keeper {
    pub(crate) fn of(held: &[OwnedFd]) -> Self {
        for socket in held {
            fcntl_setfd(socket, FdFlags::empty()).unwrap();
        }
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        for socket in held {
            fcntl_setfd(socket, FdFlags::CLOEXEC).unwrap();
        }
        child.stdin.as_mut().unwrap().write_all(b".").unwrap();
        let heard = child.stdout.as_mut().unwrap().read_exact(&mut [0]);
        heard.unwrap();
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
