//! How near the host is to having no port left for a connection to somewhere.
//!
//! A connection that this host begins takes a port of its own, out of a range, and two may share one if they differ in their own
//! address or in where they go. So what runs out is the ports of one local address toward one destination, and the largest such
//! group of sockets tells how near that is.

mod census;
mod groups;
pub mod range;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

pub use self::census::Census;
use self::range::Range;
use crate::source::proc_root::ProcRoot;
use crate::source::socket::Socket;
use crate::source::{Counted, Fault, ReadError, Reading, Scope};
use crate::tcp::State;

/// So many destinations can be told of at most.
pub const MOST_DESTINATIONS: usize = 20;

/// Every socket is looked at no more often than every 5 minutes; a tick that comes a little early counts as the one that is due.
const PAUSE: Duration = Duration::from_secs(290);

/// What has taken longer than a reading may has cost a reading, so it is not tried again soon.
const LONG_PAUSE: Duration = Duration::from_hours(1);

/// Below this share of the range nobody needs to know more.
pub const MATTERS_FROM: f64 = 0.5;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The range, for where it cannot be read.
    pub range: Option<RangeInclusive<u16>>,
    /// So many destinations are told of, each by itself; 0 for the largest without its name.
    pub destinations: usize,
    /// When it is found out.
    pub when: When,
}

/// When it is found out how many ports are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Where there are so many sockets that they could matter, and then now and then.
    Due,
    /// Each time.
    Always,
}

/// The ports in use.
#[derive(Clone, Debug, PartialEq)]
pub struct Ports {
    /// Out of which.
    pub range: Range,
    /// How many.
    pub usage: Usage,
    /// Whether destinations are told of by their names.
    pub told: Told,
}

/// What a look gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// They were counted.
    Counted(Ports),
    /// They cannot matter: toward no destination can more than this share of the range be in use, for there are no more sockets.
    Few(f64),
    /// Nothing: it is not due, or not known.
    Untold,
}

/// How many ports are in use toward whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// They were counted.
    Counted {
        /// The destinations with most of them, most first.
        destinations: Vec<Destination>,
        /// By so much each can be more; nearly always 0.
        uncertainty: u64,
    },
    /// There are so many destinations that no number would be within a hundredth of the range.
    Unclear,
}

/// Whether destinations are told of by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The largest number, and not whose.
    Largest,
    /// Each with its name.
    Each,
}

/// Where connections go, and how many ports those from one address take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Where they go.
    pub to: SocketAddr,
    /// The local address that has most of them.
    pub from: IpAddr,
    /// How many.
    pub ports: u64,
}

impl Ports {
    /// The destinations with most ports, most first; nothing where that is not clear.
    #[must_use]
    pub fn destinations(&self) -> Option<&[Destination]> {
        match &self.usage {
            Usage::Counted { destinations, .. } => Some(destinations),
            Usage::Unclear => None,
        }
    }

    /// Which share of the range a number of ports is.
    ///
    /// No more than all, for no two sockets have both ends in common; but a table that changes while it is read can show one twice.
    #[must_use]
    pub fn share(&self, ports: u64) -> f64 {
        share(ports, self.range.size())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "there are no more ports than 65535"
)]
fn share(ports: u64, size: u64) -> f64 {
    ports.min(size) as f64 / size as f64
}

/// Finds out how many ports are in use, when that is due.
#[derive(Debug)]
pub struct Watch {
    options: Options,
    root: ProcRoot,
    scope: Scope,
    /// As large as the range was, and until when that is relied on to see whether anything is to be done; 0 for one not known.
    size: Option<(u64, Instant)>,
    /// Not before this.
    next: Option<Instant>,
}

impl Watch {
    /// A watch over the namespace that `scope` reads below `root`. Nothing is read yet.
    #[must_use]
    pub fn new(options: Options, root: ProcRoot, scope: Scope) -> Self {
        Self {
            options,
            root,
            scope,
            size: None,
            next: None,
        }
    }

    /// What there is to tell with `reading`, taken at `now`.
    ///
    /// `pass` shows each socket, listeners of a family before its others, and says what it counted.
    pub fn look(
        &mut self,
        now: Instant,
        reading: &Reading,
        pass: impl FnOnce(&mut dyn FnMut(&Socket<'_>)) -> Result<Counted, ReadError>,
    ) -> Result<Look, Fault> {
        if !reading.counted.is_trusted() {
            return Ok(Look::Untold);
        }
        if self.options.when == When::Due {
            match self.most(now, &reading.counted) {
                Some(most) if most < MATTERS_FROM => return Ok(Look::Few(most)),
                Some(_) if self.next.is_none_or(|next| now >= next) => {}
                _ => return Ok(Look::Untold),
            }
        }
        let Ok(range) = Range::find(&self.root, self.scope, self.options.range.as_ref()) else {
            return Ok(Look::Untold);
        };
        let mut census = Census::new(&range);
        let counted = pass(&mut |socket| census.see(socket));
        let is_stopped = matches!(&counted, Err(error) if error.is_stopped());
        self.next = Some(now + if is_stopped { LONG_PAUSE } else { PAUSE });
        let counted = counted.map_err(|error| error.fault())?;
        if !counted.is_trusted() {
            return Ok(Look::Untold);
        }
        let usage = census.end(self.options.destinations.max(1));
        Ok(Look::Counted(Ports {
            range,
            usage,
            told: if self.options.destinations == 0 {
                Told::Largest
            } else {
                Told::Each
            },
        }))
    }

    /// Which share of the range can be in use toward one destination at most; nothing where the range is not known.
    fn most(&mut self, now: Instant, counted: &Counted) -> Option<f64> {
        let size = match self.size {
            Some((size, until)) if now < until => size,
            _ => {
                let range = Range::find(&self.root, self.scope, self.options.range.as_ref());
                let size = range.map_or(0, |range| range.size());
                self.size = Some((size, now + PAUSE));
                size
            }
        };
        (size > 0).then(|| share(most(counted), size))
    }
}

/// No destination has more ports in use than there are sockets that can have one.
fn most(counted: &Counted) -> u64 {
    let without = counted.count(State::Listen) + counted.count(State::SynReceived);
    counted.total().saturating_sub(without)
}

#[cfg(test)]
mod tests;
