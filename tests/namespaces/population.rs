//! Real sockets, held in known numbers in every state that a kernel shows.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::listener::{Admits, Listener, PATIENCE, connect, local_address, new_socket};
use crate::rare::{Converted, multipath_connect, multipath_listener};
use crate::scene::{EVERY_STATE, Scene};
use crate::table::{Family, Table};
use crate::witness;

/// What is there, and what the kernel must therefore show. Ends its sockets when it is dropped.
#[derive(Default)]
pub(crate) struct Population {
    pub(crate) expected: Table,
    held: Vec<Socket>,
    held_elsewhere: Vec<Converted>,
}

impl Population {
    /// Everything there is: all states, twins on one port, IPv4 connections of an IPv6 listener.
    pub(crate) fn of_every_state() -> Self {
        let mut all = Self::default();
        all.add_twins(Family::Ipv4, 27);
        all.add_twins(Family::Ipv6, 29);
        all.add_mapped(3, 5);
        for scene in EVERY_STATE {
            all.add(scene);
        }
        all.settle();
        all
    }

    /// Acts a scene in both families.
    pub(crate) fn add(&mut self, scene: &Scene) {
        for (family, times) in [(Family::Ipv4, scene.ipv4), (Family::Ipv6, scene.ipv6)] {
            let listener = Listener::new(family.loopback(), scene.admits);
            self.expected.add(family, "listen", 1);
            for _ in 0..times {
                self.held.extend((scene.act)(&listener));
                for state in scene.leaves {
                    self.expected.add(family, state, 1);
                }
            }
            self.held.push(listener.socket);
        }
    }

    /// Listeners that share one address by `SO_REUSEPORT`: equal rows, and each of them a socket.
    pub(crate) fn add_twins(&mut self, family: Family, number: u64) {
        let mut address = SocketAddr::new(family.loopback(), 0);
        for _ in 0..number {
            let twin = new_socket(address.ip());
            twin.set_reuse_port(true).unwrap();
            twin.bind(&address.into()).unwrap();
            twin.listen(1).unwrap();
            address = local_address(&twin);
            self.held.push(twin);
        }
        self.expected.add(family, "listen", number);
    }

    /// IPv4 connections of an IPv6 listener: what it accepts is in tcp6, and so is a client that is an IPv6 socket itself.
    pub(crate) fn add_mapped(&mut self, from_ipv4_sockets: u64, from_ipv6_sockets: u64) {
        let listener = Listener::new(Ipv6Addr::UNSPECIFIED.into(), Admits::Everything);
        let port = listener.address.port();
        let clients = [
            (
                from_ipv4_sockets,
                IpAddr::from(Ipv4Addr::LOCALHOST),
                Family::Ipv4,
            ),
            (
                from_ipv6_sockets,
                Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
                Family::Ipv6,
            ),
        ];
        for (number, ip, family) in clients {
            for _ in 0..number {
                let client = connect(SocketAddr::new(ip, port));
                self.held.extend([client, listener.accept()]);
            }
            self.expected.add(family, "established", number);
            self.expected.add(Family::Ipv6, "established", number);
        }
        self.expected.add(Family::Ipv6, "listen", 1);
        self.held.push(listener.socket);
    }

    /// Connections of multipath TCP, in which each end is one socket of the tables, and ones in which only one end speaks it.
    /// An error where the kernel does not.
    pub(crate) fn add_multipath(&mut self, number: u64) -> io::Result<()> {
        let anything = Ipv6Addr::UNSPECIFIED.into();
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped().into();
        for (here, there, client, server) in [
            (
                Family::Ipv4.loopback(),
                Family::Ipv4.loopback(),
                Family::Ipv4,
                Family::Ipv4,
            ),
            (
                Family::Ipv6.loopback(),
                Family::Ipv6.loopback(),
                Family::Ipv6,
                Family::Ipv6,
            ),
            (
                anything,
                Family::Ipv4.loopback(),
                Family::Ipv4,
                Family::Ipv6,
            ),
            (anything, mapped, Family::Ipv6, Family::Ipv6),
        ] {
            let multipath = multipath_listener(here)?;
            let plain = Listener::new(here, Admits::Everything);
            for _ in 0..number {
                for (listener, connect) in [
                    (&multipath, multipath_connect as fn(_) -> _),
                    (&multipath, connect),
                    (&plain, multipath_connect),
                ] {
                    let client = connect(SocketAddr::new(there, listener.address.port()));
                    self.held.extend([client, listener.accept()]);
                }
            }
            self.expected.add(server, "listen", 2);
            self.expected.add(client, "established", 3 * number);
            self.expected.add(server, "established", 3 * number);
            self.held.extend([multipath.socket, plain.socket]);
        }
        Ok(())
    }

    /// Connections of an IPv6 listener whose ends have become IPv4 sockets. An error without Python.
    pub(crate) fn add_converted(&mut self, number: u64) -> io::Result<()> {
        self.held_elsewhere.push(Converted::connections(number)?);
        self.expected.add(Family::Ipv6, "listen", 1);
        self.expected.add(Family::Ipv4, "established", 2 * number);
        Ok(())
    }

    /// Waits until the kernel shows what was made: segments on loopback, too, are handled after the call that sent them.
    pub(crate) fn settle(&self) {
        // A thread can be in another namespace than its process.
        let own = std::fs::canonicalize("/proc/thread-self").unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = witness::procfs(own.to_str().unwrap());
            if seen == self.expected {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the sockets never got into their states:\nseen {seen:#?}\nexpected {:#?}",
                self.expected
            );
            sleep(Duration::from_millis(10));
        }
    }
}
