//! The ports that a namespace listens on.

use std::sync::Arc;

use super::socket::Socket;

/// So many ports are told of in one namespace. Where there are more, none is: who is missing among some cannot be told.
pub const MOST_LISTENING: usize = 1024;

/// A port that is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listening {
    /// The port.
    pub port: u16,
    /// So many sockets listen on it.
    pub sockets: u32,
    /// The user who made the first of them.
    pub user: Option<u32>,
}

/// Gathers the ports while sockets are counted. Where they are those of the reading before, it allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// In order, each once.
    ports: Vec<Listening>,
    are_too_many: bool,
    told: Option<Arc<[Listening]>>,
}

impl Gathered {
    pub(super) fn begin(&mut self) {
        self.ports.clear();
        self.are_too_many = false;
    }

    pub(super) fn see(&mut self, socket: &Socket<'_>) {
        let listening = Listening {
            port: socket.local_port(),
            sockets: 1,
            user: socket.uid(),
        };
        self.are_too_many |= !add(&mut self.ports, listening);
    }

    /// The ports; nothing where there are too many.
    pub(super) fn end(&mut self) -> Option<Arc<[Listening]>> {
        if self.are_too_many {
            return None;
        }
        if self.told.as_deref() != Some(&self.ports) {
            self.told = Some(Arc::from(&*self.ports));
        }
        self.told.clone()
    }
}

/// The ports of two namespaces; nothing where there are too many.
pub(super) fn together(one: &[Listening], other: &[Listening]) -> Option<Arc<[Listening]>> {
    let mut ports = one.to_vec();
    let all_fit = other.iter().all(|listening| add(&mut ports, *listening));
    all_fit.then(|| Arc::from(ports))
}

/// Whether there was room for it.
fn add(ports: &mut Vec<Listening>, listening: Listening) -> bool {
    match ports.binary_search_by_key(&listening.port, |known| known.port) {
        Ok(place) => {
            if let Some(known) = ports.get_mut(place) {
                known.sockets = known.sockets.saturating_add(listening.sockets);
            }
            true
        }
        Err(place) if ports.len() < MOST_LISTENING => {
            ports.insert(place, listening);
            true
        }
        Err(_) => false,
    }
}
