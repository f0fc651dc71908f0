//! What one observation gives to tell: the words of what stands, and the events of what begins and ends.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::judge::{Finding, Tenths};
use super::watch::{Moment, Reason, Standing, Watch};
use super::words::{Now, Phase};
use super::{Alert, Event, Rule, Subject, Transition, suspects, words};
use crate::sample::Sample;

/// A clock that goes so much otherwise than time did has been set.
const SET: Duration = Duration::from_secs(1);

/// What is done with one observation.
pub(super) struct Tick<'a> {
    pub(super) time: SystemTime,
    pub(super) moment: Moment,
    pub(super) sample: Option<&'a Sample>,
    /// So many more alerts of pods can stand.
    pub(super) room: usize,
    pub(super) events: Vec<Event>,
}

impl Tick<'_> {
    /// The time at which the engine's clock showed `then`.
    pub(super) fn ago(&self, then: Tenths) -> SystemTime {
        self.moment.ago(self.time, then)
    }

    /// Says anew what stands, and who it is.
    pub(super) fn tell(&self, rule: &Rule, watch: &mut Watch, subject: &Subject) {
        let Some(mut standing) = watch.standing.take() else {
            return;
        };
        let now = self.now(rule, watch, &standing);
        let Standing { alert, finding, .. } = &mut *standing;
        let found = suspects::find(rule, finding, subject, self.sample);
        let now = Now {
            are_culprits_new: found.is_some(),
            ..now
        };
        if let Some(culprits) = found {
            alert.culprits = culprits;
        }
        self.move_with_clock(alert, watch);
        if matches!(now.phase, Phase::Over(_)) {
            let behind = words::behind(alert, finding);
            if !behind.is_empty() && *behind != *standing.behind {
                standing.behind = behind.into();
            }
        }
        let body = words::standing(rule, &standing.alert, &standing.finding, &now);
        if *standing.alert.body != *body {
            standing.alert.body = Arc::from(body);
        }
        watch.standing = Some(standing);
    }

    /// Says anew what stands if its value is not known now.
    pub(super) fn tell_of_before(&self, rule: &Rule, watch: &mut Watch) {
        let Some(mut standing) = watch.standing.take() else {
            return;
        };
        let now = self.now(rule, watch, &standing);
        self.move_with_clock(&mut standing.alert, watch);
        if now.known.is_some() {
            let body = words::standing(rule, &standing.alert, &standing.finding, &now);
            if *standing.alert.body != *body {
                standing.alert.body = Arc::from(body);
            }
        }
        watch.standing = Some(standing);
    }

    /// Where the clock was set, it has been so since when it has, by the clock as it is now.
    fn move_with_clock(&self, alert: &mut Alert, watch: &Watch) {
        let since = self.ago(watch.began());
        let by = since.duration_since(alert.since);
        if by.unwrap_or_else(|error| error.duration()) >= SET {
            alert.since = since;
        }
    }

    /// That it has begun.
    pub(super) fn fire(&mut self, watch: &Watch) {
        self.events
            .extend(watch.standing.iter().map(|standing| Event {
                time: self.time,
                transition: Transition::Fired,
                alert: standing.alert.clone(),
            }));
    }

    /// That it has begun for another port, of which the event is: the alert is the same.
    pub(super) fn fire_again(&mut self, watch: &Watch) {
        self.fire(watch);
        let finding = watch.standing.as_deref().map(|standing| &standing.finding);
        if let Some(event) = self.events.last_mut()
            && let Some(Finding::Moved(told)) = finding
            && let Some(newest) = told.first()
        {
            event.alert.since = self.moment.ago(self.time, newest.since);
        }
    }

    /// Ends what stands.
    pub(super) fn end(&mut self, rule: &Rule, watch: &mut Watch, reason: Reason) {
        let Some(standing) = watch.standing.take() else {
            return;
        };
        let now = self.now(rule, watch, &standing);
        let stood = duration(self.moment.now.saturating_sub(watch.began()));
        let Standing {
            mut alert,
            finding,
            behind,
            ..
        } = *standing;
        let body = words::ended(Some(rule), &alert, &finding, reason, stood, &behind, &now);
        alert.body = Arc::from(body);
        self.events.push(Event {
            time: self.time,
            transition: Transition::Resolved,
            alert,
        });
    }

    /// Ends what stood before the agent was started, and what nobody looks after any more.
    pub(super) fn close(&mut self, mut alert: Alert, finding: &Finding, reason: Reason) {
        let stood = self.time.duration_since(alert.since).unwrap_or_default();
        let now = Now {
            time: self.time,
            moment: self.moment,
            began: 0,
            known: Some(self.time),
            phase: Phase::Over(None),
            are_culprits_new: false,
        };
        let body = words::ended(None, &alert, finding, reason, stood, "", &now);
        alert.body = Arc::from(body);
        self.events.push(Event {
            time: self.time,
            transition: Transition::Resolved,
            alert,
        });
    }

    fn now(&self, rule: &Rule, watch: &Watch, standing: &Standing) -> Now {
        let seen = watch.seen().filter(|seen| *seen != self.moment.now);
        let until = watch
            .ends_after(rule)
            .and_then(|left| self.time.checked_add(duration(left)));
        Now {
            time: self.time,
            moment: self.moment,
            began: watch.began(),
            known: seen.map(|seen| self.ago(seen)),
            phase: if standing.is_over {
                let again = Some(standing.turned).filter(|turned| *turned > watch.began());
                Phase::Over(again.map(|again| self.ago(again)))
            } else {
                Phase::Within(self.ago(standing.turned), until)
            },
            are_culprits_new: true,
        }
    }
}

pub(super) fn duration(tenths: Tenths) -> Duration {
    Duration::from_millis(u64::from(tenths) * 100)
}
