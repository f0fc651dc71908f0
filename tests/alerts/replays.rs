//! Recordings of the simulation, replayed by the binary: what it prints is in tests/alerts/replays/, written by `UPDATE_GOLDENS=1`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tcpgauge::alerts::recording::Encoder;

use crate::incidents::Incident;
use crate::machine::STEP;
use crate::program::{finish, tcpgauge};
use crate::roles::{self, DAY, HOUR, MINUTE};
use crate::world::World;

/// A few hours of a role in which something goes wrong and is over.
struct Recorded {
    name: &'static str,
    role: &'static str,
    seed: u64,
    start: f64,
    hours: f64,
    incident: Incident,
    since: f64,
    lasts: f64,
}

fn all() -> Vec<Recorded> {
    vec![
        Recorded {
            name: "leak",
            role: "proxy",
            seed: 1,
            start: 30.0 * HOUR,
            hours: 5.0,
            incident: Incident::Leak(1.0),
            since: 3.0 * HOUR,
            lasts: 40.0 * MINUTE,
        },
        Recorded {
            name: "crash",
            role: "host with deploys",
            seed: 2,
            start: 9.0 * HOUR,
            hours: 4.0,
            incident: Incident::Crash,
            since: 2.0 * HOUR,
            lasts: 7.0 * MINUTE,
        },
        Recorded {
            name: "flood",
            role: "database",
            seed: 3,
            start: DAY,
            hours: 5.0,
            incident: Incident::Flood,
            since: 2.0 * HOUR,
            lasts: 25.0 * MINUTE,
        },
        Recorded {
            name: "pods",
            role: "Kubernetes node",
            seed: 4,
            start: 12.0 * HOUR,
            hours: 3.0,
            incident: Incident::Leak(2.0),
            since: HOUR,
            lasts: 30.0 * MINUTE,
        },
        Recorded {
            name: "hang",
            role: "web server",
            seed: 5,
            start: 14.0 * HOUR,
            hours: 3.0,
            incident: Incident::Hang,
            since: HOUR,
            lasts: 10.0 * MINUTE,
        },
    ]
}

/// The recording as lines, which `replay` takes as they are.
fn lines(recorded: &Recorded) -> Vec<u8> {
    let roles = roles::all();
    let role = roles
        .iter()
        .find(|role| role.name == recorded.role)
        .unwrap();
    let mut world = World::new(role, recorded.seed, recorded.start, recorded.hours / 24.0);
    let since = recorded.start + recorded.since;
    world.has(&recorded.incident, since, since + recorded.lasts);
    let mut encoder = Encoder::new(Duration::from_secs_f64(STEP));
    let mut lines = Vec::new();
    while let Some((_, observation)) = world.next() {
        encoder.write(&observation, &mut lines).unwrap();
    }
    lines
}

#[test]
fn replays_print_what_they_printed_before() {
    let directory = tempfile::tempdir().unwrap();
    for recorded in all() {
        let file = directory.path().join(recorded.name);
        fs::write(&file, lines(&recorded)).unwrap();
        let run = finish(tcpgauge(["alerts", "replay", file.to_str().unwrap()]));
        assert_eq!(
            (run.exit, run.stderr.as_str()),
            (0, ""),
            "{}",
            recorded.name
        );
        let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/alerts/replays")
            .join(format!("{}.txt", recorded.name));
        if std::env::var("UPDATE_GOLDENS").is_ok() {
            fs::create_dir_all(golden.parent().unwrap()).unwrap();
            fs::write(&golden, &run.stdout).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap();
        assert_eq!(
            run.stdout, expected,
            "{}: UPDATE_GOLDENS=1 cargo test --test alerts",
            recorded.name
        );
    }
}
