//! What is wrong in the plain world: what the rules that everybody has make of its samples.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tcpgauge::alerts::{Engine, Listening, Observer, Reads, Rules, Setup};
use tcpgauge::culprits::{Access, Culprits, Group, Process, Whose};
use tcpgauge::sample::Sample;
use tcpgauge::source::Scope;
use tcpgauge::source::details::Endpoint;
use tcpgauge::tcp::State;

use crate::SLOT;

/// The ports of the host, each with its user: the longer they have been there, the earlier. The last two are those that go.
const PORTS: [(u16, u32); 28] = [
    (22, 0),
    (25, 101),
    (53, 102),
    (80, 33),
    (111, 0),
    (443, 33),
    (2049, 0),
    (2379, 0),
    (2380, 0),
    (3000, 472),
    (4317, 1000),
    (4318, 1000),
    (6379, 112),
    (8080, 1000),
    (8081, 1000),
    (9090, 65534),
    (9100, 65534),
    (9469, 65534),
    (10248, 0),
    (10249, 0),
    (10250, 0),
    (10256, 0),
    (10257, 0),
    (10259, 0),
    (15672, 114),
    (25672, 114),
    (5432, 113),
    (8443, 33),
];

/// The engine, after it has seen these samples.
pub(crate) fn judge(samples: impl Iterator<Item = Sample>) -> Arc<Mutex<Engine>> {
    let reads = Reads {
        alone: Some(Scope::Host),
        pods: true,
    };
    let setup = Setup {
        runbooks: "".into(),
        instance: "world".into(),
        interval: Duration::from_secs(SLOT),
        reads,
    };
    let mut observer = Observer::new(reads);
    let mut engine = Engine::new(Rules::defaults(), setup);
    for (index, mut sample) in samples.enumerate() {
        let step = Duration::from_secs(if index == 0 { 0 } else { SLOT });
        name(&mut sample);
        let observation = observer.observe(&sample, step);
        engine.take(&observation, Some(&sample));
    }
    Arc::new(Mutex::new(engine))
}

/// Says which ports are listened on, and who leaks.
fn name(sample: &mut Sample) {
    let Some(reading) = sample.readings.first_mut() else {
        return;
    };
    let open = reading.counted.count(State::Listen) as usize;
    let listening = PORTS[..open].iter().map(|(port, user)| Listening {
        port: *port,
        sockets: 1,
        user: Some(*user),
    });
    let mut listening: Vec<_> = listening.collect();
    listening.sort_by_key(|listening| listening.port);
    let total = reading.counted.count(State::CloseWait);
    reading.details.listening = Some(listening.into());
    sample.culprits = Some(Culprits {
        state: State::CloseWait,
        total,
        groups: vec![leaking(total)],
        rest: 0,
        access: Access::default(),
    });
}

fn leaking(sockets: u64) -> Group {
    let process = Process {
        pid: 4711,
        start: 0,
        name: "python3".into(),
        container: None,
        others: 0,
    };
    Group {
        whose: Whose::Alone(Scope::Host),
        process: Some(Arc::new(process)),
        user: Some(1000),
        endpoint: Endpoint::Local(8080),
        peer: Some([10, 42, 0, 17].into()),
        has_more_peers: false,
        sockets,
        received: None,
        seen: None,
    }
}
