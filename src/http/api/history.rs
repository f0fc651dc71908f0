//! `/api/v1/history`: the last hour and the last week, slot by slot as they are kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::super::board::View;
use super::{Answered, asked, put, put_item};
use crate::history::{Counts, History, Spread};
use crate::sample::Five;

/// An hour with more slots is not told slot by slot: an interval of a second has 3,600 …
const MOST_SLOTS: usize = 1200;

/// … but in so many rows, each of several slots, with more in each row.
const MOST_ROWS: usize = 600;

/// Answers.
pub(in super::super) fn history(view: &View<'_>, query: &str) -> Answered {
    let range = match asked(query, "range")? {
        None | Some("hour") => Range::Hour,
        Some("week") => Range::Week,
        Some(_) => return Err("there is no such range: range=hour or range=week".to_owned()),
    };
    let history = view.history();
    let slots = history.as_ref().map_or(0, |history| history.hour().len());
    let together = if range == Range::Hour && slots > MOST_SLOTS {
        u32::try_from(slots.div_ceil(MOST_ROWS)).unwrap_or(u32::MAX)
    } else {
        1
    };
    let interval = history.as_ref().map(|history| history.interval());
    let (name, slot) = match range {
        Range::Hour => ("hour", interval.unwrap_or(view.about.interval)),
        Range::Week => ("week", History::quarter()),
    };
    let is_count = range == Range::Hour && together == 1;
    let cells = if is_count {
        "count"
    } else {
        "least,average,most"
    };
    let mut json = Vec::new();
    json.extend(b"{\"range\":");
    put(&mut json, &name);
    json.extend(b",\"cells\":");
    put(&mut json, &cells);
    json.extend(b",\"step_seconds\":");
    put(&mut json, &(slot * together).as_secs_f64());
    json.extend(b",\"columns\":[\"time\"");
    let missing = (together > 1).then_some("missing");
    for column in Five::ALL.map(Five::name).into_iter().chain(missing) {
        json.push(b',');
        put(&mut json, &column);
    }
    json.extend(b"],\"rows\":[");
    if let Some(history) = history.as_deref() {
        let start = json.len();
        match range {
            Range::Week => week(&mut json, start, history),
            Range::Hour if is_count => hour(&mut json, start, history),
            Range::Hour => dense(&mut json, start, history, slot * together),
        }
    }
    json.extend(b"]}\n");
    Ok(json)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    Hour,
    Week,
}

fn week(json: &mut Vec<u8>, start: usize, history: &History) {
    for (time, quarter) in history.week() {
        let cells = quarter.map(|quarter| Five::ALL.map(|five| short(quarter.five(five))));
        row(json, start, time, cells);
    }
}

fn hour(json: &mut Vec<u8>, start: usize, history: &History) {
    for (time, counts) in history.hour() {
        let cells = counts.map(|counts| Five::ALL.map(|five| counts.five(five)));
        row(json, start, time, cells);
    }
}

/// An hour in which a row is of all slots within `width`.
fn dense(json: &mut Vec<u8>, start: usize, history: &History, width: Duration) {
    let width = width.as_millis().max(1);
    let mut group: Option<(u128, Several)> = None;
    for (time, counts) in history.hour() {
        // By time, so that the same are together when the hour has moved on.
        let number = whole(time).as_millis() / width;
        let (_, several) = match &mut group {
            Some(group) if group.0 == number => group,
            group => {
                if let Some((number, several)) = group.take() {
                    several.put(json, start, number * width);
                }
                group.insert((number, Several::default()))
            }
        };
        several.add(counts);
    }
    if let Some((number, several)) = group {
        several.put(json, start, number * width);
    }
}

/// What several slots counted.
#[derive(Default)]
struct Several {
    counted: u32,
    missing: u32,
    /// Of each of the five the least, the sum and the most.
    five: [(u64, u64, u64); 5],
}

impl Several {
    fn add(&mut self, counts: Option<&Counts>) {
        let Some(counts) = counts else {
            self.missing += 1;
            return;
        };
        for (so_far, five) in self.five.iter_mut().zip(Five::ALL) {
            let value = counts.five(five);
            let (least, sum, most) = *so_far;
            let least = if self.counted == 0 {
                value
            } else {
                least.min(value)
            };
            *so_far = (least, sum + value, most.max(value));
        }
        self.counted += 1;
    }

    /// Writes their row, the last in which is how many of them nothing was counted in.
    fn put(&self, json: &mut Vec<u8>, start: usize, time: u128) {
        let seconds = time / 1000;
        if self.counted == 0 {
            put_item(json, start, &(seconds, (), (), (), (), (), self.missing));
            return;
        }
        let [connections, established, time_wait, close_wait, listen] = self.five.map(|five| {
            let (least, sum, most) = five;
            short(Spread {
                average: mean(sum, self.counted),
                least,
                most,
            })
        });
        let row = (
            seconds,
            connections,
            established,
            time_wait,
            close_wait,
            listen,
            self.missing,
        );
        put_item(json, start, &row);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sums of a few seconds are far below 2^53"
)]
fn mean(sum: u64, count: u32) -> f64 {
    sum as f64 / f64::from(count.max(1))
}

/// A slot that nothing was counted in is its time alone with nothing in its cells.
fn row(json: &mut Vec<u8>, start: usize, time: SystemTime, cells: Option<[impl Serialize; 5]>) {
    let seconds = whole(time).as_secs();
    match cells {
        Some([connections, established, others @ ..]) => {
            let [time_wait, close_wait, listen] = others;
            let cells = (
                seconds,
                connections,
                established,
                time_wait,
                close_wait,
                listen,
            );
            put_item(json, start, &cells);
        }
        None => put_item(json, start, &(seconds, (), (), (), (), ())),
    }
}

fn whole(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Its average to a tenth, which is as fine as an average need be.
fn short(spread: Spread) -> (u64, f64, u64) {
    let average = (spread.average * 10.0).round() / 10.0;
    (spread.least, average, spread.most)
}
