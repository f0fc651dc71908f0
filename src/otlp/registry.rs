//! Registers instruments with the SDK.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use opentelemetry_sdk::metrics::{self, Stream};

use super::instruments::{self, Group, Instrument, Kind, Options};
use super::pipeline::Latest;
use super::values::Observer;

/// Registers what `options` choose; each instrument tells of the latest sample, or nothing.
pub(super) fn register(meter: &Meter, options: &Options, latest: &Latest) {
    // Each kind of instrument has a builder of its own type, and they share no trait.
    macro_rules! build {
        ($builder:expr, $instrument:expr, $see:expr) => {
            $builder
                .with_unit($instrument.unit)
                .with_description($instrument.description)
                .with_callback($see)
                .build()
        };
    }
    for instrument in chosen(options) {
        let name = instrument.name;
        let latest = latest.clone();
        let observe = match instrument.values.observer(options) {
            Observer::Seconds(observe) => {
                let see = move |points: &dyn AsyncInstrument<f64>| {
                    let point = |value, attributes: &[KeyValue]| points.observe(value, attributes);
                    latest.see(|sample| observe(sample, &point));
                };
                match instrument.kind {
                    Kind::Counter => {
                        build!(meter.f64_observable_counter(name), instrument, see);
                    }
                    _ => drop(build!(meter.f64_observable_gauge(name), instrument, see)),
                }
                continue;
            }
            Observer::Whole(observe) => observe,
        };
        if instrument.kind == Kind::UpDownCounter {
            let see = move |points: &dyn AsyncInstrument<i64>| {
                let point = |value: u64, attributes: &[KeyValue]| {
                    if let Ok(value) = value.try_into() {
                        points.observe(value, attributes);
                    }
                };
                latest.see(|sample| observe(sample, &point));
            };
            build!(meter.i64_observable_up_down_counter(name), instrument, see);
            continue;
        }
        let see = move |points: &dyn AsyncInstrument<u64>| {
            // OTLP has no larger numbers, and of one the SDK would make a zero.
            let point = |value, attributes: &[KeyValue]| {
                if i64::try_from(value).is_ok() {
                    points.observe(value, attributes);
                }
            };
            latest.see(|sample| observe(sample, &point));
        };
        match instrument.kind {
            Kind::Counter => drop(build!(meter.u64_observable_counter(name), instrument, see)),
            _ => drop(build!(meter.u64_observable_gauge(name), instrument, see)),
        }
    }
}

/// Those of `options`.
fn chosen(options: &Options) -> impl Iterator<Item = &'static Instrument> {
    instruments::all().filter(|instrument| {
        instrument.group == Group::Five || options.groups.contains(&instrument.group)
    })
}

/// A view that has the SDK keep as many series of each as there can be: of more it would sum up some under a name of its own.
pub(super) fn limits(options: &Options) -> impl Fn(&metrics::Instrument) -> Option<Stream> + use<> {
    let limits: HashMap<_, _> = instruments::all()
        .map(|instrument| (instrument.name, instrument.most_series(options)))
        .collect();
    move |instrument| {
        let limit = limits.get(instrument.name())?;
        let stream = Stream::builder().with_cardinality_limit(*limit);
        stream.build().ok()
    }
}
