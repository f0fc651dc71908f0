//! Who is named, and that nobody is forgotten for a sample that does not tell.

use std::time::UNIX_EPOCH;

use super::super::Engine;
use super::super::made::*;
use super::*;
use crate::culprits::{Access, Culprits};
use crate::pods::Owner;

const LEAKS: &str = "[leaks]\nmetric = \"tcp_close_wait\"\nabove = 10\nfor = \"30s\"\n";

fn group(whose: &Whose, user: Option<u32>) -> Group {
    Group {
        whose: whose.clone(),
        process: None,
        user,
        endpoint: user.map_or(Endpoint::Unknown, |_| Endpoint::Local(8080)),
        peer: None,
        has_more_peers: false,
        sockets: 54,
        received: None,
        seen: None,
    }
}

fn sample(groups: Vec<Group>) -> Sample {
    let mut sample = Sample::at(UNIX_EPOCH);
    sample.culprits = Some(Culprits {
        state: State::CloseWait,
        total: 54,
        groups,
        rest: 0,
        access: Access::Whole,
    });
    sample
}

#[test]
fn who_it_was_stays_said_while_a_sample_tells_only_that_there_are_some() {
    for whose in [HOST, pod("cart"), Whose::Of(Owner::Other)] {
        let mut bench = Bench::new(only(LEAKS), 30);
        let mut take = |engine: &mut Engine, groups: Vec<Group>| {
            let value = vec![subject(whose.clone(), &[(Metric::CloseWait, 54.0)])];
            let observation = bench.observation(30, value);
            engine.take(&observation, Some(&sample(groups)));
            let alert = engine.active().next();
            alert.map(|alert| (alert.culprits.len(), alert.body.to_string()))
        };
        let mut engine = Engine::new(only(LEAKS), setup(30));
        take(&mut engine, vec![group(&whose, Some(26))]);
        let (named, body) = take(&mut engine, vec![group(&whose, Some(26))]).unwrap();
        assert_eq!(named, 1);
        assert!(body.contains(": user 26 holds 54 on port 8080."), "{body}");
        for _ in 0..3 {
            let (named, body) = take(&mut engine, vec![group(&whose, None)]).unwrap();
            assert_eq!(named, 1);
            assert!(
                body.contains(": user 26 held 54 on port 8080, when that was last known."),
                "{body}"
            );
        }
    }
}
