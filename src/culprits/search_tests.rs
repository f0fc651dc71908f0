use std::rc::Rc;

use super::*;
use crate::culprits::made::{Machines, Made};

/// A search, its machine, and the time.
struct Case {
    machine: Machines,
    search: Search<Machines>,
    now: Instant,
}

impl Case {
    #[expect(clippy::disallowed_methods, reason = "any moment does")]
    fn new() -> Self {
        let machine = Machines::default();
        Self {
            search: Search::new(machine.clone()),
            machine,
            now: Instant::now(),
        }
    }

    fn add(&self, pid: u32, uid: u32, files: impl IntoIterator<Item = (i32, u64)>) {
        let made = Made {
            start: u64::from(pid) * 10,
            uid,
            files: files.into_iter().collect(),
            ..Made::default()
        };
        self.machine.0.borrow_mut().processes.insert(pid, made);
    }

    fn change(&self, pid: u32, change: impl FnOnce(&mut Made)) {
        let mut state = self.machine.0.borrow_mut();
        change(state.processes.get_mut(&pid).unwrap());
    }

    fn end(&self, pid: u32) {
        self.machine.0.borrow_mut().processes.remove(&pid);
    }

    /// Which process each of these is found with, and how many others it shares with.
    fn find(&mut self, inodes: &[u64]) -> (BTreeMap<u64, (u32, u64)>, Access) {
        let wanted: Vec<_> = inodes
            .iter()
            .map(|inode| Wanted {
                inode: *inode,
                uid: Some(1000),
            })
            .collect();
        self.machine.1.store(false, Ordering::Relaxed);
        self.machine.0.borrow_mut().opened.clear();
        let stop = Rc::clone(&self.machine.1);
        let names = self.search.find(&wanted, self.now, &stop);
        let found = names.of.into_iter();
        let found = found.map(|(inode, process)| (inode, (process.pid, process.others)));
        (found.collect(), names.access)
    }

    fn found(&mut self, inodes: &[u64]) -> Vec<(u64, (u32, u64))> {
        self.find(inodes).0.into_iter().collect()
    }

    fn opened(&self) -> usize {
        self.machine.0.borrow().opened.len()
    }
}

#[test]
fn each_socket_is_found_with_its_process() {
    let mut case = Case::new();
    case.add(5, 1000, [(3, 100), (4, 101)]);
    case.add(6, 33, [(3, 102), (4, 900)]);
    assert_eq!(
        case.find(&[100, 101, 102]),
        (
            [(100, (5, 0)), (101, (5, 0)), (102, (6, 0))].into(),
            Access::Whole
        )
    );
}

#[test]
fn whoever_probably_has_them_is_looked_into_first_and_then_it_ends() {
    let mut case = Case::new();
    for pid in 1..2000 {
        case.add(pid, 0, [(3, 5000 + u64::from(pid))]);
    }
    case.add(
        2001,
        1000,
        (3..90).map(|number| (number, 900 + u64::try_from(number).unwrap())),
    );
    assert_eq!(
        case.found(&[910, 911]),
        [(910, (2001, 0)), (911, (2001, 0))]
    );
    assert_eq!(case.machine.0.borrow().listed, [2001]);
}

#[test]
fn what_is_known_is_not_looked_for_again() {
    let mut case = Case::new();
    case.add(5, 1000, [(3, 100)]);
    for pid in 10..500 {
        case.add(pid, 0, []);
    }
    case.find(&[100]);
    assert!(case.opened() > 400, "to see who shares it");
    assert_eq!(case.found(&[100]), [(100, (5, 0))]);
    assert_eq!(case.opened(), 1, "to see that it still has it");
}

#[test]
fn what_is_gone_is_forgotten_and_its_inode_can_be_anothers() {
    let mut case = Case::new();
    case.add(5, 1000, [(3, 100)]);
    case.find(&[100]);
    assert_eq!(case.found(&[]), []);
    case.end(5);
    case.add(6, 1000, [(3, 100)]);
    assert_eq!(case.found(&[100]), [(100, (6, 0))]);
}

#[test]
fn another_process_with_the_number_of_one_that_ended_has_nothing_of_it() {
    let mut case = Case::new();
    case.add(5, 1000, [(3, 100)]);
    case.add(6, 1000, [(7, 100)]);
    assert_eq!(case.found(&[100]), [(100, (5, 0))]);
    case.change(5, |made| {
        made.start += 1;
        made.files.clear();
    });
    assert_eq!(case.found(&[100]), [(100, (6, 0))]);
}

#[test]
fn a_process_that_ends_while_it_is_looked_into_is_not_named() {
    for ends_after in 0..4 {
        let mut case = Case::new();
        case.add(5, 1000, [(3, 100), (4, 101), (5, 999)]);
        case.change(5, |made| made.ends_after = Some(ends_after));
        case.add(6, 1000, [(3, 102)]);
        let found = case.found(&[100, 101, 102]);
        let named: Vec<_> = found.iter().filter(|(_, (pid, _))| *pid == 5).collect();
        let is_there = case.machine.0.borrow().processes.contains_key(&5);
        assert!(is_there || named.is_empty(), "{ends_after}: {found:?}");
        assert!(
            found.contains(&(102, (6, 0))),
            "the others are found all the same"
        );
    }
}

#[test]
fn a_socket_that_was_given_away_is_found_where_it_is() {
    let mut case = Case::new();
    case.add(5, 1000, [(3, 100), (4, 101)]);
    case.add(6, 1000, []);
    assert_eq!(case.found(&[100, 101]), [(100, (5, 0)), (101, (5, 0))]);
    case.change(5, |made| made.files = [(4, 101)].into());
    case.change(6, |made| made.files = [(9, 100)].into());
    assert_eq!(case.found(&[100, 101]), [(100, (6, 0)), (101, (5, 0))]);
}

#[test]
fn a_number_that_is_another_file_by_now_is_not_believed() {
    let mut case = Case::new();
    case.add(5, 1000, [(3, 100)]);
    case.find(&[100]);
    case.change(5, |made| made.files = [(3, 700), (8, 100)].into());
    assert_eq!(case.found(&[100]), [(100, (5, 0))]);
    case.change(5, |made| made.files = [(3, 700)].into());
    assert_eq!(case.found(&[100]), []);
}

#[test]
fn shared_sockets_are_those_of_the_oldest_and_the_others_are_counted() {
    let mut case = Case::new();
    let files: BTreeMap<_, _> = (3..53)
        .map(|number| (number, 97 + u64::try_from(number).unwrap()))
        .collect();
    // The parent has closed most of them, and each child has all.
    case.add(5, 1000, files.clone().into_iter().take(20));
    for child in [8, 6, 7] {
        case.add(child, 1000, files.clone());
    }
    let inodes: Vec<_> = files.values().copied().collect();
    let found = case.found(&inodes);
    assert_eq!(found.len(), 50, "each once");
    for (inode, (pid, others)) in found {
        assert_eq!(pid, if inode < 120 { 5 } else { 6 }, "{inode}");
        assert_eq!(others, if pid == 5 { 3 } else { 2 }, "{inode}");
    }
}

#[test]
fn when_the_oldest_ends_the_next_is_named() {
    let mut case = Case::new();
    for pid in [5, 6, 7] {
        case.add(pid, 1000, [(3, 100)]);
    }
    assert_eq!(case.found(&[100]), [(100, (5, 2))]);
    case.end(7);
    assert_eq!(case.found(&[100]), [(100, (5, 1))]);
    case.end(5);
    assert_eq!(case.found(&[100]), [(100, (6, 0))]);
}

#[test]
fn who_may_look_into_nobody_is_told_so_and_tries_again_only_later() {
    let mut case = Case::new();
    for pid in [5, 6, 7] {
        case.add(pid, 1000, [(3, 90 + u64::from(pid))]);
        case.change(pid, |made| made.is_denied = true);
    }
    assert_eq!(case.find(&[95]), (BTreeMap::new(), Access::Denied(3)));
    for inodes in [[95, 96], [96, 97]] {
        assert_eq!(case.find(&inodes), (BTreeMap::new(), Access::Denied(3)));
        assert_eq!(case.opened(), 0);
    }
    case.change(6, |made| made.is_denied = false);
    case.now += AGAIN;
    assert_eq!(
        case.find(&[95, 96]),
        ([(96, (6, 0))].into(), Access::Denied(2))
    );
    assert_eq!(
        case.find(&[95, 96]),
        ([(96, (6, 0))].into(), Access::Denied(2))
    );
    assert_eq!(case.opened(), 1, "only the known one");
    assert_eq!(case.find(&[96]), ([(96, (6, 0))].into(), Access::Whole));
}

#[test]
fn what_nobody_holds_is_looked_for_rarely() {
    let mut case = Case::new();
    case.add(5, 1000, [(3, 100)]);
    assert_eq!(
        case.find(&[7, 100]),
        ([(100, (5, 0))].into(), Access::Whole)
    );
    case.find(&[7, 100]);
    assert_eq!(case.opened(), 1, "only to see that it still has the other");
    case.now += AGAIN;
    case.change(5, |made| made.files.extend([(4, 7)]));
    assert_eq!(case.found(&[7, 100]), [(7, (5, 0)), (100, (5, 0))]);
}

#[test]
fn a_search_that_is_cut_short_says_so_and_goes_on_where_it_was() {
    let mut case = Case::new();
    for pid in 1..=40_u32 {
        let files = (0..300).map(|number| {
            (
                number,
                u64::from(pid) * 1000 + u64::try_from(number).unwrap(),
            )
        });
        case.add(pid, 1000, files);
    }
    let last = 40_299;
    let mut searches = 0;
    loop {
        let looked_at = case.machine.0.borrow().looked_at;
        case.machine.0.borrow_mut().stop_after = Some(looked_at + 2000);
        match case.find(&[last, 7]) {
            (found, Access::Cut) if found.is_empty() => searches += 1,
            (found, access) => {
                assert_eq!(found, [(last, (40, 0))].into(), "{access:?}");
                break;
            }
        }
        assert!(searches < 10, "it begins anew each time");
    }
    assert!(searches >= 4, "{searches}");
}

#[test]
fn a_process_with_more_files_than_there_is_time_for_is_looked_into_bit_by_bit() {
    let mut case = Case::new();
    let files = (0..5000_i32).map(|number| (number, 1000 + u64::from(number.unsigned_abs())));
    case.add(1, 1000, files);
    case.add(2, 1000, (0..9000).map(|number| (number, 90_000)));
    let mut searches = 0;
    loop {
        let looked_at = case.machine.0.borrow().looked_at;
        case.machine.0.borrow_mut().stop_after = Some(looked_at + 1000);
        let (found, access) = case.find(&[5999, 90_000]);
        if access != Access::Cut {
            assert_eq!(
                found,
                [(5999, (1, 0)), (90_000, (2, 0))].into(),
                "{access:?}"
            );
            break;
        }
        searches += 1;
        assert!(searches < 30, "it begins anew each time");
    }
}

#[test]
fn sockets_that_are_all_open_twice_are_all_found() {
    let mut case = Case::new();
    let once = (0..50_u8).map(|number| (i32::from(number), 100 + u64::from(number)));
    let again = (0..50_u8).map(|number| (50 + i32::from(number), 100 + u64::from(number)));
    case.add(7, 1000, once.chain(again));
    let inodes: Vec<u64> = (100..150).collect();
    let (found, access) = case.find(&inodes);
    assert_eq!((found.len(), access), (50, Access::Whole));
}

#[test]
fn a_socket_that_is_open_twice_is_one() {
    let mut case = Case::new();
    case.add(5, 1000, [(3, 100), (4, 100)]);
    assert_eq!(case.found(&[100]), [(100, (5, 0))]);
}

#[test]
fn processes_that_cannot_be_listed_are_an_answer() {
    let root = tempfile::tempdir().unwrap().path().join("nowhere");
    let machine =
        super::super::machine::ProcMachine::new(crate::source::proc_root::ProcRoot::new(root));
    let mut search = Search::new(machine);
    let wanted = [Wanted {
        inode: 1,
        uid: None,
    }];
    let case = Case::new();
    let names = search.find(&wanted, case.now, &AtomicBool::new(false));
    assert!(matches!(names.access, Access::Failed(_)), "{names:?}");
}
