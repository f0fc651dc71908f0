//! What holds of any day: what is made up here has leaks and floods, listeners that come and go, gaps of values, of owners and of time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::engine::MOST_OF_PODS;
use super::made::*;
use super::observation::{Observation, Subject};
use super::{DEFAULTS, Engine, MOST_RULES, Metric, Rules, Transition};
use Transition::{Fired, Resolved};

fn subjects() -> impl Strategy<Value = Vec<Subject>> {
    let value = prop_oneof![
        Just(None),
        (0_u32..40).prop_map(Some),
        (0_u32..40_000).prop_map(Some)
    ];
    let values = prop::array::uniform10(value);
    let ports = prop::option::of(prop::collection::btree_set(
        prop_oneof![1_u16..8, 40_000_u16..40_004],
        0..6,
    ));
    let one = (0_usize..3, values, ports).prop_map(|(who, values, ports)| {
        let whose = [HOST, pod("a"), pod("b")][who].clone();
        let mut subject = match ports {
            Some(ports) => listening(whose, &ports.into_iter().collect::<Vec<_>>()),
            None => subject(whose, &[]),
        };
        for (metric, value) in Metric::ALL.into_iter().zip(values) {
            if metric != Metric::Listen || subject.listening.is_none() {
                subject.set(metric, value.map(f64::from));
            }
        }
        subject
    });
    prop::collection::vec(one, 0..4)
}

fn days() -> impl Strategy<Value = Vec<(u64, Vec<Subject>)>> {
    let step = prop_oneof![8 => Just(30_u64), 1 => Just(300), 1 => Just(5000)];
    let stretch = (step, subjects(), 1_usize..30);
    prop::collection::vec(stretch, 1..12).prop_map(|stretches| {
        let repeated = stretches
            .into_iter()
            .flat_map(|(step, subjects, times)| std::iter::repeat_n((step, subjects), times));
        repeated.collect()
    })
}

fn observations(days: Vec<(u64, Vec<Subject>)>) -> Vec<Observation> {
    let mut bench = Bench::defaults(30);
    days.into_iter()
        .map(|(step, subjects)| bench.observation(step, subjects))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whenever it is stopped, an engine that goes on tells what one tells that was never stopped.
    #[test]
    fn restored_it_goes_on_as_if_it_had_never_been_stopped(days in days(), stop in 0_usize..300) {
        let observations = observations(days);
        let mut whole = Engine::new(Rules::defaults(), setup(30));
        let mut engine = Engine::new(Rules::defaults(), setup(30));
        for (place, observation) in observations.iter().enumerate() {
            if place == stop % observations.len() && place > 0 {
                let saved = engine.save();
                engine = Engine::new(Rules::defaults(), setup(30));
                engine.restore(&saved, observations[place - 1].time).unwrap();
            }
            prop_assert_eq!(whole.take(observation, None), engine.take(observation, None));
        }
        prop_assert_eq!(whole.active().collect::<Vec<_>>(), engine.active().collect::<Vec<_>>());
        prop_assert_eq!(whole.standing(), engine.standing());
    }

    /// Whatever a file holds, there is an error or an engine that goes on.
    #[test]
    fn hostile_bytes_break_nothing(flips in prop::collection::vec((0_usize..100_000, any::<u8>()), 1..6), days in days()) {
        let mut bench = Bench::defaults(30);
        for _ in 0..12 {
            bench.take(vec![subject(pod("cart"), &[(Metric::CloseWait, 54.0)]), subject(HOST, &[(Metric::CloseWait, 99.0)])]);
        }
        for _ in 0..12 {
            bench.listens(&[22, 80, 40_000]);
        }
        let mut saved = bench.engine.save();
        for (place, byte) in flips {
            let place = place % saved.len();
            saved[place] = if byte % 2 == 0 { b'9' } else { byte };
        }
        let mut again = Bench::defaults(30);
        let _ = again.engine.restore(&saved, at(400));
        prop_assert!(again.engine.active().count() <= MOST_OF_PODS + MOST_RULES);
        for observation in observations(days) {
            again.engine.take(&observation, None);
        }
    }

    #[test]
    fn whoever_writes_rules_gets_rules_or_faults(text in "\\PC{0,200}", key in "[a-z_]{1,12}", value in "\\PC{0,20}") {
        let garbled = format!("[alert.\"x\"]\n{key} = {value}\n");
        for text in [text, garbled, DEFAULTS.replace(&key, &value)] {
            if let Ok(table) = text.parse::<toml::Table>() {
                let _ = Rules::defaults().with(&table);
                if let Some(table) = table.get("alert").and_then(toml::Value::as_table) {
                    let _ = Rules::defaults().with(table);
                }
            }
        }
    }

    /// A state that is one but for some of its values, each of which can be anything.
    #[test]
    fn hostile_values_break_nothing(
        values in prop::collection::vec((0_usize..10_000, 0_usize..HOSTILE.len()), 1..8),
        days in days(),
        stop in 0_usize..300,
    ) {
        let observations = observations(days);
        let mut engine = Engine::new(Rules::defaults(), setup(30));
        for observation in observations.iter().take(stop) {
            engine.take(observation, None);
        }
        let mut state: serde_json::Value = serde_json::from_slice(&engine.save()).unwrap();
        for (place, value) in values {
            let value = serde_json::from_str(HOSTILE[value]).unwrap();
            // Where there are fewer it comes round to them.
            let mut left = place;
            while !replace(&mut state, &mut left, &value) {}
        }
        let mut again = Engine::new(Rules::defaults(), setup(30));
        let _ = again.restore(&serde_json::to_vec(&state).unwrap(), at(400));
        prop_assert!(again.active().count() <= MOST_OF_PODS + MOST_RULES);
        for observation in &observations {
            again.take(observation, None);
            let _ = again.restore(&again.save(), observation.time);
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_state(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut engine = Engine::new(Rules::defaults(), setup(30));
        prop_assert!(engine.restore(&bytes, at(0)).is_err());
    }

    /// Even one that is stopped after each sample tells the same as one that never is.
    #[test]
    fn restored_after_each_sample_it_tells_the_same(days in days()) {
        let mut whole = Engine::new(Rules::defaults(), setup(30));
        let mut engine = Engine::new(Rules::defaults(), setup(30));
        for observation in observations(days).iter().take(50) {
            prop_assert_eq!(whole.take(observation, None), engine.take(observation, None));
            engine = goes_on(&engine, observation);
        }
    }

    /// Within the band nothing changes, whichever way it is gone through, and wherever there are gaps.
    #[test]
    fn within_the_hysteresis_nothing_flaps(values in prop::collection::vec(prop::option::weighted(0.9, 9_u32..=10), 1..200), stands in any::<bool>()) {
        let mut bench = Bench::new(only(BAND), 30);
        for _ in 0..5 {
            bench.host(Metric::CloseWait, if stands { 20.0 } else { 0.0 });
        }
        for value in values {
            let events = match value {
                Some(value) => bench.host(Metric::CloseWait, f64::from(value)),
                None => bench.gap(30),
            };
            prop_assert_eq!(events, []);
        }
        prop_assert_eq!(bench.engine.active().count(), usize::from(stands));
    }

    /// It fires at most as often as the value went beyond the limit from where it was over, and is resolved at most as often as
    /// it came back.
    #[test]
    fn there_are_no_more_transitions_than_crossings(values in prop::collection::vec(prop_oneof![0_u32..=8, 9_u32..=10, 11_u32..=30], 1..300)) {
        let mut bench = Bench::new(only(&BAND.replace("1m", "0s")), 30);
        let (mut fired, mut resolved, mut up, mut down) = (0, 0, 0, 0);
        let mut was_over = false;
        for value in values {
            if value > 10 && !was_over {
                (was_over, up) = (true, up + 1);
            } else if value <= 8 && was_over {
                (was_over, down) = (false, down + 1);
            }
            for event in bench.host(Metric::CloseWait, f64::from(value)) {
                match event.transition {
                    Fired => fired += 1,
                    Resolved => resolved += 1,
                }
            }
            // With no time to be held each crossing is told of, and nothing else.
            prop_assert_eq!((fired, resolved), (up, down));
        }
    }

    /// With time to be held there are no more than those.
    #[test]
    fn what_is_not_held_is_not_told_of(stretches in prop::collection::vec((prop_oneof![Just(0_u32), Just(9), Just(20)], 1_usize..6), 1..60)) {
        let mut bench = Bench::new(only(BAND), 30);
        let (mut events, mut held) = (0, 0);
        for (value, samples) in stretches.chunk_by(|one, other| one.0 == other.0).map(|same| (same[0].0, same.iter().map(|one| one.1).sum::<usize>())) {
            for _ in 0..samples {
                events += bench.host(Metric::CloseWait, f64::from(value)).len();
            }
            // One minute of 30 s each is three samples.
            held += usize::from(value != 9 && samples >= 3);
            prop_assert!(events <= held, "{events} {held}");
        }
    }

    /// Of a rule and an owner one event follows the other, both of the same alert, but that one of listeners may fire again for
    /// another port; and what stands is what has fired and not ended.
    #[test]
    fn it_fires_and_ends_in_turn(days in days()) {
        let mut engine = Engine::new(Rules::defaults(), setup(30));
        let mut stands = BTreeMap::new();
        let mut ports = BTreeMap::new();
        for observation in &observations(days) {
            for event in engine.take(observation, None) {
                let (alert, time) = (event.alert, event.time);
                if event.transition == Resolved {
                    ports.retain(|(id, _), _| *id != alert.id);
                }
                let mut told = alert.culprits.iter().filter_map(|one| one.local_port);
                if event.transition == Fired && alert.metric == Metric::Listen
                    && let Some(newest) = told.next().filter(|port| *port < 40_000)
                {
                    // While its alert stands a port is told of again only if it went after that.
                    let before = ports.insert((alert.id.clone(), newest), time);
                    prop_assert!(before.is_none_or(|before| alert.since > before), "{}", alert.body);
                    for port in told {
                        ports.entry((alert.id.clone(), port)).or_insert(time);
                    }
                }
                let key = (alert.rule.to_string(), alert.whose.to_string());
                match event.transition {
                    Fired => {
                        let before = stands.insert(key, alert.id.clone());
                        let may_be = before.is_none() || before == Some(alert.id) && alert.metric == Metric::Listen;
                        prop_assert!(may_be, "{}", alert.body);
                    }
                    Resolved => prop_assert_eq!(stands.remove(&key), Some(alert.id)),
                }
            }
            let active: BTreeMap<_, _> = engine
                .active()
                .map(|alert| ((alert.rule.to_string(), alert.whose.to_string()), alert.id.clone()))
                .collect();
            prop_assert_eq!(&active, &stands);
        }
    }

    /// A gap tells nothing, so no event comes with it.
    #[test]
    fn random_gaps_never_fire_or_resolve(days in days(), gaps in prop::collection::vec((0_usize..300, 1_u64..10_000), 1..20)) {
        let mut bench = Bench::defaults(30);
        for (place, (step, subjects)) in days.into_iter().enumerate() {
            for (_, seconds) in gaps.iter().filter(|(at, _)| *at == place) {
                let stood: Vec<_> = bench.engine.active().map(|alert| alert.id.clone()).collect();
                let mut gap = bench.observation(*seconds, Vec::new());
                gap.unread = vec![HOST, pod("a"), pod("b")];
                prop_assert_eq!(bench.engine.take(&gap, None), []);
                let stands: Vec<_> = bench.engine.active().map(|alert| alert.id.clone()).collect();
                prop_assert_eq!(stood, stands);
                for alert in bench.engine.active() {
                    prop_assert!(alert.body.starts_with("Last known at "), "{}", alert.body);
                }
            }
            let observation = bench.observation(step, subjects);
            bench.engine.take(&observation, None);
        }
    }

    /// In which order owners are told of makes no difference.
    #[test]
    fn the_order_of_owners_makes_no_difference(days in days(), turns in prop::collection::vec(0_usize..4, 1..50)) {
        let [mut straight, mut turned] = [(); 2].map(|()| Engine::new(Rules::defaults(), setup(30)));
        for (place, mut observation) in observations(days).into_iter().enumerate() {
            // Of one who is there twice the first counts, so here each is there once.
            let mut told = Vec::new();
            observation.subjects.retain(|one| {
                let is_new = !told.contains(&one.whose);
                told.push(one.whose.clone());
                is_new
            });
            let expected = straight.take(&observation, None);
            let by = turns[place % turns.len()] % observation.subjects.len().max(1);
            observation.subjects.rotate_left(by);
            observation.subjects.reverse();
            prop_assert_eq!(turned.take(&observation, None), expected);
        }
        prop_assert_eq!(straight.active().collect::<Vec<_>>(), turned.active().collect::<Vec<_>>());
    }
}

/// One that goes on from what `engine` has kept with that observation.
fn goes_on(engine: &Engine, observation: &Observation) -> Engine {
    let mut again = Engine::new(Rules::defaults(), setup(30));
    again.restore(&engine.save(), observation.time).unwrap();
    again
}

/// What nobody has written there.
const HOSTILE: [&str; 12] = [
    "0",
    "-1",
    "1",
    "4294967295",
    "18446744073709551615",
    "1e300",
    "null",
    "true",
    "[]",
    "{}",
    "\"\\u202e\\n\"",
    "\"Less\"",
];

/// Puts `new` in place of the value that comes after `left` others which hold none.
fn replace(value: &mut serde_json::Value, left: &mut usize, new: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(values) if !values.is_empty() => {
            values.iter_mut().any(|value| replace(value, left, new))
        }
        serde_json::Value::Object(values) if !values.is_empty() => {
            values.values_mut().any(|value| replace(value, left, new))
        }
        leaf if *left == 0 => {
            leaf.clone_from(new);
            true
        }
        _ => {
            *left -= 1;
            false
        }
    }
}

const BAND: &str =
    "[x]\nmetric = \"tcp_close_wait\"\nabove = 10\nclear = 8\nfor = \"1m\"\nclear_for = \"1m\"\n";
