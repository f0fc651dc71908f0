//! The form that `tcpgauge snapshot --format json` documents.

use std::net::IpAddr;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};

use super::{Five, Sample, format_time};
use crate::pods::{Owner, PodReading};
use crate::ports::{Destination, Ports, Usage};
use crate::source::details::Listeners;
use crate::source::{Counted, Reading};

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut readings: Vec<OneOf<'_>> = self.readings.iter().map(OneOf::Reading).collect();
        let pods = self.pods.iter().flat_map(|pods| &pods.readings);
        readings.extend(pods.map(OneOf::Pod));
        let mut object = serializer.serialize_struct("Sample", 4)?;
        object.serialize_field("time", &format_time(self.time))?;
        object.serialize_field("faults", &self.faults)?;
        object.serialize_field("readings", &readings)?;
        match &self.ports {
            Some(ports) => object.serialize_field("ports", ports)?,
            None => object.skip_field("ports")?,
        }
        object.end()
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            address: IpAddr,
            port: u16,
            local_address: IpAddr,
            ports: u64,
            utilization: f64,
        }
        let shown = |destination: &Destination| Shown {
            address: destination.to.ip(),
            port: destination.to.port(),
            local_address: destination.from,
            ports: destination.ports,
            utilization: self.share(destination.ports),
        };
        let destinations = self.destinations();
        let destinations = destinations.map(|all| all.iter().map(shown).collect::<Vec<_>>());
        let uncertainty = match self.usage {
            Usage::Counted { uncertainty, .. } => Some(uncertainty),
            Usage::Unclear => None,
        };
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("first", self.range.all().start())?;
        object.serialize_entry("last", self.range.all().end())?;
        object.serialize_entry("available", &self.range.size())?;
        object.serialize_entry("range_from", self.range.origin().name())?;
        object.serialize_entry("destinations", &destinations)?;
        object.serialize_entry("uncertainty", &uncertainty)?;
        object.end()
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum OneOf<'a> {
    Reading(&'a Reading),
    Pod(&'a PodReading),
}

impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("scope", &self.scope)?;
        object.serialize_entry("source", &self.source)?;
        object.serialize_entry("source_reason", &self.why.as_deref())?;
        counted::<S>(&mut object, &self.counted)?;
        object.serialize_entry("listeners", &self.details.listeners)?;
        object.end()
    }
}

impl Serialize for PodReading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("scope", "pods")?;
        object.serialize_entry("owner", &self.owner)?;
        object.serialize_entry("gate", self.gate.name())?;
        object.serialize_entry("age_seconds", &self.age.as_secs_f64())?;
        counted::<S>(&mut object, &self.counted)?;
        let listeners = self.details.as_ref().map(|found| found.listeners);
        object.serialize_entry("listeners", &listeners)?;
        object.end()
    }
}

impl Serialize for Listeners {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Listeners", 2)?;
        object.serialize_field("longest_accept_queue", &self.longest)?;
        object.serialize_field("full", &self.full)?;
        object.end()
    }
}

impl Serialize for Owner {
    /// An object of its attributes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attributes = self.attributes();
        serializer.collect_map(attributes.iter().map(|(key, value)| (*key, &**value)))
    }
}

fn counted<S: Serializer>(object: &mut S::SerializeMap, counted: &Counted) -> Result<(), S::Error> {
    object.serialize_entry("complete", &counted.is_complete())?;
    for five in Five::ALL {
        object.serialize_entry(five.name(), &five.of(counted))?;
    }
    object.serialize_entry("states", &counted.sockets)?;
    object.serialize_entry("unrecognised", &counted.unrecognised)?;
    object.serialize_entry("malformed", &counted.malformed)
}
