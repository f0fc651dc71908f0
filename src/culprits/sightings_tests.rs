use std::sync::Arc;

use super::*;
use crate::culprits::{Process, Whose};
use crate::source::Scope;

fn process(pid: u32, start: u64) -> Arc<Process> {
    Arc::new(Process {
        pid,
        start,
        name: "leaker".into(),
        container: None,
        others: 0,
    })
}

fn group(port: u16, sockets: u64, process: Option<Arc<Process>>) -> Group {
    Group {
        whose: Whose::Alone(Scope::Host),
        process,
        user: Some(1000),
        endpoint: Endpoint::Local(port),
        peer: None,
        has_more_peers: false,
        sockets,
        received: None,
        seen: None,
    }
}

struct Watching {
    sightings: Sightings,
    start: Instant,
}

impl Watching {
    #[expect(clippy::disallowed_methods, reason = "any moment does")]
    fn new() -> Self {
        Self {
            sightings: Sightings::default(),
            start: Instant::now(),
        }
    }

    /// What is said of these groups of `whose`, so many minutes after the start.
    fn see(
        &mut self,
        whose: &str,
        minutes: u64,
        mut groups: Vec<Group>,
    ) -> Vec<Option<(u64, u64)>> {
        let now = self.start + Duration::from_mins(minutes);
        let all = groups.iter_mut().map(|group| (whose.to_owned(), group));
        self.sightings.see(all, |id| id == whose, now);
        let seen = groups.into_iter().map(|group| {
            let seen = group.seen?;
            Some((seen.ago.as_secs() / 60, seen.sockets))
        });
        seen.collect()
    }
}

#[test]
fn a_group_is_as_old_as_its_first_sighting() {
    let mut watching = Watching::new();
    assert_eq!(
        watching.see("host", 0, vec![group(80, 3, None)]),
        [Some((0, 3))]
    );
    assert_eq!(
        watching.see("host", 10, vec![group(80, 9, None)]),
        [Some((10, 3))]
    );
    let both = vec![group(80, 123, None), group(81, 5, None)];
    assert_eq!(
        watching.see("host", 40, both),
        [Some((40, 3)), Some((0, 5))]
    );
}

#[test]
fn growth_is_told_per_minute_since_then() {
    let mut grown = group(80, 123, None);
    assert_eq!(grown.growth_per_minute(), None);
    grown.seen = Some(Seen {
        ago: Duration::from_mins(40),
        sockets: 3,
    });
    assert_eq!(grown.growth_per_minute(), Some(3.0));
    grown.sockets = 1;
    assert_eq!(grown.growth_per_minute(), Some(-0.05));
    grown.seen = Some(Seen {
        ago: Duration::ZERO,
        sockets: 1,
    });
    assert_eq!(grown.growth_per_minute(), None, "a moment tells of no rate");
}

#[test]
fn a_group_that_was_gone_begins_anew() {
    let mut watching = Watching::new();
    watching.see("host", 0, vec![group(80, 3, None)]);
    watching.see("host", 1, vec![]);
    assert_eq!(
        watching.see("host", 2, vec![group(80, 4, None)]),
        [Some((0, 4))]
    );
}

#[test]
fn an_owner_that_was_not_told_of_is_not_forgotten_at_once() {
    let mut watching = Watching::new();
    watching.see("pod a", 0, vec![group(80, 3, None)]);
    watching.see("pod b", 5, vec![group(80, 1, None)]);
    assert_eq!(
        watching.see("pod a", 9, vec![group(80, 4, None)]),
        [Some((9, 3))]
    );
    watching.see("pod b", 14, vec![]);
    watching.see("pod b", 20, vec![]);
    assert_eq!(
        watching.see("pod a", 30, vec![group(80, 5, None)]),
        [Some((0, 5))]
    );
}

#[test]
fn a_process_that_is_found_later_takes_over_the_age_of_the_group() {
    let mut watching = Watching::new();
    watching.see("host", 0, vec![group(80, 3, None)]);
    let named = watching.see("host", 7, vec![group(80, 4, Some(process(5, 1)))]);
    assert_eq!(named, [Some((7, 3))]);
    // One that joins while others stay without a name is new.
    watching.see(
        "host",
        8,
        vec![group(80, 4, Some(process(5, 1))), group(80, 1, None)],
    );
    let joined = vec![group(80, 4, Some(process(6, 1))), group(80, 1, None)];
    assert_eq!(
        watching.see("host", 10, joined),
        [Some((0, 4)), Some((2, 1))]
    );
}

#[test]
fn another_process_with_the_same_number_is_another_group() {
    let mut watching = Watching::new();
    watching.see("host", 0, vec![group(80, 3, Some(process(5, 1)))]);
    let seen = watching.see("host", 9, vec![group(80, 3, Some(process(5, 2)))]);
    assert_eq!(seen, [Some((0, 3))]);
}

#[test]
fn what_is_remembered_has_a_bound() {
    let mut watching = Watching::new();
    let many = |from: u16| {
        (from..from + 4096)
            .map(|port| group(port, 1, None))
            .collect()
    };
    for (number, whose) in ["a", "b", "c", "d"].into_iter().enumerate() {
        watching.see(whose, number as u64, many(1));
        assert!(watching.sightings.0.len() <= MOST_REMEMBERED);
    }
    assert_eq!(watching.sightings.0.len(), MOST_REMEMBERED);
}
