//! One rule and one owner of sockets: whether it stands, and since when.
//!
//! Time counts only between two values that are known and not far apart, and then no more of it than lies between two samples: a
//! gap neither begins anything nor ends it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::judge::{Finding, Judgement, Memory, Tenths, Time, tenths};
use super::moved::MOST_TOLD;
use super::rule::{Kind, Rule};
use super::telling::duration;
use super::{Alert, Metric, Subject, moved};

/// The ports in use are counted every 5 minutes while they matter, and a count may be missing.
const PORTS_COME_AFTER: Duration = Duration::from_mins(11);
/// What is not told of for so long is told of no more; and what was only beginning before such a gap has not begun.
const SILENCE: Duration = Duration::from_mins(15);
/// Who it is is asked for so many samples before an alert begins, for it can take a few to find out.
const FEW: u32 = 4;
/// More than so many intervals between two values are a gap.
const MOST_INTERVALS: u32 = 3;

/// What is remembered of a rule and an owner.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) memory: Memory,
    /// For how long its value has been known.
    known: Tenths,
    /// When it was known last.
    seen: Option<Tenths>,
    /// Whether it is wrong, as yet or still.
    is_over: bool,
    /// Since when it is wrong, or, of an alert that stands, over; by `known`.
    mark: Tenths,
    /// Since when it is wrong.
    began: Tenths,
    /// Whether an alert that stands is over, and only waits.
    is_clearing: bool,
    #[serde(skip)]
    pub(super) standing: Option<Box<Standing>>,
}

/// An alert that stands.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) alert: Alert,
    pub(super) finding: Finding,
    /// For how long its value has not been told of.
    pub(super) absent: Tenths,
    /// Whether its value is beyond the limit.
    pub(super) is_over: bool,
    /// Since when without a break; or, where it is no longer, when it was last.
    pub(super) turned: Tenths,
    /// Who was behind it when it was.
    pub(super) behind: Box<str>,
}

/// When an observation was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Since the engine began.
    pub(super) now: Tenths,
    /// Since the observation before.
    pub(super) step: Tenths,
    /// Between two samples.
    pub(super) interval: Tenths,
}

impl Moment {
    /// The time at which the engine's clock showed `then`, where it is `time` now.
    pub(super) fn ago(&self, time: SystemTime, then: Tenths) -> SystemTime {
        let ago = duration(self.now.saturating_sub(then));
        time.checked_sub(ago).unwrap_or(time)
    }

    /// What samples come too early or too late by.
    fn slack(&self) -> Tenths {
        self.interval / 10
    }

    /// No more is known with one value than what was since the sample before.
    fn most(&self) -> Tenths {
        self.interval.saturating_add(self.slack())
    }

    /// What is not told of for so long is told of no more.
    fn silence(&self) -> Tenths {
        let intervals = self.interval.saturating_mul(MOST_INTERVALS);
        intervals.max(tenths(SILENCE))
    }
}

/// Values that are further apart than this have a gap between them.
fn longest(rule: &Rule, interval: Tenths) -> Tenths {
    let intervals = interval.saturating_mul(MOST_INTERVALS);
    match rule.metric {
        Metric::Ports => intervals.max(tenths(PORTS_COME_AFTER)),
        _ => intervals,
    }
}

/// What becomes of a rule with an observation.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// Nothing.
    Nothing,
    /// An alert would begin.
    Begins {
        limit: f64,
        finding: Finding,
        /// Since when.
        began: Tenths,
    },
    /// It still stands, with another value.
    Stands,
    /// It still stands, and tells of a port that it did not tell of before.
    Widens,
    /// It ends.
    Ends(Reason),
}

/// Why an alert ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is over.
    Over,
    /// It is how it is now.
    Accepted,
    /// Who it was about has ended.
    Gone,
    /// Its value is told of no more.
    Untold,
    /// Its rule has been turned off or changed.
    RuleChanged,
    /// Whose sockets it was about is read no more.
    Unread,
}

impl Watch {
    pub(super) fn new(rule: &Rule) -> Self {
        Self {
            memory: Memory::of(rule),
            known: 0,
            seen: None,
            is_over: false,
            mark: 0,
            began: 0,
            is_clearing: false,
            standing: None,
        }
    }

    /// Since when it has been wrong.
    pub(super) fn began(&self) -> Tenths {
        self.began
    }

    /// When its value was known last.
    pub(super) fn seen(&self) -> Option<Tenths> {
        self.seen
    }

    /// Whether its value has been known lately.
    pub(super) fn is_known(&self, rule: &Rule, now: Tenths, interval: Tenths) -> bool {
        self.seen
            .is_some_and(|seen| now.saturating_sub(seen) <= longest(rule, interval))
    }

    /// Whether it stands, or may with one of the next few samples.
    pub(super) fn is_near(&self, rule: &Rule, interval: Tenths) -> bool {
        if let (Memory::Growth(growth), None) = (&self.memory, &self.standing) {
            return self.is_over || growth.rises();
        }
        let past = self.known.saturating_sub(self.mark);
        let soon = past.saturating_add(interval.saturating_mul(FEW));
        self.standing.is_some() || self.is_over && soon >= tenths(rule.held)
    }

    /// How much longer it has to be over to end, if it is.
    pub(super) fn ends_after(&self, rule: &Rule) -> Option<Tenths> {
        let past = self.known.saturating_sub(self.mark);
        self.is_clearing
            .then(|| tenths(rule.clear_for).saturating_sub(past))
    }

    pub(super) fn look(&mut self, rule: &Rule, subject: &Subject, moment: &Moment) -> Outcome {
        let value = subject.value(rule.metric).filter(|value| value.is_finite());
        let Some(value) = value else {
            return self.miss(moment);
        };
        let since_known = self.seen.map(|seen| moment.now.saturating_sub(seen));
        let is_new =
            self.standing.is_none() && since_known.is_some_and(|since| since > moment.silence());
        if !self.memory.knows(subject, value) {
            if !is_new {
                return self.miss(moment);
            }
            self.memory = Memory::of(rule);
        }
        self.seen = Some(moment.now);
        let step = since_known.filter(|since| *since <= longest(rule, moment.interval));
        let counted = match rule.metric {
            Metric::Ports => step,
            _ => step.map(|step| step.min(moment.most())),
        };
        self.known = self.known.saturating_add(counted.unwrap_or(0));
        if is_new {
            self.is_over = false;
        }
        let time = Time {
            now: moment.now,
            since_known,
            known: self.known,
            interval: moment.interval,
            slack: moment.slack(),
            was_over: self.is_over,
        };
        let judgement = self.memory.judge(rule, subject, value, &time);
        match self.standing.as_deref_mut() {
            None => self.is_quiet(rule, judgement, &time),
            Some(standing) => {
                standing.absent = 0;
                standing.alert.value = value;
                self.stands(rule, subject, judgement, &time)
            }
        }
    }

    /// What becomes of it where its value is not told of.
    fn miss(&mut self, moment: &Moment) -> Outcome {
        let Some(standing) = &mut self.standing else {
            return Outcome::Nothing;
        };
        standing.absent = standing
            .absent
            .saturating_add(moment.step.min(moment.most()));
        if standing.absent >= moment.silence() {
            self.end();
            return Outcome::Ends(Reason::Untold);
        }
        Outcome::Nothing
    }

    fn is_quiet(&mut self, rule: &Rule, judgement: Judgement, time: &Time) -> Outcome {
        let Judgement::Over {
            limit,
            before,
            mut finding,
        } = judgement
        else {
            self.is_over = false;
            return Outcome::Nothing;
        };
        if !self.is_over {
            self.is_over = true;
            self.mark = time.known;
            self.began = time.now.saturating_sub(before);
        }
        // Listeners are held by the port.
        let held = matches!(rule.kind, Kind::Settled { .. })
            || time.is_as_long(time.known.saturating_sub(self.mark), rule.held);
        if held {
            if let Finding::Moved(moved) = &mut finding {
                moved.truncate(MOST_TOLD);
            }
            return Outcome::Begins {
                limit,
                finding,
                began: self.began,
            };
        }
        Outcome::Nothing
    }

    fn stands(
        &mut self,
        rule: &Rule,
        subject: &Subject,
        judgement: Judgement,
        time: &Time,
    ) -> Outcome {
        let is_over = matches!(judgement, Judgement::Over { .. } | Judgement::Accepted);
        if let Some(standing) = &mut self.standing
            && standing.is_over != is_over
        {
            standing.is_over = is_over;
            standing.turned = if is_over {
                time.now
            } else {
                time.now.saturating_sub(time.since_known.unwrap_or(0))
            };
        }
        if let Some(Finding::Moved(told)) = self.standing.as_mut().map(|it| &mut it.finding) {
            moved::count(told, subject.listening.as_deref());
        }
        match judgement {
            Judgement::Over { limit, finding, .. } => {
                self.is_clearing = false;
                let Some(standing) = &mut self.standing else {
                    return Outcome::Stands;
                };
                // What rises does so from where it began, which the window has left behind.
                if finding != Finding::Rising {
                    standing.alert.limit = limit;
                }
                if let Kind::Settled { side, settle, .. } = rule.kind
                    && let (Finding::Moved(told), Finding::Moved(now)) =
                        (&mut standing.finding, &finding)
                {
                    if moved::add(told, now, side, time.now, tenths(settle)) {
                        return Outcome::Widens;
                    }
                } else {
                    standing.finding = finding;
                }
                Outcome::Stands
            }
            Judgement::Between => {
                self.is_clearing = false;
                Outcome::Stands
            }
            Judgement::Under => {
                if !self.is_clearing {
                    self.is_clearing = true;
                    self.mark = time.known;
                }
                if time.is_as_long(time.known.saturating_sub(self.mark), rule.clear_for) {
                    self.end();
                    return Outcome::Ends(Reason::Over);
                }
                Outcome::Stands
            }
            Judgement::Accepted => {
                // What ended with this very value is not what is accepted.
                if let (Kind::Settled { side, .. }, Some(standing)) =
                    (&rule.kind, &mut self.standing)
                    && let Finding::Moved(told) = &mut standing.finding
                {
                    for one in told {
                        one.is_back |= one.is_as_it_was(*side);
                    }
                }
                self.end();
                Outcome::Ends(Reason::Accepted)
            }
        }
    }

    fn end(&mut self) {
        self.is_over = false;
        self.is_clearing = false;
    }
}
