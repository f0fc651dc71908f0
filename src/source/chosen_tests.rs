//! Every answer that a kernel may give, and the way that is then taken.

#![allow(
    clippy::disallowed_methods,
    reason = "any moment will do for the first, and the others are made from it"
)]

use std::collections::VecDeque;

use super::super::counters::{Activity, Counters, CountersError};
use super::super::diag::Unproven;
use super::super::diag::message::MessageError;
use super::super::diag::tally::Negative;
use super::super::{Counted, Details, Scope, Sockets};
use super::*;
use crate::tcp::{Counts, State};

#[path = "comparison_tests.rs"]
mod comparisons;

const MINUTE: Duration = Duration::from_mins(1);

/// A kernel with so many connections in ESTABLISHED, as each way tells of them.
struct Script {
    allows: Result<(), Impossible>,
    mptcp_is_counted: bool,
    /// What each way says; the last one stays.
    diag: VecDeque<Answer>,
    full: VecDeque<Answer>,
    text: VecDeque<Answer>,
    /// So many connections begin whenever anybody looks.
    churn: u64,
    connections: u64,
    taken: Vec<Source>,
}

#[derive(Clone, Copy)]
enum Answer {
    Established(u64),
    Fails,
    Negative(u64),
    Stopped,
}

use Answer::{Established, Fails, Stopped};

impl Default for Script {
    fn default() -> Self {
        let agreed = || VecDeque::from([Established(5)]);
        Self {
            allows: Ok(()),
            mptcp_is_counted: true,
            diag: agreed(),
            full: agreed(),
            text: agreed(),
            churn: 0,
            connections: 0,
            taken: Vec::new(),
        }
    }
}

impl Kernel for Script {
    fn take(&mut self, way: Source, _: &AtomicBool) -> Result<Reading, ReadError> {
        self.taken.push(way);
        let answers = match way {
            Source::Diag => &mut self.diag,
            Source::DiagFull => &mut self.full,
            Source::Text => &mut self.text,
        };
        let answer = answers[0];
        if answers.len() > 1 {
            answers.pop_front();
        }
        match answer {
            Established(number) => {
                let mut both = Counts::default();
                both.add(State::Established, number);
                Ok(Reading {
                    scope: Scope::Own,
                    source: way,
                    why: None,
                    step_downs: 0,
                    details: Details::default(),
                    counted: Counted::of(Sockets::Together { both }),
                })
            }
            Fails => Err(DiagError::Message(MessageError::Overrun).into()),
            Answer::Negative(dumped) => Err(DiagError::Negative(Negative {
                state: State::Established,
                counted: 0,
                dumped,
            })
            .into()),
            Stopped => Err(DiagError::Stopped.into()),
        }
    }

    fn allows_diag(&mut self) -> Result<Result<(), Impossible>, ReadError> {
        Ok(self.allows)
    }

    fn activity(&mut self) -> Result<Activity, CountersError> {
        self.connections += self.churn;
        let counters = Counters {
            inuse4: 1,
            inuse6: Some(1),
            tw: 1,
        };
        Ok(Activity::at(counters, self.connections, 0))
    }

    fn counts_mptcp(&mut self) -> Result<(), Unproven> {
        if self.mptcp_is_counted {
            Ok(())
        } else {
            Err(Unproven::Uncounted)
        }
    }
}

/// A source over a script, and its time.
struct Scene {
    source: Chosen<Script>,
    now: Instant,
}

impl Scene {
    fn new(choice: Choice, script: Script) -> Self {
        Self {
            source: Chosen::of(choice, script),
            now: Instant::now(),
        }
    }

    fn auto(script: Script) -> Self {
        Self::new(Choice::Auto, script)
    }

    fn kernel(&mut self) -> &mut Script {
        &mut self.source.kernel
    }

    fn try_read(&mut self) -> Result<Reading, ReadError> {
        self.source.read(self.now, &AtomicBool::new(false))
    }

    /// The source, the number of connections, and how often it was stepped down.
    fn read(&mut self) -> (Source, u64, u64) {
        let reading = self.try_read().unwrap();
        (
            reading.source,
            reading.counted.count(State::Established),
            reading.step_downs,
        )
    }

    fn why(&mut self) -> String {
        self.try_read().unwrap().why.unwrap().to_string()
    }

    /// The ways that are taken by one reading after `time`.
    fn ways_after(&mut self, time: Duration) -> Vec<Source> {
        self.now += time;
        self.kernel().taken.clear();
        let _ = self.try_read();
        self.kernel().taken.clone()
    }
}

const DIAG: Source = Source::Diag;
const FULL: Source = Source::DiagFull;
const TEXT: Source = Source::Text;

fn says(answers: &[Answer]) -> VecDeque<Answer> {
    answers.iter().copied().collect()
}

#[test]
fn what_agrees_is_read_sparsely_and_compared_again_within_20_minutes() {
    let mut scene = Scene::auto(Script::default());
    assert_eq!(scene.ways_after(Duration::ZERO), [FULL, TEXT, DIAG, FULL]);
    assert_eq!(scene.read(), (DIAG, 5, 0));
    assert_eq!(scene.ways_after(MINUTE), [DIAG]);
    let compared = (1..=20).filter(|_| scene.ways_after(MINUTE) == [DIAG, FULL]);
    assert_eq!(compared.count(), 1);
}

#[test]
fn the_tables_are_read_where_netlink_is_impossible_or_not_wanted() {
    for impossible in [
        Impossible::OtherNamespace,
        Impossible::UnknownNamespace,
        Impossible::NoProc,
    ] {
        let mut scene = Scene::auto(Script {
            allows: Err(impossible),
            ..Script::default()
        });
        assert_eq!(scene.ways_after(Duration::ZERO), [TEXT]);
        assert_eq!(scene.why(), impossible.to_string());
        assert_eq!(scene.read(), (TEXT, 5, 0));
        // Another place may be mounted later.
        scene.kernel().allows = Ok(());
        assert_eq!(scene.read(), (DIAG, 5, 0));
    }
    let mut scene = Scene::new(Choice::Text, Script::default());
    assert_eq!(scene.ways_after(Duration::ZERO), [TEXT]);
    assert!(scene.why().contains("--source text"));
}

#[test]
fn where_nothing_but_netlink_is_wanted_its_absence_is_an_error() {
    let mut scene = Scene::new(
        Choice::Diag,
        Script {
            allows: Err(Impossible::OtherNamespace),
            ..Script::default()
        },
    );
    let error = scene.try_read().unwrap_err();
    assert!(matches!(error, ReadError::Impossible(_)), "{error:?}");
    assert!(scene.kernel().taken.is_empty());

    let mut scene = Scene::new(
        Choice::Diag,
        Script {
            full: says(&[Established(6)]),
            ..Script::default()
        },
    );
    let error = scene.try_read().unwrap_err();
    assert!(matches!(error, ReadError::Distrusted(_)), "{error:?}");
    assert!(scene.ways_after(MINUTE).is_empty(), "a gap, for a while");
}

#[test]
fn a_kernel_that_does_not_count_mptcp_is_read_by_full_dumps() {
    let mut scene = Scene::auto(Script {
        mptcp_is_counted: false,
        ..Script::default()
    });
    assert_eq!(scene.read(), (FULL, 5, 1));
    assert!(scene.why().contains("CVE-2026-31669"));
    scene.now += RELIANCE;
    assert_eq!(scene.read(), (FULL, 5, 1));
    assert!(!scene.kernel().taken.contains(&DIAG));
}

#[test]
fn a_failure_is_tried_once_more_and_then_the_tables_take_over_for_a_while() {
    let mut scene = Scene::auto(Script::default());
    scene.read();
    scene.kernel().diag = says(&[Fails, Established(7)]);
    assert_eq!(scene.read(), (DIAG, 7, 0));

    scene.kernel().diag = says(&[Fails, Fails, Established(5)]);
    assert_eq!(scene.read(), (TEXT, 5, 1));
    assert!(scene.why().contains("lost a part"));
    scene.now += RECOVERY;
    assert_eq!(scene.read(), (DIAG, 5, 1));
}

#[test]
fn without_netlink_the_tables_are_read_from_the_start() {
    let mut scene = Scene::auto(Script {
        diag: says(&[Fails]),
        full: says(&[Fails]),
        ..Script::default()
    });
    assert_eq!(scene.read(), (TEXT, 5, 1));
    scene.now += RECOVERY;
    assert_eq!(scene.read(), (TEXT, 5, 1));
    scene.now += RECOVERY;
    assert_eq!(scene.read(), (TEXT, 5, 1), "said and counted once");
}

#[test]
fn less_than_nothing_is_a_disagreement_unless_what_ended_meanwhile_explains_it() {
    let mut scene = Scene::auto(Script::default());
    scene.read();
    // Once: the next one is right.
    scene.kernel().diag = says(&[Answer::Negative(1), Established(0)]);
    assert_eq!(scene.read(), (DIAG, 0, 0));

    // Again and again, and connections come and go: counted one by one, this time.
    scene.kernel().diag = says(&[Answer::Negative(2)]);
    scene.kernel().churn = 1;
    assert_eq!(scene.read(), (FULL, 5, 0));
    scene.kernel().diag = says(&[Established(5)]);
    assert_eq!(scene.read(), (DIAG, 5, 0));

    // More than came and went.
    scene.kernel().diag = says(&[Answer::Negative(3)]);
    assert_eq!(scene.read(), (FULL, 5, 1));
    assert!(scene.why().contains("less than none"));
}

#[test]
fn being_stopped_once_is_nobodys_fault_and_twice_in_a_row_is() {
    let mut scene = Scene::auto(Script::default());
    scene.read();
    for _ in 0..3 {
        scene.kernel().diag = says(&[Stopped, Established(5)]);
        assert!(scene.try_read().unwrap_err().is_stopped());
        assert_eq!(scene.read(), (DIAG, 5, 0));
    }
    scene.kernel().diag = says(&[Stopped, Stopped, Established(5)]);
    for _ in 0..2 {
        assert!(scene.try_read().unwrap_err().is_stopped());
    }
    assert_eq!(scene.read(), (TEXT, 5, 1));
    scene.now += RECOVERY;
    assert_eq!(scene.read(), (DIAG, 5, 1));
}

#[test]
fn the_reason_is_the_same_until_it_changes() {
    let mut scene = Scene::auto(Script::default());
    let first = scene.try_read().unwrap().why.unwrap();
    scene.now += RELIANCE;
    let second = scene.try_read().unwrap().why.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
}
