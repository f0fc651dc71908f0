//! Readings by the library, in the shapes that witnesses are compared in.

use std::collections::BTreeMap;

use tcpgauge::source::details::Attention;
use tcpgauge::source::proc_root::ProcRoot;
use tcpgauge::source::{Choice, Options, Reading, Scope, Sockets, Source};
use tcpgauge::tcp::State;

use crate::table::{Family, Table};

/// Every way there is to read.
pub(crate) const EVERY_WAY: [Source; 3] = [Source::Diag, Source::DiagFull, Source::Text];

/// Whether the families are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    ByFamily,
    Together,
}

impl Split {
    /// What a reading so split has columns for.
    pub(crate) fn families(self) -> &'static [&'static str] {
        match self {
            Self::ByFamily => &["ipv4", "ipv6"],
            Self::Together => &["both"],
        }
    }
}

/// The number of sockets by family, or of both, and state.
pub(crate) type Columns = BTreeMap<(&'static str, &'static str), u64>;

/// Reads this process's own namespace.
pub(crate) fn own(split: Split) -> Options {
    Options {
        proc_root: ProcRoot::new("/proc"),
        scope: Scope::Own,
        choice: Choice::Auto,
        by_family: split == Split::ByFamily,
        attention: Attention::default(),
    }
}

/// The table that a reading by family tells, after holding it to what a good reading always is.
pub(crate) fn by_family(reading: &Reading) -> Table {
    assert!(
        reading.counted.is_complete() && reading.counted.is_trusted(),
        "{reading:?}"
    );
    let Sockets::ByFamily { ipv4, ipv6 } = &reading.counted.sockets else {
        panic!("not by family: {reading:?}");
    };
    let ipv6 = ipv6.expect("the namespace has IPv6");
    let mut table = Table::default();
    for state in State::ALL {
        table.add(Family::Ipv4, state.name(), ipv4.get(state));
        table.add(Family::Ipv6, state.name(), ipv6.get(state));
    }
    assert_eq!(reading.counted.total(), table.total());
    table
}

pub(crate) fn columns_of(reading: &Reading, split: Split) -> Columns {
    match split {
        Split::ByFamily => columns(&by_family(reading)),
        Split::Together => {
            let count = |state: State| (("both", state.name()), reading.counted.count(state));
            Columns::from_iter(State::ALL.map(count))
        }
    }
}

pub(crate) fn columns(table: &Table) -> Columns {
    let family = |family: &'static str, counts: &BTreeMap<&'static str, u64>| {
        let column = move |(&state, &number)| ((family, state), number);
        counts.iter().map(column).collect::<Vec<_>>()
    };
    let mut columns = family("ipv4", &table.ipv4);
    columns.extend(family("ipv6", &table.ipv6));
    Columns::from_iter(columns)
}
