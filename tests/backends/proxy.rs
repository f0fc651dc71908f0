//! What is between an agent and its backend, and what happens to connections there.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::otlp_server::Port;

/// How often a connection looks whether what happens to it has changed.
const LOOK: Duration = Duration::from_millis(20);

/// What a connection carries before it is cut off, at most: a request is longer.
const MOST_BEFORE_CUT: usize = 1500;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Connections are reset as soon as they are made, and those that are there.
    Down,
    /// Nothing comes through, and nobody is told. Who gives up has said nothing.
    Silence,
    /// Nothing comes through to the server.
    NoRequests,
    /// Nothing comes back.
    NoAnswers,
    /// A byte a second, in both directions.
    Trickle,
    /// Each connection is reset after a number of bytes of its own.
    Cut,
    /// What comes back is noise.
    Garbage,
}

struct Shared {
    fault: Mutex<Fault>,
    connections: AtomicUsize,
    ended: AtomicBool,
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxy. Dropping it cuts everything off.
pub(crate) struct Proxy {
    port: Port,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn before(backend: SocketAddr, fault: Fault) -> Self {
        let port = Port::reserve();
        let listener = port.listen(64);
        let shared = Arc::new(Shared {
            fault: Mutex::new(fault),
            connections: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let proxy = Self {
            port,
            shared: Arc::clone(&shared),
        };
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            while !shared.ended.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((client, _)) => {
                        shared.connections.fetch_add(1, Ordering::Relaxed);
                        // One that cannot be passed on ends at once.
                        if let Ok(server) = TcpStream::connect(backend) {
                            carry(&client, &server, &shared);
                        }
                    }
                    Err(_) => std::thread::sleep(LOOK),
                }
            }
        });
        proxy
    }

    pub(crate) fn endpoint(&self) -> String {
        self.port.endpoint()
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self
            .shared
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

/// Both directions of a connection.
fn carry(client: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) {
    let budget = Arc::new(AtomicUsize::new(fastrand::usize(0..MOST_BEFORE_CUT)));
    for (from, to, is_request) in [(client, server, true), (server, client, false)] {
        from.set_nonblocking(false).unwrap();
        from.set_read_timeout(Some(LOOK)).unwrap();
        let mut pump = Pump {
            from: from.try_clone().unwrap(),
            to: to.try_clone().unwrap(),
            is_request,
            shared: Arc::clone(shared),
            budget: Arc::clone(&budget),
            held: Vec::new(),
            trickled: Instant::now(),
        };
        std::thread::spawn(move || {
            let orderly = pump.run();
            for stream in [&pump.from, &pump.to] {
                if !orderly {
                    // Closing is then a reset.
                    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
                }
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
}

struct Pump {
    from: TcpStream,
    to: TcpStream,
    is_request: bool,
    shared: Arc<Shared>,
    /// What the connection still carries if it is to be cut.
    budget: Arc<AtomicUsize>,
    /// What has come and not gone on.
    held: Vec<u8>,
    trickled: Instant,
}

impl Pump {
    /// Carries until an end, and says whether that was one in good order.
    fn run(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        loop {
            if self.shared.ended.load(Ordering::Relaxed) {
                return false;
            }
            match self.from.read(&mut buffer) {
                // What is held goes nowhere: who sent it has given up.
                Ok(0) => return self.held.is_empty(),
                Ok(length) => self.held.extend_from_slice(&buffer[..length]),
                Err(error) if is_nothing_yet(&error) => {}
                Err(_) => return false,
            }
            if !self.pass_on() {
                return false;
            }
        }
    }

    /// Whether the connection is still one.
    fn pass_on(&mut self) -> bool {
        let most = match (self.shared.fault(), self.is_request) {
            (Fault::None, _)
            | (Fault::NoRequests, false)
            | (Fault::NoAnswers | Fault::Garbage, true) => self.held.len(),
            (Fault::Silence, _) | (Fault::NoRequests, true) | (Fault::NoAnswers, false) => 0,
            (Fault::Down, _) => return false,
            (Fault::Trickle, _) => {
                let is_time = self.trickled.elapsed() >= Duration::from_secs(1);
                if is_time {
                    self.trickled = Instant::now();
                }
                usize::from(is_time).min(self.held.len())
            }
            (Fault::Cut, _) => {
                let left = self.budget.load(Ordering::Relaxed);
                let most = left.min(self.held.len());
                self.budget.store(left - most, Ordering::Relaxed);
                if most < self.held.len() {
                    let _ = self.to.write_all(&self.held[..most]);
                    return false;
                }
                most
            }
            (Fault::Garbage, false) => {
                for byte in &mut self.held {
                    *byte = fastrand::u8(..);
                }
                self.held.len()
            }
        };
        let going: Vec<u8> = self.held.drain(..most).collect();
        self.to.write_all(&going).is_ok()
    }
}

fn is_nothing_yet(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
