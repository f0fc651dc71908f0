//! A reading that fails leaves a gap: no point of any instrument for that moment, neither a zero nor the last value again.

use std::time::Duration;

use crate::agent::{Agent, TCP, Tcpgauge, all_at_once, sleep_to_mid_second, table};
use crate::otlp_server::OtlpServer;
use crate::samples::{INSTRUMENTS, Sample, relative, samples, seconds};

/// Makes the next readings fail.
type Break = fn(&Agent);

fn remove_tcp(agent: &Agent) {
    agent.tree.remove("tcp");
}

fn directory_for_tcp(agent: &Agent) {
    agent.tree.remove("tcp");
    std::fs::create_dir(agent.tree.net("tcp")).unwrap();
}

fn directory_for_tcp6(agent: &Agent) {
    agent.tree.remove("tcp6");
    std::fs::create_dir(agent.tree.net("tcp6")).unwrap();
}

fn nothing_but_noise(agent: &Agent) {
    agent.tree.write("tcp", "\u{0}\u{1}not a table\nat all\n");
}

fn cut_mid_line(agent: &Agent) {
    let whole = table(&TCP, 8);
    agent.tree.write("tcp", &whole[..whole.len() - 100]);
}

fn mend(agent: &Agent) {
    for name in ["tcp", "tcp6"] {
        if agent.tree.net(name).is_dir() {
            std::fs::remove_dir(agent.tree.net(name)).unwrap();
        }
    }
    agent.tree.write("tcp6", &table(&crate::agent::TCP6, 32));
    agent.tree.write("tcp", &table(&[(8, 70)], 8));
}

#[test]
fn a_failed_reading_exports_no_point_of_any_instrument() {
    let ways: [(&str, Break); 5] = [
        ("tcp is gone", remove_tcp),
        ("tcp is a directory", directory_for_tcp),
        ("tcp6 is a directory", directory_for_tcp6),
        ("tcp is noise", nothing_but_noise),
        ("tcp is cut mid-line", cut_mid_line),
    ];
    all_at_once(&ways, |break_it| {
        let server = OtlpServer::started();
        let agent = Tcpgauge::run(&server.endpoint()).start();
        let came = server.wait_until(Duration::from_secs(8), |received| {
            samples(received).len() >= 2
        });
        assert!(came, "{}", agent.log());

        sleep_to_mid_second();
        let broken_from = crate::agent::unix_now().as_secs() + 1;
        break_it(&agent);
        std::thread::sleep(Duration::from_secs(2));
        mend(&agent);
        let broken = [broken_from, broken_from + 1];

        let is_mended = |sample: &Sample| sample.time.as_secs() > broken[1];
        let came = server.wait_until(Duration::from_secs(8), |received| {
            samples(received).iter().any(is_mended)
        });
        assert!(came, "it did not recover:\n{}", agent.log());
        let ended = agent.stop();
        ended.assert_clean();

        let sent = samples(&server.accepted());
        let times: Vec<Duration> = sent.iter().map(|sample| sample.time).collect();
        assert!(
            times.is_sorted_by(|one, next| one < next),
            "a sample came again in the gap: {}",
            relative(&times, ended.started)
        );
        let taken = seconds(&times);
        assert!(
            !taken.iter().any(|second| broken.contains(second)),
            "points for {broken:?} in {taken:?}\n{}",
            ended.log
        );
        for wanted in [broken_from - 1, broken_from + 2] {
            assert!(
                taken.contains(&wanted),
                "no points for {wanted}, around the gap {broken:?}: {taken:?}\n{}",
                ended.log
            );
        }
        for sample in &sent {
            assert_eq!(sample.instruments(), INSTRUMENTS.into());
            let expected = if is_mended(sample) { 71 } else { 6 };
            assert_eq!(
                sample.value("tcp_close_wait"),
                expected,
                "neither old values nor zeros"
            );
        }
        assert_eq!(
            ended.complaints().len(),
            1,
            "said once, as nothing changed meanwhile:\n{}",
            ended.log
        );
    });
}
