//! One reading in one way, as it is: which way to trust is weighed in [`super::chosen`].

use std::sync::atomic::AtomicBool;

use super::counters::{Activity, CountersError};
use super::details::Watcher;
use super::diag::{Diag, Unproven};
use super::place::Place;
use super::socket::Socket;
use super::tables::Tables;
use super::{Counted, Impossible, Options, ReadError, Reading, Source};

/// Every way to read one scope.
#[derive(Debug)]
pub struct Ways {
    place: Place,
    tables: Tables,
    diag: Diag,
    watcher: Watcher,
}

impl Ways {
    /// The ways to read what `options` name. Nothing is read yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let directory = options.proc_root.join(options.scope.directory());
        let place = Place::new(options);
        Self {
            tables: Tables::new(&place),
            diag: Diag::new(&directory),
            watcher: Watcher::new(place.options().attention.clone()),
            place,
        }
    }

    /// Takes a reading in this way. Allocates nothing after the first one, except to tell of an error.
    pub fn take(&mut self, way: Source, stop: &AtomicBool) -> Result<Reading, ReadError> {
        let by_family = self.place.options().by_family;
        let watcher = &mut self.watcher;
        watcher.begin();
        let mut see = |socket: &Socket<'_>| watcher.see(socket);
        let counted = match way {
            Source::Text => self.tables.read(&mut self.place, stop, &mut see)?,
            Source::Diag | Source::DiagFull => {
                self.place.is_own()?.map_err(ReadError::Impossible)?;
                if way == Source::Diag {
                    self.diag.sparse(by_family, stop, &mut see)?
                } else {
                    self.diag.full(stop, &mut see)?
                }
            }
        };
        Ok(Reading {
            scope: self.place.options().scope,
            source: way,
            why: None,
            step_downs: 0,
            counted,
            details: self.watcher.end(),
        })
    }

    /// Shows every socket to `see`, by the tables if this is the way to them, or else by a full dump. The listeners of a family come before
    /// its other sockets.
    pub fn show(
        &mut self,
        way: Source,
        stop: &AtomicBool,
        see: &mut impl FnMut(&Socket<'_>),
    ) -> Result<Counted, ReadError> {
        if way == Source::Text {
            return self.tables.read(&mut self.place, stop, see);
        }
        self.place.is_own()?.map_err(ReadError::Impossible)?;
        Ok(self.diag.full(stop, see)?)
    }
}

/// What the choice of a way stands on. A trait, so that every answer of a kernel can be had in a test.
pub trait Kernel {
    /// Takes a reading in this way.
    fn take(&mut self, way: Source, stop: &AtomicBool) -> Result<Reading, ReadError>;
    /// Whether netlink tells of the sockets that are wanted.
    fn allows_diag(&mut self) -> Result<Result<(), Impossible>, ReadError>;
    /// What tells how much changes.
    fn activity(&mut self) -> Result<Activity, CountersError>;
    /// Whether the counter of IPv6 sockets counts them all.
    fn counts_mptcp(&mut self) -> Result<(), Unproven>;
}

impl Kernel for Ways {
    fn take(&mut self, way: Source, stop: &AtomicBool) -> Result<Reading, ReadError> {
        Self::take(self, way, stop)
    }

    fn allows_diag(&mut self) -> Result<Result<(), Impossible>, ReadError> {
        self.place.is_own()
    }

    fn activity(&mut self) -> Result<Activity, CountersError> {
        self.diag.activity()
    }

    fn counts_mptcp(&mut self) -> Result<(), Unproven> {
        self.diag.counts_mptcp()
    }
}
