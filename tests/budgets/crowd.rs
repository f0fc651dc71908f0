//! Many sockets for little: those in `TIME_WAIT` need no descriptor.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Well below the number of ports.
const TO_ONE_LISTENER: u64 = 10_000;

/// What was added to the tables of this namespace.
pub(crate) struct Crowd {
    in_time_wait: u64,
    listeners: Vec<TcpListener>,
}

impl Crowd {
    /// So many in `TIME_WAIT`, for a minute. An even number, as two threads make them.
    pub(crate) fn in_time_wait(number: u64) -> Self {
        // Each keeps a port toward one listener, and the kernel would end some for being many, or for a connection in their place.
        let allow = |setting: &str, value: &str| {
            std::fs::write(format!("/proc/sys/net/ipv4/{setting}"), value).unwrap();
        };
        allow("ip_local_port_range", "1024 65535");
        allow("tcp_max_tw_buckets", "1000000");
        allow("tcp_tw_reuse", "0");
        // On a machine that stands still for 200 ms the last FIN is sent twice, and the answer to the second is a reset.
        allow("tcp_rfc1337", "1");

        let made = in_time_wait() + number;
        let makers = [(); 2].map(|()| std::thread::spawn(move || make(number / 2)));
        let listeners = makers
            .into_iter()
            .flat_map(|maker| maker.join().unwrap())
            .collect();
        let deadline = Instant::now() + Duration::from_secs(20);
        while in_time_wait() != made {
            assert!(
                Instant::now() < deadline,
                "{} of {made}:\n{}",
                in_time_wait(),
                others()
            );
            sleep(Duration::from_millis(10));
        }
        Self {
            in_time_wait: number,
            listeners,
        }
    }

    /// All that there are.
    pub(crate) fn sockets(&self) -> u64 {
        self.in_time_wait + self.listeners.len() as u64
    }
}

fn make(number: u64) -> Vec<TcpListener> {
    let mut listeners = Vec::new();
    for made in 0..number {
        if made.is_multiple_of(TO_ONE_LISTENER) {
            listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        }
        let listener = listeners.last().unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        drop(client);
        drop(server);
    }
    listeners
}

fn in_time_wait() -> u64 {
    let sockstat = std::fs::read_to_string("/proc/self/net/sockstat").unwrap();
    let mut words = sockstat.split_whitespace().skip_while(|&word| word != "tw");
    words.nth(1).unwrap().parse().unwrap()
}

/// The rows that are not in `TIME_WAIT`, for who reads why one is missing.
fn others() -> String {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let rows = table.lines().filter(|row| !row.contains(" 06 "));
    rows.take(20).collect::<Vec<_>>().join("\n")
}
