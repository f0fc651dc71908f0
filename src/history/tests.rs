//! History against a plain list of all that was ever taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::pods::{Gate, PodName, PodReading, Pods};
use crate::source::{Counted, Details, Reading, Scope, Sockets, Source};
use crate::tcp::{self, State};

/// 2026-01-01, in milliseconds.
pub(super) const START: i64 = 1_767_225_600_000;

pub(super) const MINUTE: i64 = 60_000;

pub(super) fn counted(established: u64, close_wait: u64, unrecognised: u64) -> Counted {
    let mut both = tcp::Counts::default();
    both.add(State::Established, established);
    both.add(State::CloseWait, close_wait);
    let sockets = Sockets::Together { both };
    Counted {
        unrecognised,
        ..Counted::of(sockets)
    }
}

pub(super) fn reading(scope: Scope, counted: Counted) -> Reading {
    Reading {
        scope,
        source: Source::Text,
        why: None,
        step_downs: 0,
        counted,
        details: Details::default(),
    }
}

pub(super) fn pod(uid: usize, counted: Counted) -> PodReading {
    PodReading {
        owner: Owner::Pod {
            uid: format!("{uid:08}-0000-4000-8000-000000000000").into(),
            name: Some(PodName {
                namespace: Arc::from("shop"),
                pod: format!("web-{uid}").into(),
            }),
        },
        counted,
        gate: Gate::Read,
        age: Duration::ZERO,
        details: None,
    }
}

pub(super) fn sample(ms: i64, host: Option<Counted>, pods: Vec<PodReading>) -> Sample {
    let mut sample = Sample::at(line::wall(ms));
    sample.readings = host
        .map(|host| reading(Scope::Host, host))
        .into_iter()
        .collect();
    let readings = pods;
    sample.pods = Some(Pods {
        readings,
        ..Pods::default()
    });
    sample
}

pub(super) fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

/// What is kept at one width, told by nothing but all there was.
#[derive(Clone, Debug)]
struct Axis<T> {
    width: i64,
    slots: i64,
    newest: Option<i64>,
    owed: i64,
    all: Vec<(i64, T)>,
}

impl<T: Clone> Axis<T> {
    fn new(width: i64, slots: i64) -> Self {
        Self {
            width,
            slots,
            newest: None,
            owed: 0,
            all: Vec::new(),
        }
    }

    fn shift_slots(&mut self, by: i64) {
        self.newest = self.newest.map(|newest| newest + by);
        self.all.iter_mut().for_each(|(number, _)| *number += by);
    }

    fn shift(&mut self, by: i64) {
        if self.newest.is_some() {
            self.owed += by;
            let slots = (self.owed + self.width / 2).div_euclid(self.width);
            self.owed -= slots * self.width;
            self.shift_slots(slots);
        }
    }

    fn end_at(&mut self, time: i64) {
        let over = self
            .newest
            .map_or(0, |newest| newest - time.div_euclid(self.width));
        self.shift_slots(-over.max(0));
    }

    fn take(&mut self, time: i64, values: impl IntoIterator<Item = T>) {
        let number = time.div_euclid(self.width);
        let number = self.newest.map_or(number, |newest| newest.max(number));
        self.newest = Some(number);
        self.all
            .extend(values.into_iter().map(|value| (number, value)));
    }

    fn slots(&self) -> Vec<(SystemTime, Vec<T>)> {
        let Some(newest) = self.newest else {
            return Vec::new();
        };
        (newest + 1 - self.slots..=newest)
            .map(|slot| {
                let here = self.all.iter().filter(|(number, _)| *number == slot);
                let values = here.map(|(_, value)| value.clone()).collect();
                (line::wall(slot * self.width), values)
            })
            .collect()
    }
}

#[derive(Clone, Debug)]
struct Model {
    interval: i64,
    last: Option<i64>,
    /// A restart makes the first step unknown.
    steps: bool,
    hour: Axis<Counted>,
    week: Axis<Counted>,
    pods: Axis<(String, Counted)>,
}

impl Model {
    fn new(interval: i64) -> Self {
        let minute = interval.max(MINUTE);
        Self {
            interval,
            last: None,
            steps: false,
            hour: Axis::new(interval, 60 * MINUTE / interval),
            week: Axis::new(15 * MINUTE, 7 * 24 * 4),
            pods: Axis::new(minute, 60 * MINUTE / minute),
        }
    }

    fn tick(&self, time: i64) -> i64 {
        (time + self.interval / 8).div_euclid(self.interval) * self.interval
    }

    fn shift(&mut self, by: i64) {
        self.hour.shift(by);
        self.week.shift(by);
        self.pods.shift(by);
    }

    fn end_at(&mut self, time: i64) {
        let tick = self.tick(time);
        self.hour.end_at(tick);
        self.week.end_at(tick);
        self.pods.end_at(tick);
    }

    fn take(&mut self, now: i64, step: i64, host: Option<Counted>, pods: &[PodReading]) {
        match self.last.filter(|_| self.steps) {
            Some(last) => self.shift(now - last - step),
            None => self.end_at(now),
        }
        self.last = Some(now);
        self.steps = true;
        let tick = self.tick(now);
        self.hour.take(tick, host);
        self.week.take(tick, host);
        let pods = pods.iter().map(|pod| (pod.owner.to_string(), pod.counted));
        self.pods.take(tick, pods);
    }

    fn restart(&mut self, now: i64) {
        for owed in [
            &mut self.hour.owed,
            &mut self.week.owed,
            &mut self.pods.owed,
        ] {
            *owed = 0;
        }
        let ahead = self.last.unwrap_or(now) - now;
        if ahead > 0 {
            self.shift(-ahead);
        }
        self.end_at(now);
        self.last = self.last.map(|last| last.min(now));
        self.steps = false;
    }

    fn is_told_by(&self, history: &History) -> Result<(), TestCaseError> {
        let host = !self.week.all.is_empty();
        let hour: Vec<_> = history
            .hour()
            .map(|(time, counts)| (time, counts.copied()))
            .collect();
        let expected = self.hour.slots().into_iter().filter(|_| host);
        let expected: Vec<_> = expected
            .map(|(time, all)| (time, all.last().and_then(Counts::of)))
            .collect();
        prop_assert_eq!(hour, expected);
        let week: Vec<_> = history
            .week()
            .map(|(time, quarter)| (time, quarter.copied()))
            .collect();
        let slots = self.week.slots();
        prop_assert_eq!(week.len(), if host { slots.len() } else { 0 });
        for ((time, quarter), (at, all)) in week.into_iter().zip(slots) {
            prop_assert_eq!(time, at);
            prop_assert_eq!(quarter.is_some(), !all.is_empty());
            let Some(quarter) = quarter else { continue };
            prop_assert_eq!(quarter.samples() as usize, all.len());
            for five in Five::ALL {
                is_of(
                    quarter.five(five),
                    all.iter().map(|counted| five.of(counted)),
                )?;
            }
            for state in State::ALL {
                is_of(
                    quarter.state(state),
                    all.iter().map(|counted| counted.count(state)),
                )?;
            }
            is_of(
                quarter.unrecognised(),
                all.iter().map(|counted| counted.unrecognised),
            )?;
        }
        self.pods_are_told_by(history)
    }

    fn pods_are_told_by(&self, history: &History) -> Result<(), TestCaseError> {
        let slots = self.pods.slots();
        let mut expected: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (name, _) in slots.iter().flat_map(|(_, all)| all) {
            expected.insert(name.clone(), Vec::new());
        }
        for (name, values) in &mut expected {
            for (time, all) in &slots {
                let here = all.iter().rev().find(|(of, _)| of == name);
                values.push((*time, here.map(|(_, counted)| *counted)));
            }
        }
        prop_assert_eq!(history.pods().len(), expected.len());
        for pod in history.pods() {
            let expected = &expected[&pod.owner().to_string()];
            for five in Five::ALL {
                let told: Vec<_> = pod.hour(five).collect();
                let value = |counted: &Counted| five.of(counted);
                let expected = expected
                    .iter()
                    .map(|(time, counted)| (*time, counted.as_ref().map(value)));
                prop_assert_eq!(told, expected.collect::<Vec<_>>());
            }
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn is_of(spread: Spread, all: impl Iterator<Item = u64>) -> Result<(), TestCaseError> {
    let all: Vec<u64> = all.collect();
    let average = all.iter().sum::<u64>() as f64 / all.len() as f64;
    prop_assert!((spread.average - average).abs() < 1e-9);
    prop_assert_eq!(Some(spread.least), all.iter().min().copied());
    prop_assert_eq!(Some(spread.most), all.iter().max().copied());
    Ok(())
}

/// What happens between two samples.
#[derive(Clone, Debug)]
struct Move {
    /// So many intervals pass; what is between is a gap.
    intervals: i64,
    /// A tick is late by this share of an interval, in percent.
    late: i64,
    jump: i64,
    restarts: bool,
    host: Option<(u64, u64, u64)>,
    malformed: bool,
    pods: Vec<(usize, u64)>,
}

pub(super) fn jump() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => Just(0),
        2 => -200..200_i64,
        1 => -20 * MINUTE..20 * MINUTE,
        1 => -3000 * MINUTE..3000 * MINUTE,
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    let intervals = prop_oneof![20 => Just(1_i64), 4 => 2..40_i64, 1 => 40..30_000_i64];
    let host = prop::option::weighted(0.8, (0..500_u64, 0..500_u64, 0..3_u64));
    let pods = prop::collection::btree_map(0..6_usize, 0..100_000_u64, 0..4);
    (
        intervals,
        0..10_i64,
        jump(),
        prop::bool::weighted(0.05),
        host,
        prop::bool::weighted(0.1),
        pods,
    )
        .prop_map(
            |(intervals, late, jump, restarts, host, malformed, pods)| Move {
                intervals,
                late,
                jump,
                restarts,
                host,
                malformed,
                pods: pods.into_iter().collect(),
            },
        )
}

pub(super) fn interval() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![
        1000, 7000, 10_000, 30_000, 45_000, 60_000, 90_000, 3_600_000,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn it_tells_what_a_list_of_everything_tells(
        interval in interval(),
        moves in prop::collection::vec(moves(), 1..120),
    ) {
        let mut history = History::new(ms(interval), 5);
        let bytes = history.bytes();
        let mut model = Model::new(interval);
        let mut wall = START;
        for step in moves {
            let before = wall;
            let after = (wall / interval + step.intervals) * interval + step.late * interval / 100;
            let passed = after - before;
            wall = after + step.jump;
            if step.restarts {
                let saved = history.save();
                history = History::new(ms(interval), 5);
                let restored = history.restore(&saved, line::wall(wall)).unwrap();
                let ahead = model.last.map_or(0, |last| last - wall);
                prop_assert_eq!(restored.moved_back, (ahead > MINUTE).then(|| ms(ahead)));
                model.restart(wall);
                model.is_told_by(&history)?;
            }
            let mut host = step.host.map(|(one, other, more)| counted(one, other, more));
            if let Some(host) = host.as_mut().filter(|_| step.malformed) {
                host.malformed = 1;
            }
            let pods: Vec<_> = step.pods.iter().map(|(uid, value)| pod(*uid, counted(*value, 1, 0))).collect();
            history.take(&sample(wall, host, pods.clone()), ms(passed));
            model.take(wall, passed, host.filter(Counted::is_trusted), &pods);
            prop_assert_eq!(history.bytes(), bytes);
        }
        model.is_told_by(&history)?;
    }
}
