use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::culprits::Access;
use crate::source::{Counted, Details, Scope, Sockets, Source};
use crate::tcp::Counts;

fn counted(total: u64) -> Counted {
    let mut both = Counts::default();
    both.add(State::CloseWait, total);
    Counted::of(Sockets::Together { both })
}

fn details(holders: Option<Holders>) -> Details {
    Details {
        holders,
        ..Details::default()
    }
}

fn reading(total: u64, holders: Option<Holders>) -> Reading {
    Reading {
        scope: Scope::Host,
        source: Source::Text,
        why: None,
        step_downs: 0,
        counted: counted(total),
        details: details(holders),
    }
}

fn pod(uid: &str, gate: Gate, total: u64, holders: Option<Holders>) -> PodReading {
    PodReading {
        owner: Owner::Pod {
            uid: uid.into(),
            name: None,
        },
        counted: counted(total),
        gate,
        age: Duration::ZERO,
        details: holders.map(|holders| details(Some(holders))),
    }
}

fn holders(groups: &[(Option<u32>, Endpoint, u64, &[u64])], rest: u64) -> Holders {
    let mut holders = Holders {
        rest,
        ..Holders::default()
    };
    for (uid, endpoint, sockets, inodes) in groups {
        let held = Held {
            sockets: *sockets,
            peer: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            inodes: inodes.to_vec(),
            ..Held::default()
        };
        let holder = Holder {
            uid: *uid,
            endpoint: *endpoint,
        };
        holders.groups.insert(holder, Box::new(held));
    }
    holders
}

fn names(of: &[(u64, u32)]) -> Names {
    let named = of.iter().map(|(inode, pid)| {
        let process = Process {
            pid: *pid,
            start: 1,
            name: "leaker".into(),
            container: None,
            others: 0,
        };
        (*inode, Arc::new(process))
    });
    Names {
        of: named.collect(),
        access: Access::Whole,
    }
}

#[expect(clippy::disallowed_methods, reason = "any moment does")]
fn now() -> Instant {
    Instant::now()
}

fn told(readings: Vec<Reading>, pods: Vec<PodReading>, names: &Names) -> Culprits {
    let mut watch = Watch::new(State::CloseWait);
    tell(&mut watch, readings, pods, names)
}

fn tell(
    watch: &mut Watch,
    mut readings: Vec<Reading>,
    mut pods: Vec<PodReading>,
    names: &Names,
) -> Culprits {
    watch.take(readings.iter_mut(), pods.iter_mut());
    watch.tell(names, now())
}

/// Pid, user, endpoint and number of each group.
fn rows(culprits: &Culprits) -> Vec<(Option<u32>, Option<u32>, Endpoint, u64)> {
    let groups = culprits.groups.iter();
    groups
        .map(|group| {
            let pid = group.process.as_ref().map(|process| process.pid);
            (pid, group.user, group.endpoint, group.sockets)
        })
        .collect()
}

#[test]
fn a_group_is_split_by_the_processes_that_hold_it_and_what_is_left() {
    let groups = [(Some(7), Endpoint::Local(80), 6, &[1, 2, 3, 4, 5][..])];
    let culprits = told(
        vec![reading(6, Some(holders(&groups, 0)))],
        vec![],
        &names(&[(1, 50), (2, 50), (3, 50), (4, 60)]),
    );
    let local = Endpoint::Local(80);
    assert_eq!(
        rows(&culprits),
        [
            (Some(50), Some(7), local, 3),
            (None, Some(7), local, 2),
            (Some(60), Some(7), local, 1)
        ]
    );
}

#[test]
fn what_cannot_be_attributed_is_a_group_of_its_own() {
    let groups = [
        (Some(7), Endpoint::Local(80), 2, &[][..]),
        (None, Endpoint::Unknown, 1, &[]),
    ];
    let culprits = told(
        vec![reading(10, Some(holders(&groups, 3)))],
        vec![],
        &Names::default(),
    );
    assert_eq!(
        rows(&culprits),
        [
            (None, None, Endpoint::Unknown, 8),
            (None, Some(7), Endpoint::Local(80), 2)
        ]
    );
    assert_eq!(culprits.unattributed(), 8);
    let (top, others) = culprits.top(10);
    assert_eq!((top.count(), others), (1, 8), "it is one of the others");
}

#[test]
fn details_of_more_sockets_than_were_counted_are_not_believed() {
    let groups = [(Some(7), Endpoint::Local(80), 5, &[][..])];
    let culprits = told(
        vec![reading(4, Some(holders(&groups, 0)))],
        vec![],
        &Names::default(),
    );
    assert_eq!(rows(&culprits), [(None, None, Endpoint::Unknown, 4)]);
}

#[test]
fn what_was_seen_of_a_pod_stands_as_long_as_nothing_moves_in_it() {
    let mut watch = Watch::new(State::CloseWait);
    let groups = [(Some(7), Endpoint::Local(80), 5, &[1][..])];
    let found = Some(holders(&groups, 0));
    let mut tick = |gate, total, found| {
        let pods = vec![pod("a", gate, total, found)];
        rows(&tell(&mut watch, vec![], pods, &Names::default()))
    };
    let attributed = [(None, Some(7), Endpoint::Local(80), 5)];
    let nobodys = |total| [(None, None, Endpoint::Unknown, total)];
    assert_eq!(tick(Gate::Read, 5, found.clone()), attributed);
    assert_eq!(tick(Gate::Hold, 5, None), attributed);
    assert_eq!(tick(Gate::Hold, 5, None), attributed, "and again");
    assert_eq!(tick(Gate::Derive, 5, None), nobodys(5));
    assert_eq!(tick(Gate::Hold, 5, None), nobodys(5), "not over a gap");
    assert_eq!(tick(Gate::Read, 5, found), attributed);
    assert_eq!(tick(Gate::Hold, 6, None), nobodys(6), "another number");
}

#[test]
fn sockets_of_a_pod_of_which_nothing_else_is_known_are_told_of_as_the_pods() {
    let culprits = told(
        vec![],
        vec![pod("a", Gate::Derive, 5, None)],
        &Names::default(),
    );
    assert!(!culprits.groups[0].is_nobodys());
    assert_eq!(culprits.unattributed(), 0);
}

#[test]
fn a_name_that_comes_later_is_the_same_pods() {
    let mut watch = Watch::new(State::CloseWait);
    let mut named = pod("a", Gate::Read, 1, None);
    tell(&mut watch, vec![], vec![named.clone()], &Names::default());
    named.owner = Owner::Pod {
        uid: "a".into(),
        name: Some(crate::pods::PodName {
            namespace: "shop".into(),
            pod: "web".into(),
        }),
    };
    let later = now() + Duration::from_mins(3);
    let mut pods = [named];
    watch.take(std::iter::empty(), pods.iter_mut());
    let culprits = watch.tell(&Names::default(), later);
    assert!(culprits.groups[0].seen.unwrap().ago >= Duration::from_mins(3));
}

#[test]
fn a_sample_has_a_bounded_number_of_groups() {
    let many = |number: u16| {
        let mut holders = Holders::default();
        for port in 1..=number {
            let holder = Holder {
                uid: Some(7),
                endpoint: Endpoint::Local(port),
            };
            let held = Held {
                sockets: 2,
                ..Held::default()
            };
            holders.groups.insert(holder, Box::new(held));
        }
        holders
    };
    let pods = ["a", "b", "c"].map(|uid| pod(uid, Gate::Read, 4000, Some(many(2000))));
    let culprits = told(vec![], pods.into(), &Names::default());
    assert_eq!(culprits.groups.len(), MOST_GROUPS);
    assert_eq!((culprits.total, culprits.rest), (12_000, 12_000 - 2 * 4096));
}

/// Any holders of few users, ports and inodes, so that they come together.
fn any_holders() -> impl Strategy<Value = (u64, Option<Holders>)> {
    let endpoint = prop_oneof![
        (1_u16..4).prop_map(Endpoint::Local),
        (1_u16..4).prop_map(|port| Endpoint::Remote(SocketAddr::from(([10, 0, 0, 1], port)))),
        Just(Endpoint::Unknown),
    ];
    let inodes = prop::collection::vec(1_u64..60, 0..8);
    let group = (prop::option::of(0_u32..3), endpoint, 0_u64..9, inodes);
    let groups = prop::collection::vec(group, 0..9);
    (groups, 0_u64..4, -3_i64..5, any::<bool>()).prop_map(|(groups, rest, more, is_known)| {
        let mut all = Holders {
            rest,
            ..Holders::default()
        };
        for (uid, endpoint, more, inodes) in groups {
            let held = Held {
                sockets: inodes.len() as u64 + more,
                inodes,
                ..Held::default()
            };
            all.groups.insert(Holder { uid, endpoint }, Box::new(held));
        }
        let total = all.total().saturating_add_signed(more);
        (total, is_known.then_some(all))
    })
}

proptest! {
    #[test]
    fn groups_and_others_always_add_up_to_what_was_counted(
        host in any_holders(),
        pods in prop::collection::vec((any_holders(), 0_usize..3), 0..4),
        found in prop::collection::vec((1_u64..60, 1_u32..6), 0..40),
        most in 1_usize..8,
    ) {
        let uids = ["a", "b", "c", "d"];
        let pods: Vec<_> = pods
            .into_iter()
            .zip(uids)
            .map(|(((total, holders), gate), uid)| {
                let gate = Gate::ALL[gate];
                let holders = holders.filter(|_| gate == Gate::Read);
                pod(uid, gate, total, holders)
            })
            .collect();
        let mut expected = host.0;
        expected += pods.iter().map(|pod| pod.counted.count(State::CloseWait)).sum::<u64>();
        let culprits = told(vec![reading(host.0, host.1)], pods, &names(&found));
        prop_assert_eq!(culprits.total, expected);
        let groups: u64 = culprits.groups.iter().map(|group| group.sockets).sum();
        prop_assert_eq!(groups + culprits.rest, expected);
        let (top, others) = culprits.top(most);
        prop_assert_eq!(top.map(|group| group.sockets).sum::<u64>() + others, expected);
        // No two groups are the same series.
        let mut keys: Vec<_> = culprits
            .groups
            .iter()
            .map(|group| format!("{} {:?} {:?} {:?}", group.whose, group.user, group.endpoint, group.process))
            .collect();
        let number = keys.len();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), number);
    }
}
