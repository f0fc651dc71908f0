//! Holds rules against observations, and tells what begins and ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::judge::{Finding, Tenths, tenths};
use super::subjects::{Key, State};
use super::telling::Tick;
use super::watch::{Moment, Outcome, Reason, Standing};
use super::{Alert, Event, Metric, Observation, Rule, Rules, Setup, Subject};
use crate::culprits::Whose;
use crate::sample::{self, Sample};

/// So many events are remembered.
pub const MOST_RECENT: usize = 64;

/// No more alerts of pods stand at a time; how many more there would be is told. Of what is read alone each rule has its own, so that pods
/// never keep the host's from being told of.
pub const MOST_OF_PODS: usize = 256;

/// No more owners are remembered.
pub(super) const MOST_SUBJECTS: usize = 8192;

/// All that is known of what has been observed.
#[derive(Debug)]
pub struct Engine {
    /// Those that look at what is read alone.
    pub(super) of_host: Vec<Arc<Rule>>,
    /// Those that look at pods.
    pub(super) of_pods: Vec<Arc<Rule>>,
    pub(super) setup: Setup,
    pub(super) subjects: BTreeMap<Key, State>,
    /// The sum of all steps.
    pub(super) elapsed: Duration,
    /// When the last observation was.
    pub(super) time: Option<SystemTime>,
    observations: u64,
    /// Alerts that stood when the agent ended, and that nobody looks after any more.
    pub(super) closing: Vec<(Alert, Finding, Reason)>,
    pub(super) recent: VecDeque<Event>,
    suppressed: u64,
}

impl Engine {
    /// One that has observed nothing yet.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "who has an engine has no use for what rules were made of"
    )]
    pub fn new(rules: Rules, setup: Setup) -> Self {
        let rules: Vec<_> = rules
            .iter()
            .filter(|rule| rule.enabled)
            .map(|rule| with_address(rule, &setup.runbooks))
            .collect();
        let of = |wanted: &dyn Fn(&Rule) -> bool| {
            let chosen = rules.iter().filter(|rule| wanted(rule));
            chosen.cloned().collect::<Vec<_>>()
        };
        Self {
            of_host: of(&|rule| rule.scope.host),
            of_pods: of(&|rule| rule.scope.pods),
            setup,
            subjects: BTreeMap::new(),
            elapsed: Duration::ZERO,
            time: None,
            observations: 0,
            closing: Vec::new(),
            recent: VecDeque::new(),
            suppressed: 0,
        }
    }

    /// What begins and ends with this observation. The sample that it was made of names culprits.
    pub fn take(&mut self, observation: &Observation, sample: Option<&Sample>) -> Vec<Event> {
        let before = self.now();
        self.elapsed = self.elapsed.saturating_add(observation.step);
        self.time = Some(observation.time);
        self.observations += 1;
        self.suppressed = 0;
        let moment = Moment {
            now: self.now(),
            step: self.now().saturating_sub(before),
            interval: self.interval(),
        };
        let mut tick = Tick {
            time: observation.time,
            moment,
            sample,
            room: MOST_OF_PODS.saturating_sub(self.standing_of_pods()),
            events: Vec::new(),
        };
        for (alert, finding, reason) in std::mem::take(&mut self.closing) {
            tick.close(alert, &finding, reason);
        }
        let mut subjects: Vec<_> = observation
            .subjects
            .iter()
            .filter(|subject| self.setup.reads.includes(&subject.whose))
            .map(|subject| (Key::of(&subject.whose), subject))
            .collect();
        subjects.sort_by(|(one, _), (other, _)| one.cmp(other));
        subjects.dedup_by(|(one, _), (other, _)| one == other);
        for (key, subject) in subjects {
            self.look(key, subject, &mut tick);
        }
        for whose in &observation.unread {
            if let Some(state) = self.subjects.get_mut(&Key::of(whose)) {
                state.seen = self.observations;
            }
        }
        if observation.pods_read {
            self.forget_who_ended(&mut tick);
        }
        self.tell_what_is_not_known(&tick);
        let events = tick.events;
        for event in &events {
            if self.recent.len() >= MOST_RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(event.clone());
        }
        events
    }

    fn look(&mut self, key: Key, subject: &Subject, tick: &mut Tick<'_>) {
        let rules = if key == Key::Alone {
            &self.of_host
        } else {
            &self.of_pods
        };
        if !self.subjects.contains_key(&key) && self.subjects.len() >= MOST_SUBJECTS {
            return;
        }
        let state = self
            .subjects
            .entry(key)
            .or_insert_with(|| State::new(subject.whose.clone(), rules));
        state.seen = self.observations;
        if state.whose != subject.whose {
            state.whose = subject.whose.clone();
        }
        let is_pod = matches!(state.whose, Whose::Of(_));
        let unjudged = Subject::unknown(state.whose.clone());
        for (rule, watch) in rules.iter().zip(&mut state.watches) {
            let seen = if rule.judges(&state.whose) {
                subject
            } else {
                &unjudged
            };
            match watch.look(rule, seen, &tick.moment) {
                Outcome::Nothing => {}
                Outcome::Begins { .. } if is_pod && tick.room == 0 => self.suppressed += 1,
                Outcome::Begins {
                    limit,
                    finding,
                    began,
                } => {
                    tick.room -= usize::from(is_pod);
                    let since = tick.ago(began);
                    let alert = Alert {
                        id: id(&self.setup.instance, rule, &state.whose, since),
                        rule: Arc::clone(&rule.name),
                        severity: rule.severity,
                        whose: state.whose.clone(),
                        metric: rule.metric,
                        value: subject.value(rule.metric).unwrap_or_default(),
                        limit,
                        since,
                        culprits: Vec::new(),
                        body: Arc::from(""),
                        runbook: Arc::clone(&rule.runbook),
                        steps: Arc::clone(&rule.steps),
                    };
                    watch.standing = Some(Box::new(Standing {
                        alert,
                        finding,
                        absent: 0,
                        is_over: true,
                        turned: began,
                        behind: Box::from(""),
                    }));
                    tick.tell(rule, watch, subject);
                    tick.fire(watch);
                }
                how @ (Outcome::Stands | Outcome::Widens) => {
                    if let Some(standing) = watch.standing.as_deref_mut() {
                        standing.alert.whose.clone_from(&state.whose);
                    }
                    tick.tell(rule, watch, subject);
                    if how == Outcome::Widens {
                        tick.fire_again(watch);
                    }
                }
                Outcome::Ends(reason) => {
                    tick.room += usize::from(is_pod);
                    tick.end(rule, watch, reason);
                }
            }
        }
    }

    /// Ends the alerts of pods that are no more, and forgets them.
    fn forget_who_ended(&mut self, tick: &mut Tick<'_>) {
        let (observations, rules) = (self.observations, &self.of_pods);
        self.subjects.retain(|key, state| {
            if *key == Key::Alone || state.seen == observations {
                return true;
            }
            for (rule, watch) in rules.iter().zip(&mut state.watches) {
                tick.end(rule, watch, Reason::Gone);
            }
            false
        });
    }

    /// Says of alerts whose value this observation does not tell when it was known.
    fn tell_what_is_not_known(&mut self, tick: &Tick<'_>) {
        for (key, state) in &mut self.subjects {
            let rules = match key {
                Key::Alone => &self.of_host,
                _ => &self.of_pods,
            };
            for (rule, watch) in rules.iter().zip(&mut state.watches) {
                tick.tell_of_before(rule, watch);
            }
        }
    }

    pub(super) fn now(&self) -> Tenths {
        tenths(self.elapsed)
    }

    fn interval(&self) -> Tenths {
        tenths(self.setup.interval).max(1)
    }

    /// What stands.
    pub fn active(&self) -> impl Iterator<Item = &Alert> {
        let watches = self.subjects.values().flat_map(|state| &state.watches);
        watches.filter_map(|watch| watch.standing.as_deref().map(|standing| &standing.alert))
    }

    fn standing_of_pods(&self) -> usize {
        let of_pods = |alert: &&Alert| matches!(alert.whose, Whose::Of(_));
        self.active().filter(of_pods).count()
    }

    /// How many more there would be if there were room for them.
    #[must_use]
    pub const fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// Whether somebody will soon want to know who holds sockets in `CLOSE_WAIT`: an alert of them stands, or is near.
    #[must_use]
    pub fn asks_who(&self) -> bool {
        let interval = tenths(self.setup.interval);
        self.subjects.iter().any(|(key, state)| {
            let rules = match key {
                Key::Alone => &self.of_host,
                _ => &self.of_pods,
            };
            let mut watches = state.watches.iter().zip(rules);
            watches.any(|(watch, rule)| {
                rule.metric == Metric::CloseWait && watch.is_near(rule, interval)
            })
        })
    }

    /// What began and ended, newest last.
    pub fn recent(&self) -> impl Iterator<Item = &Event> {
        self.recent.iter()
    }

    /// Which rules stand, for a gauge: of what is read alone those too that do not, as far as their value is known; of pods what stands.
    #[must_use]
    pub fn standing(&self) -> Vec<sample::Standing> {
        let alone = self.setup.reads.alone.into_iter().flat_map(|scope| {
            let watches = self.subjects.get(&Key::Alone).map(|state| &state.watches);
            let watch = move |place: usize| watches.and_then(|watches| watches.get(place));
            let rules = self.of_host.iter().enumerate();
            rules.filter_map(move |(place, rule)| {
                let watch = watch(place)?;
                let stands = watch.standing.is_some();
                let is_known = watch.is_known(rule, self.now(), self.interval());
                (stands || is_known).then(|| sample::Standing {
                    rule: Arc::clone(&rule.name),
                    severity: rule.severity.name(),
                    whose: Whose::Alone(scope),
                    stands,
                })
            })
        });
        let of_pods = self
            .active()
            .filter(|alert| matches!(alert.whose, Whose::Of(_)));
        alone
            .chain(of_pods.map(|alert| sample::Standing {
                rule: Arc::clone(&alert.rule),
                severity: alert.severity.name(),
                whose: alert.whose.clone(),
                stands: true,
            }))
            .collect()
    }
}

fn with_address(rule: &Arc<Rule>, runbooks: &str) -> Arc<Rule> {
    if runbooks.is_empty() || rule.runbook.is_empty() || rule.runbook.contains("://") {
        return Arc::clone(rule);
    }
    Arc::new(Rule {
        runbook: Arc::from(format!("{runbooks}{}", rule.runbook)),
        ..Rule::clone(rule)
    })
}

fn id(instance: &str, rule: &Rule, whose: &Whose, since: SystemTime) -> Arc<str> {
    let key = Key::of(whose);
    let name = format!(
        "{instance}\n{}\n{key:?}\n{}",
        rule.name,
        sample::format_time(since)
    );
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
        .to_string()
        .into()
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
