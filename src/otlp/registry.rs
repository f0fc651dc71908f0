//! Registers instruments with the SDK.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use super::instruments::{Group, INSTRUMENTS, Kind, Options};
use super::pipeline::Latest;
use super::values::Values;

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
    let chosen = INSTRUMENTS.iter().filter(|instrument| {
        instrument.group == Group::Five || options.groups.contains(&instrument.group)
    });
    for instrument in chosen {
        let name = instrument.name;
        let values = instrument.values;
        let latest = latest.clone();
        if let Values::Seconds(_) = values {
            let see = move |points: &dyn AsyncInstrument<f64>| {
                let observe = |seconds| points.observe(seconds, &[]);
                latest.see(|sample| values.seconds(sample).into_iter().for_each(observe));
            };
            match instrument.kind {
                Kind::Counter => drop(build!(meter.f64_observable_counter(name), instrument, see)),
                _ => drop(build!(meter.f64_observable_gauge(name), instrument, see)),
            }
            continue;
        }
        let observe = values.observer(options.split_network_type);
        if instrument.kind == Kind::UpDownCounter {
            let see = move |points: &dyn AsyncInstrument<i64>| {
                let point = |value, attributes: &[KeyValue]| {
                    points.observe(i64::try_from(value).unwrap_or(i64::MAX), attributes);
                };
                latest.see(|sample| observe(sample, &point));
            };
            build!(meter.i64_observable_up_down_counter(name), instrument, see);
            continue;
        }
        let see = move |points: &dyn AsyncInstrument<u64>| {
            let point = |value, attributes: &[KeyValue]| points.observe(value, attributes);
            latest.see(|sample| observe(sample, &point));
        };
        match instrument.kind {
            Kind::Counter => drop(build!(meter.u64_observable_counter(name), instrument, see)),
            _ => drop(build!(meter.u64_observable_gauge(name), instrument, see)),
        }
    }
}
