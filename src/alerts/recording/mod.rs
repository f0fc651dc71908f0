//! Observations as lines of text, to be replayed: what a recording holds.
//!
//! ```text
//! {"tcpgauge-recording":[1,30000]}
//! {"owner":[0,{"scope":"host"}]}
//! {"ports":[0,[[22,2,0],[80,1,33]]]}
//! {"of":[0,[871,540,296,3,28],null]}
//! {"sample":[1764403200000,30000,[],false]}
//! ```
//!
//! An owner has a number from when it is first told of until a sample is without it, and its listening ports are told when they
//! change; so both sides remember as much as one sample holds. A sample is there with its last line: where the others are cut
//! off, it never was. Times are in milliseconds, values in thousandths at the finest, in the order of [`Metric::ALL`]. Most of a
//! line stands in the sample before too, so compressed there is little left of it. Whoever wrote a recording, no line of it makes
//! us panic or hold more than the bounds here.

mod decoder;
mod encoder;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

pub use self::decoder::{Decoder, Malformed};
pub use self::encoder::Encoder;
use super::Listening;
#[cfg(doc)]
use super::Metric;
use crate::culprits::Whose;

/// The version of the form that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// No line is longer.
pub const MOST_LINE_BYTES: usize = 1 << 17;

/// Not more owners are in one sample: the host, itself, others, and as many pods as there can be.
const MOST_OWNERS: usize = 4096 + 8;

/// Ports beyond so many are not told of.
const MOST_PORTS: usize = 4096;

/// No name is longer.
const MOST_NAME_BYTES: usize = 1024;

/// More sockets than there can be.
const MOST: f64 = 1e15;

/// The end of the year 9999.
const LAST_TIME: u64 = 253_402_300_799_999;

/// A hundred years.
const LONGEST_STEP: u64 = 100 * 366 * 24 * 3600 * 1000;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line<'a> {
    /// That this is a recording, of which version, and the time that there is to be between two samples.
    TcpgaugeRecording(u32, u64),
    /// The number that an owner has from now on.
    Owner(u16, #[serde(borrow)] Who<'a>),
    /// The ports that an owner listens on from now on: port, sockets, user.
    Ports(u16, Option<Vec<(u16, u32, Option<u32>)>>),
    /// The values of an owner, and the port whose accept queue is the fullest.
    Of(u16, Vec<Option<Value>>, Option<u16>),
    /// The sample that all this is of: its time, the step, who was not counted, and whether pods were looked at.
    Sample(u64, u64, Vec<u16>, bool),
}

/// Whose sockets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Who<'a> {
    Scope(#[serde(borrow)] Cow<'a, str>),
    Pod(#[serde(borrow)] Cow<'a, str>),
    NamedPod(
        #[serde(borrow)] Cow<'a, str>,
        #[serde(borrow)] Cow<'a, str>,
        #[serde(borrow)] Cow<'a, str>,
    ),
    Container(#[serde(borrow)] Cow<'a, str>),
    Other,
}

#[derive(Debug, Deserialize)]
struct Value(f64);

impl Serialize for Value {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, not negative and small enough"
    )]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && (0.0..=MOST).contains(&self.0) {
            serializer.serialize_u64(self.0 as u64)
        } else {
            serializer.serialize_f64((self.0 * 1000.0).round() / 1000.0)
        }
    }
}

/// What is remembered of an owner.
#[derive(Debug)]
struct Kept {
    whose: Whose,
    listening: Option<Arc<[Listening]>>,
    is_told: bool,
}

fn is_possible(value: f64) -> bool {
    (0.0..=MOST).contains(&value)
}

#[cfg(test)]
mod tests;
