//! From a [`Sample`](crate::sample::Sample) to one OTLP request: the SDK's instruments, driven by our tick.

mod alert_instruments;
pub mod catalogue;
mod culprit_instruments;
mod culprit_values;
mod exporter;
mod host_instruments;
mod host_values;
mod instrument;
pub mod instruments;
mod listener_instruments;
pub mod logs;
pub mod pipeline;
#[cfg(test)]
mod pods_tests;
#[cfg(test)]
mod ports_tests;
mod registry;
pub mod resource;
pub mod traces;
mod values;
