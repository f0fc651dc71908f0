//! What is made to go wrong, in which roles, and which rules are to tell.

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Incident {
    /// So many sockets a minute stay in `CLOSE_WAIT`.
    Leak(f64),
    /// So many more in `TIME_WAIT`, within a minute.
    Churn(f64),
    /// Ten times the connections, within two minutes.
    Flood,
    /// Of the connections one in fifty is left, and no more come.
    Collapse,
    /// The busiest service ends and does not come back.
    Crash,
    /// A pod closes all that it listens on, and stays.
    Closed,
    /// Something listens that did not.
    Unexpected,
    /// The busiest service no longer accepts nor answers.
    Hang,
    /// Ports toward one destination, from 40 % on, 5.5 % more a minute.
    Ports,
    /// Memory of TCP, 7 % more a minute.
    Memory,
}

/// An incident in the hosts that can have it.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) incident: Incident,
    pub(crate) roles: &'static [&'static str],
    /// One of these rules tells.
    pub(crate) rules: &'static [&'static str],
    /// It is found in not more than so many samples.
    pub(crate) within: usize,
}

const SERVERS: &[&str] = &["web server", "database", "proxy"];
const HOSTS: &[&str] = &[
    "web server",
    "database",
    "proxy",
    "idle host",
    "batch host",
    "host with deploys",
    "Kubernetes node",
];
const WITH_SERVICES: &[&str] = &[
    "web server",
    "database",
    "proxy",
    "host with deploys",
    "Kubernetes node",
];

/// Every one.
pub(crate) fn all() -> Vec<Case> {
    let case = |what, incident, roles, rules, within| Case {
        what,
        incident,
        roles,
        rules,
        within,
    };
    vec![
        case(
            "an application leaks a socket a minute",
            Incident::Leak(1.0),
            HOSTS,
            &["close-wait", "close-wait-growing"],
            36,
        ),
        case(
            "an application leaks a socket in five minutes",
            Incident::Leak(0.2),
            HOSTS,
            &["close-wait", "close-wait-growing"],
            112,
        ),
        case(
            "connections churn: 8,000 in TIME_WAIT",
            Incident::Churn(8000.0),
            HOSTS,
            &["time-wait"],
            14,
        ),
        case(
            "connections churn: 35,000 in TIME_WAIT",
            Incident::Churn(35_000.0),
            HOSTS,
            &["time-wait-many"],
            6,
        ),
        case(
            "ten times the connections",
            Incident::Flood,
            SERVERS,
            &["connections-surge"],
            14,
        ),
        case(
            "connections collapse",
            Incident::Collapse,
            SERVERS,
            &["connections-collapse"],
            7,
        ),
        case(
            "a service ends",
            Incident::Crash,
            WITH_SERVICES,
            &["listen-gone"],
            2,
        ),
        case(
            "a pod no longer listens at all",
            Incident::Closed,
            &["Kubernetes node"],
            &["listen-gone"],
            6,
        ),
        case(
            "something listens that did not",
            Incident::Unexpected,
            HOSTS,
            &["listen-unexpected"],
            4,
        ),
        case(
            "a service no longer accepts",
            Incident::Hang,
            SERVERS,
            &["accept-queue", "listen-overflows", "close-wait"],
            // Five minutes, and up to four readings that fail.
            16,
        ),
        case(
            "ports toward one destination run out",
            Incident::Ports,
            SERVERS,
            &["ports"],
            36,
        ),
        case(
            "TCP memory fills up",
            Incident::Memory,
            HOSTS,
            &["memory"],
            42,
        ),
    ]
}
