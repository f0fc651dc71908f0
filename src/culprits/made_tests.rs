//! A machine that is made up, whose processes do what no real one does when it is told to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::machine::{About, Candidate, Closed, Held, Machine};

/// A process of a machine that is made up.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) start: u64,
    pub(super) uid: u32,
    pub(super) is_denied: bool,
    /// It ends once so many of its files have been looked at.
    pub(super) ends_after: Option<usize>,
    /// Inodes of sockets by the number of the file.
    pub(super) files: BTreeMap<i32, u64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) processes: BTreeMap<u32, Made>,
    pub(super) opened: Vec<u32>,
    /// Of which processes all files were listed.
    pub(super) listed: Vec<u32>,
    pub(super) looked_at: usize,
    pub(super) stop_after: Option<usize>,
}

/// A machine, shared with the test that changes it meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Machines(pub(super) Rc<RefCell<State>>, pub(super) Rc<AtomicBool>);

#[derive(Debug)]
pub(super) struct Opened {
    machine: Machines,
    pid: u32,
    pub(super) start: u64,
}

impl Opened {
    fn made(&self) -> Result<Made, Closed> {
        let state = self.machine.0.borrow();
        let made = state.processes.get(&self.pid);
        made.filter(|made| made.start == self.start)
            .cloned()
            .ok_or(Closed::Gone)
    }
}

impl Machine for Machines {
    type Open = Opened;

    fn processes(&mut self) -> io::Result<Vec<Candidate>> {
        let state = self.0.borrow();
        let all = state.processes.iter();
        Ok(all
            .map(|(pid, made)| Candidate {
                pid: *pid,
                uid: made.uid,
                fds: made.files.len() as u64,
            })
            .collect())
    }

    fn open(&mut self, pid: u32) -> Result<Opened, Closed> {
        let start = self.start(pid).ok_or(Closed::Gone)?;
        self.0.borrow_mut().opened.push(pid);
        Ok(Opened {
            machine: self.clone(),
            pid,
            start,
        })
    }

    fn start(&mut self, pid: u32) -> Option<u64> {
        self.0.borrow().processes.get(&pid).map(|made| made.start)
    }
}

impl Held for Opened {
    fn numbers(&mut self) -> Result<Vec<i32>, Closed> {
        self.machine.0.borrow_mut().listed.push(self.pid);
        Ok(self.made()?.files.into_keys().collect())
    }

    fn socket(&mut self, number: i32) -> Result<Option<u64>, Closed> {
        let Ok(made) = self.made() else {
            return Ok(None);
        };
        if made.is_denied {
            return Err(Closed::Denied);
        }
        let mut state = self.machine.0.borrow_mut();
        state.looked_at += 1;
        if state
            .stop_after
            .is_some_and(|after| state.looked_at >= after)
        {
            self.machine.1.store(true, Ordering::Relaxed);
        }
        if let Some(made) = state.processes.get_mut(&self.pid)
            && let Some(left) = &mut made.ends_after
        {
            if *left == 0 {
                state.processes.remove(&self.pid);
                return Ok(None);
            }
            *left -= 1;
        }
        Ok(made.files.get(&number).copied())
    }

    fn about(&mut self) -> Option<About> {
        Some(About {
            start: self.made().ok()?.start,
            name: format!("program{}", self.pid).into(),
            container: None,
        })
    }
}
