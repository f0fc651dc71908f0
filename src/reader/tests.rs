use std::fmt::Write;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::ports::When;
use crate::source::Choice;
use crate::source::details::Attention;
use crate::source::proc_root::ProcRoot;

/// A proc root in which this process's namespace has so many sockets that its ten ports could be in use, and three are.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let mut table = "  sl  local_address rem_address   st\n".to_owned();
    for port in 39_998..40_003_u16 {
        writeln!(
            table,
            "   0: 0100007F:{port:04X} 0200007F:01BB 06 0:0 3:0 0 0 0 0"
        )
        .unwrap();
    }
    put("self/net/tcp", &table);
    put("sys/net/ipv4/ip_local_port_range", "40000\t40009\n");
    put("sys/net/ipv4/ip_local_reserved_ports", "\n");
    root
}

#[tokio::test]
async fn ports_come_with_the_reading_that_they_are_due_with() {
    let root = root();
    let source = Options {
        proc_root: ProcRoot::new(root.path()),
        scope: Scope::Own,
        choice: Choice::Text,
        by_family: false,
        attention: Attention::default(),
    };
    let ports = ports::Options {
        range: None,
        destinations: 0,
        when: When::Due,
    };
    let wanted = Wanted::default();
    #[expect(clippy::disallowed_methods, reason = "some moment")]
    let (start, time) = (Instant::now(), SystemTime::now());
    let mut told = Vec::new();
    for (ports, minutes) in [(None, [0, 1, 5]), (Some(&ports), [0, 1, 5])] {
        let mut readers =
            Readers::start(Some(&source), wanted, ports, None, || unreachable!()).unwrap();
        for minutes in minutes {
            let now = start + std::time::Duration::from_mins(minutes);
            let (seen, _) = readers
                .read(Moment { now, time }, std::future::pending::<()>)
                .await;
            let seen = seen.unwrap().unwrap().reading;
            assert_eq!(seen.sockets.unwrap().counted.total(), 5);
            let ports = seen.ports.unwrap();
            told.push(match ports {
                Look::Counted(ports) => Some(ports.destinations().unwrap()[0].ports),
                Look::Few(_) | Look::Untold => None,
            });
        }
    }
    assert_eq!(told, [None, None, None, Some(3), None, Some(3)]);
}
