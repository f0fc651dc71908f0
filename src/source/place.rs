//! Whose tables a scope's path leads to, looked at again for each reading: what is mounted there may change.

use std::path::{Path, PathBuf};

use super::namespace::Reader;
use super::proc_root::{Mount, NamespaceId, OpenError};
use super::{Impossible, Options, ReadError, Scope};

/// The place below the proc root where a scope's tables are.
#[derive(Debug)]
pub(super) struct Place {
    options: Options,
    tcp: PathBuf,
    /// What this process is there, once there was something to read.
    stands: Option<(Mount, Standing)>,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    reader: Reader,
    is_mounted_proc: bool,
}

impl Place {
    /// The place that `options` name. Nothing is looked at yet.
    pub(super) fn new(options: Options) -> Self {
        Self {
            tcp: options.scope.table(&options.proc_root, "tcp"),
            stands: None,
            options,
        }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// The path of `tcp`.
    pub(super) fn tcp(&self) -> &Path {
        &self.tcp
    }

    /// Refuses a namespace that is not whose it would be said to be.
    pub(super) fn guard(&mut self, namespace: NamespaceId) -> Result<(), ReadError> {
        let Standing { reader, .. } = self.stands(namespace);
        if self.options.scope == Scope::Host && reader.pid_1_is_a_containers(namespace) {
            return Err(ReadError::NotTheHost {
                path: self.tcp.clone(),
            });
        }
        Ok(())
    }

    /// Whether netlink, which tells of this process's own namespace alone, tells of this place.
    pub(super) fn is_own(&mut self) -> Result<Result<(), Impossible>, ReadError> {
        let namespace = NamespaceId::of(&self.tcp)
            .map_err(|cause| self.open_error(self.tcp.clone(), cause.into()))?;
        self.guard(namespace)?;
        let Standing {
            reader,
            is_mounted_proc,
        } = self.stands(namespace);
        Ok(match reader.is_in(namespace) {
            _ if !is_mounted_proc => Err(Impossible::NoProc),
            Some(true) => Ok(()),
            Some(false) => Err(Impossible::OtherNamespace),
            None => Err(Impossible::UnknownNamespace),
        })
    }

    /// Why a table could not be opened. When it opens again, something else may be mounted there.
    pub(super) fn open_error(&mut self, path: PathBuf, cause: OpenError) -> ReadError {
        self.stands = None;
        ReadError::Open {
            path,
            cause,
            scope: self.options.scope,
            root: self.options.proc_root.clone(),
        }
    }

    /// Found anew when something else is mounted there than before.
    fn stands(&mut self, namespace: NamespaceId) -> Standing {
        let mount = namespace.mount();
        match self.stands {
            Some((known, standing)) if known == mount => standing,
            _ => {
                let root = &self.options.proc_root;
                let standing = Standing {
                    reader: Reader::inspect(root),
                    is_mounted_proc: root.is_mounted_proc() == Some(true),
                };
                self.stands = Some((mount, standing));
                standing
            }
        }
    }
}
