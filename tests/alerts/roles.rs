//! What hosts do for a living: the parameters of the simulation, all in one place. Rates are per second, times in seconds.
//!
//! They are what such hosts are like, and were not chosen by what the rules bear; docs/alerts.md tells of them.

pub(crate) const MINUTE: f64 = 60.0;
pub(crate) const HOUR: f64 = 3600.0;
pub(crate) const DAY: f64 = 24.0 * HOUR;

/// What listens.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) port: u16,
    /// Workers that have a socket each.
    pub(crate) sockets: u32,
    pub(crate) user: u32,
    /// Connections that come, at a load of 1.
    pub(crate) rate: f64,
    /// How long one lasts on average.
    pub(crate) life: f64,
    /// The share that this side closes.
    pub(crate) ours: f64,
    /// How long the application takes to see that the peer has closed.
    pub(crate) tardy: f64,
    /// The limit of the accept queue.
    pub(crate) backlog: f64,
}

/// Connections that the host makes: a pool, and short ones.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) size: f64,
    pub(crate) life: f64,
    /// Short ones, at a load of 1; this side closes them.
    pub(crate) short: f64,
    /// They go to so many destinations.
    pub(crate) backends: f64,
}

/// What runs at fixed times and has connections meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) every: f64,
    pub(crate) at: f64,
    pub(crate) lasts: (f64, f64),
    pub(crate) connections: (f64, f64),
    /// Short ones in a second.
    pub(crate) short: (f64, f64),
}

/// A host.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) services: Vec<Service>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) jobs: Vec<Job>,
    /// The load swings by this share around its mean, with the hour of the day.
    pub(crate) daily: f64,
    /// The load of a weekend, of a working day's.
    pub(crate) weekend: f64,
    /// And wanders by this share, within half an hour or so.
    pub(crate) wander: f64,
    /// Peaks (a newsletter, a sale) in a week, how much they multiply the load.
    pub(crate) peaks: (f64, (f64, f64)),
    /// Times in a day that what is behind stalls: so many in `CLOSE_WAIT`, for so long.
    pub(crate) stalls: (f64, (f64, f64), (f64, f64)),
    /// Something leaks so many in an hour, and sweeps them up after so long.
    pub(crate) swept: (f64, f64),
    /// Times in a day that services are restarted, one after the other, and how long each is away.
    pub(crate) deploys: (f64, (f64, f64)),
    /// The day on which a new version opens one port more.
    pub(crate) grows: Option<f64>,
    /// Pods beside the host.
    pub(crate) pods: usize,
}

fn service(port: u16, rate: f64, life: f64) -> Service {
    Service {
        port,
        sockets: 1,
        user: 1000,
        rate,
        life,
        ours: 0.5,
        tardy: 0.02,
        backlog: 511.0,
    }
}

/// What listens on any server, and is seldom spoken to.
fn basics() -> Vec<Service> {
    let mut ssh = service(22, 1.0 / 1800.0, 1500.0);
    ssh.sockets = 2;
    vec![
        ssh,
        service(25, 1.0 / 600.0, 2.0),
        service(53, 1.0 / 60.0, 0.5),
        service(111, 0.0, 1.0),
        service(9100, 1.0 / 15.0, 0.2),
    ]
}

fn host(name: &'static str) -> Role {
    Role {
        name,
        services: basics(),
        pools: vec![Pool {
            size: 3.0,
            life: HOUR,
            short: 0.02,
            backends: 2.0,
        }],
        jobs: Vec::new(),
        daily: 0.0,
        weekend: 1.0,
        wander: 0.05,
        peaks: (0.0, (1.0, 1.0)),
        stalls: (0.0, (0.0, 0.0), (0.0, 0.0)),
        swept: (0.0, HOUR),
        deploys: (0.0, (0.0, 0.0)),
        grows: None,
        pods: 0,
    }
}

/// Much that comes and goes with the day; at its peaks some thousands in `TIME_WAIT`.
fn web() -> Role {
    let mut role = host("web server");
    let mut https = service(443, 65.0, 12.0);
    https.sockets = 4;
    https.ours = 0.35;
    role.services
        .extend([https, service(80, 8.0, 2.0), service(8080, 3.0, 30.0)]);
    role.pools.push(Pool {
        size: 60.0,
        life: 900.0,
        short: 2.0,
        backends: 3.0,
    });
    role.jobs.push(nightly(
        (20.0 * MINUTE, 50.0 * MINUTE),
        (4.0, 12.0),
        (0.5, 2.0),
    ));
    role.daily = 0.6;
    role.weekend = 0.7;
    role.wander = 0.12;
    role.peaks = (4.0, (1.2, 1.5));
    role.stalls = (3.0, (2.0, 9.0), (MINUTE, 10.0 * MINUTE));
    role.deploys = (0.7, (1.0, 15.0));
    role
}

/// A pool of each application, for long; little that closes.
fn database() -> Role {
    let mut role = host("database");
    let mut postgres = service(5432, 0.25, 1800.0);
    postgres.ours = 0.05;
    postgres.backlog = 244.0;
    role.services.extend([
        postgres,
        service(6432, 0.05, 600.0),
        service(9187, 1.0 / 15.0, 0.3),
    ]);
    role.jobs
        .push(nightly((HOUR, 2.0 * HOUR), (8.0, 24.0), (0.1, 0.5)));
    role.jobs.push(Job {
        every: HOUR,
        at: 300.0,
        lasts: (2.0 * MINUTE, 9.0 * MINUTE),
        connections: (10.0, 40.0),
        short: (0.0, 0.2),
    });
    role.daily = 0.15;
    role.weekend = 0.9;
    role.stalls = (0.5, (1.0, 6.0), (MINUTE, 8.0 * MINUTE));
    role.deploys = (0.15, (3.0, 25.0));
    role
}

/// The most of everything, and applications behind it that do not always close.
fn proxy() -> Role {
    let mut role = host("proxy");
    let mut https = service(443, 120.0, 35.0);
    https.sockets = 8;
    https.ours = 0.1;
    https.tardy = 0.03;
    role.services.extend([
        https,
        service(80, 10.0, 1.5),
        service(8404, 0.1, 1.0),
        service(10_254, 0.07, 1.0),
    ]);
    role.pools.push(Pool {
        size: 900.0,
        life: 300.0,
        short: 8.0,
        backends: 24.0,
    });
    role.daily = 0.55;
    role.weekend = 0.75;
    role.wander = 0.12;
    role.peaks = (5.0, (1.2, 1.6));
    role.stalls = (12.0, (4.0, 28.0), (30.0, 4.0 * MINUTE));
    role.swept = (10.0, 15.0 * MINUTE);
    role.deploys = (0.5, (1.0, 10.0));
    role
}

/// A few administrators, a scraper, a backup at night.
fn idle() -> Role {
    let mut role = host("idle host");
    role.jobs.push(nightly(
        (10.0 * MINUTE, 30.0 * MINUTE),
        (4.0, 25.0),
        (0.1, 1.0),
    ));
    role.stalls = (0.2, (1.0, 3.0), (MINUTE, 20.0 * MINUTE));
    role
}

/// Next to nothing, and then a lot: every hour, every ten minutes and in the night.
fn batch() -> Role {
    let mut role = host("batch host");
    role.services.push(service(8793, 0.02, 60.0));
    role.jobs.extend([
        Job {
            every: 10.0 * MINUTE,
            at: 0.0,
            lasts: (20.0, 2.0 * MINUTE),
            connections: (5.0, 20.0),
            short: (0.5, 5.0),
        },
        Job {
            every: HOUR,
            at: 120.0,
            lasts: (3.0 * MINUTE, 12.0 * MINUTE),
            connections: (30.0, 150.0),
            short: (2.0, 15.0),
        },
        nightly(
            (40.0 * MINUTE, 100.0 * MINUTE),
            (200.0, 600.0),
            (10.0, 50.0),
        ),
    ]);
    role.stalls = (1.0, (2.0, 12.0), (30.0, 4.0 * MINUTE));
    role
}

/// Twelve services that are restarted often; one version of them opens a port more.
fn deploys() -> Role {
    let mut role = host("host with deploys");
    for number in 0..7 {
        let mut one = service(8001 + number, 1.5, 20.0 + 30.0 * f64::from(number));
        one.user = 1001 + u32::from(number);
        role.services.push(one);
    }
    role.pools.push(Pool {
        size: 80.0,
        life: 1200.0,
        short: 1.0,
        backends: 5.0,
    });
    role.daily = 0.4;
    role.weekend = 0.6;
    role.wander = 0.1;
    role.stalls = (2.0, (1.0, 8.0), (MINUTE, 6.0 * MINUTE));
    role.deploys = (8.0, (1.0, 29.0));
    role.grows = Some(3.0);
    role
}

/// The host's own few, and thirty pods that come and go.
fn node() -> Role {
    let mut role = host("Kubernetes node");
    role.services.extend([
        service(10_250, 0.2, 20.0),
        service(10_256, 0.1, 1.0),
        service(6443, 0.0, 1.0),
    ]);
    role.pools.push(Pool {
        size: 12.0,
        life: HOUR,
        short: 0.8,
        backends: 30.0,
    });
    role.pods = 30;
    role
}

fn nightly(lasts: (f64, f64), connections: (f64, f64), short: (f64, f64)) -> Job {
    Job {
        every: DAY,
        at: 2.0 * HOUR,
        lasts,
        connections,
        short,
    }
}

/// Every role.
pub(crate) fn all() -> Vec<Role> {
    vec![
        web(),
        database(),
        proxy(),
        idle(),
        batch(),
        deploys(),
        node(),
    ]
}

/// A pod of a node: one of a few kinds.
pub(crate) fn pod(number: usize) -> Role {
    let mut role = host("pod");
    role.services.clear();
    role.pools.clear();
    match number % 4 {
        // An HTTP service, with a sidecar's port.
        0 => role
            .services
            .extend([service(8080, 6.0, 8.0), service(15_090, 0.07, 0.3)]),
        // A worker that only asks others.
        1 => role.pools.push(Pool {
            size: 20.0,
            life: 600.0,
            short: 1.0,
            backends: 3.0,
        }),
        // Long-lived streams.
        2 => role.services.push(service(9090, 0.03, 2400.0)),
        // Nothing but a port.
        _ => role.services.push(service(8000, 0.1, 0.2)),
    }
    role.daily = 0.4;
    role.wander = 0.1;
    role.stalls = (0.3, (1.0, 6.0), (MINUTE, 8.0 * MINUTE));
    role
}
