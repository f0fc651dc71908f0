//! What is wrong in the world, and what was.

use std::sync::{Arc, Mutex};

use tcpgauge::alerts::{Alert, Culprit, Event, Metric, Severity, Transition};
use tcpgauge::culprits::Whose;
use tcpgauge::http::wrongs::{Alarms, Wrongs};
use tcpgauge::source::Scope;

use crate::{END, at, owner};

/// What stands and what stood.
pub(crate) struct Made(pub(crate) Mutex<(Vec<Alert>, Vec<Event>)>);

impl Alarms for Made {
    fn look(&self, see: &mut dyn FnMut(&Wrongs<'_>)) {
        let made = self.0.lock().unwrap();
        see(&Wrongs {
            standing: made.0.iter().collect(),
            recent: made.1.iter().collect(),
            suppressed: 0,
        });
    }
}

fn alert(
    rule: &str,
    severity: Severity,
    whose: Whose,
    metric: Metric,
    ago: u64,
    body: &str,
) -> Alert {
    Alert {
        id: format!("{rule}-{ago}").into(),
        rule: rule.into(),
        severity,
        whose,
        metric,
        value: 20.0,
        limit: 10.0,
        since: at(END - ago),
        culprits: Vec::new(),
        body: body.into(),
        runbook: format!("docs/runbooks/{rule}.md").into(),
        steps: Arc::new([]),
    }
}

fn steps(steps: &[&str]) -> Arc<[Box<str>]> {
    steps.iter().map(|step| Box::from(*step)).collect()
}

pub(crate) fn alerts() -> (Vec<Alert>, Vec<Event>) {
    let host = || Whose::Alone(Scope::Host);
    let mut leak = alert(
        "close-wait",
        Severity::Warning,
        Whose::Of(owner(7)),
        Metric::CloseWait,
        600,
        "20 connections in CLOSE_WAIT in shop/cart (more than 10 for 5 min)",
    );
    leak.body = format!("20 connections in CLOSE_WAIT in {}, more than 10 for 5 min: mostly python3 (pid 4711) on port 8080 from 10.42.0.17", owner(7)).into();
    leak.culprits = vec![
        Culprit {
            what: "python3 (pid 4711, user 1000)".to_owned(),
            sockets: 18,
            process: Some((4711, "python3".into())),
            user: Some(1000),
            local_port: Some(8080),
            peer: Some([10, 42, 0, 17].into()),
            peer_port: None,
        },
        Culprit {
            what: "<img src=x onerror=alert(4)>\u{202e}evil (pid 4712)".to_owned(),
            sockets: 2,
            peer: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into()),
            peer_port: Some(443),
            ..Culprit::default()
        },
    ];
    leak.steps = steps(&[
        "Look whether it still grows: a stable number is often a pool that was left behind.",
        "Find the code that does not close a connection after the peer has: the process and the peer are named above.",
        "Restarting the process lets go of them; without a fix they come back.",
    ]);
    let mut gone = alert(
        "listen-gone",
        Severity::Critical,
        host(),
        Metric::Listen,
        90,
        "2 listening sockets are gone on the host: 26 where 28 are usual; port 5432 (user 113) and port 8443 are missing",
    );
    (gone.value, gone.limit) = (26.0, 28.0);
    gone.culprits = vec![Culprit {
        what: "port 5432, user 113".to_owned(),
        local_port: Some(5432),
        ..Culprit::default()
    }];
    gone.steps = steps(&[
        "Look whether the service that had the port still runs: systemctl status, or kubectl get pods.",
        "Look into its log around the time above; the kernel's log tells if it was killed for memory.",
    ]);
    gone.runbook = "https://runbooks.example/listener-gone".into();
    let mut hostile = alert(
        "<b>rule</b>",
        Severity::Info,
        Whose::Of(owner(0)),
        Metric::AcceptQueue,
        4000,
        "Connections of <script>alert(5)</script>/\u{202e}x \"><svg onload=alert(6)> wait for a service that does not accept them",
    );
    // It listens: nobody counted how many sockets it has.
    hostile.culprits = vec![Culprit {
        what: "that of port 8081 of user 33".to_owned(),
        user: Some(33),
        local_port: Some(8081),
        ..Culprit::default()
    }];
    hostile.runbook = "javascript:alert(7)".into();
    hostile.steps = steps(&["<a href='javascript:alert(8)'>Click</a>"]);
    let event = |transition, ago, alert: &Alert| Event {
        time: at(END - ago),
        transition,
        alert: alert.clone(),
    };
    let surge = alert(
        "connections-surge",
        Severity::Warning,
        host(),
        Metric::Connections,
        9000,
        "2,140 connections on the host, where 600 to 1,400 are usual",
    );
    let events = vec![
        event(Transition::Fired, 9000, &surge),
        event(Transition::Resolved, 7200, &surge),
        event(Transition::Fired, 4000, &hostile),
        event(Transition::Fired, 600, &leak),
        event(Transition::Fired, 90, &gone),
    ];
    (vec![leak, hostile, gone], events)
}
