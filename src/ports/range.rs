//! Out of which ports the kernel chooses one for a connection that this host begins.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::source::Scope;
use crate::source::counters;
use crate::source::details::Ports;
use crate::source::namespace::Namespace;
use crate::source::proc_root::ProcRoot;

/// More reserved ports than anybody writes down. The kernel gives them in one `read`, or cuts them off.
const MOST_BYTES: usize = 64 << 10;

/// The range, and what is taken out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    all: RangeInclusive<u16>,
    reserved: Arc<[RangeInclusive<u16>]>,
    size: u64,
    origin: Origin,
}

/// Where a range is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The kernel said so.
    Kernel,
    /// The user did.
    Setting,
}

impl Origin {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Setting => "setting",
        }
    }
}

/// Why the range is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The sockets are in another namespace than this process.
    #[error(
        "the kernel tells this process the range of its own network namespace alone, and that is not the one to read"
    )]
    OtherNamespace,
    /// It cannot be told whether they are.
    #[error(
        "the kernel tells this process the range of its own network namespace alone, and the proc root does not show which one that is"
    )]
    UnknownNamespace,
    /// A setting of the kernel's cannot be read, or is not what one of these is.
    #[error("{0}")]
    Unreadable(String),
    /// No port is left.
    #[error("every port of {first} to {last} is reserved", first = .0.start(), last = .0.end())]
    AllReserved(RangeInclusive<u16>),
}

impl Range {
    /// The range of the namespace that `scope` reads below `root`: the kernel's word where it can be had, or else what was `given`.
    pub fn find(
        root: &ProcRoot,
        scope: Scope,
        given: Option<&RangeInclusive<u16>>,
    ) -> Result<Self, Unknown> {
        let why = match of_kernel(root, scope) {
            Ok((all, reserved)) => return Self::new(all, reserved, Origin::Kernel),
            Err(why) => why,
        };
        let given = given.ok_or(why)?;
        Self::new(given.clone(), Vec::new(), Origin::Setting)
    }

    /// The ports of `all` that are not `reserved`.
    pub fn new(
        all: RangeInclusive<u16>,
        reserved: Vec<RangeInclusive<u16>>,
        origin: Origin,
    ) -> Result<Self, Unknown> {
        let mut range = Self {
            all,
            reserved: reserved.into(),
            size: 0,
            origin,
        };
        range.size = range.ports().count() as u64;
        if range.size == 0 {
            return Err(Unknown::AllReserved(range.all));
        }
        Ok(range)
    }

    /// Each of its ports.
    pub fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        let mut reserved = Ports::default();
        for port in self.reserved.iter().cloned().flatten() {
            reserved.insert(port);
        }
        self.all
            .clone()
            .filter(move |port| !reserved.contains(*port))
    }

    /// How many they are; never 0.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// From the first to the last, reserved ones included.
    #[must_use]
    pub fn all(&self) -> &RangeInclusive<u16> {
        &self.all
    }

    /// Where it is known from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.all.start(), self.all.end());
        write!(f, "{first} to {last}, {} ports", self.size)?;
        let reserved = self.all.clone().count() as u64 - self.size;
        if reserved > 0 {
            write!(f, " without {reserved} reserved")?;
        }
        match self.origin {
            Origin::Kernel => Ok(()),
            Origin::Setting => f.write_str(" (--port-range)"),
        }
    }
}

type Ranges = Vec<RangeInclusive<u16>>;

/// What is below `sys/net` is of the namespace of whoever reads it.
fn of_kernel(root: &ProcRoot, scope: Scope) -> Result<(RangeInclusive<u16>, Ranges), Unknown> {
    let unreadable = |path: &str, why: &dyn fmt::Display| {
        let path = root.join(path);
        Unknown::Unreadable(format!("cannot read {}: {why}", path.display()))
    };
    let namespace =
        Namespace::inspect(root, scope).map_err(|error| unreadable(scope.directory(), &error))?;
    match namespace.own {
        Some(true) => {}
        Some(false) => return Err(Unknown::OtherNamespace),
        None => return Err(Unknown::UnknownNamespace),
    }
    let mut buffer = vec![0; MOST_BYTES];
    let mut setting = |name: &str| {
        let path = format!("sys/net/ipv4/{name}");
        let text = counters::read(&root.join(&path), &mut buffer);
        // The error names the file.
        let text = text.map_err(|error| Unknown::Unreadable(error.to_string()))?;
        let what = || unreadable(&path, &"this is not what the kernel writes there");
        Ok((text.trim().to_owned(), what()))
    };
    let (text, not_one) = setting("ip_local_port_range")?;
    let mut bounds = text.split_ascii_whitespace().map(str::parse);
    let (Some(Ok(first)), Some(Ok(last)), None) = (bounds.next(), bounds.next(), bounds.next())
    else {
        return Err(not_one);
    };
    if first > last {
        return Err(not_one);
    }
    let (text, not_one) = setting("ip_local_reserved_ports")?;
    let reserved = reserved(&text).ok_or(not_one)?;
    Ok((first..=last, reserved))
}

/// Ports and ranges with commas between them, or nothing.
fn reserved(text: &str) -> Option<Ranges> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| parse(part).or_else(|| parse_one(part)))
        .collect()
}

fn parse_one(text: &str) -> Option<RangeInclusive<u16>> {
    let port = text.parse().ok()?;
    Some(port..=port)
}

/// `FIRST-LAST`.
#[must_use]
pub fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some(first..=last)
}
