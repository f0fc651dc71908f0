//! The OpenTelemetry Collector, with as many receivers as a test wants, each writing to a file of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::child::{Served, wait_for};
use crate::otlp_server::Port;
use crate::tools::tool;

/// A Collector in the making, and then its directory.
pub(crate) struct Setup {
    program: PathBuf,
    directory: TempDir,
    receivers: Map<String, Value>,
    processors: Map<String, Value>,
    exporters: Map<String, Value>,
    pipelines: Map<String, Value>,
    extensions: Map<String, Value>,
    ports: Vec<Port>,
}

impl Setup {
    /// Nothing if there is no Collector here.
    pub(crate) fn new(test: &str) -> Option<Self> {
        Some(Self {
            program: tool("otelcol", test)?,
            directory: tempfile::tempdir().unwrap(),
            receivers: Map::new(),
            processors: Map::new(),
            exporters: Map::new(),
            pipelines: Map::new(),
            extensions: Map::new(),
            ports: Vec::new(),
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A receiver for metrics of `protocol` (grpc or http), with these settings: the address to reach it at.
    pub(crate) fn metrics(&mut self, name: &str, protocol: &str, settings: Value) -> String {
        self.pipeline("metrics", name);
        self.receiver(name, protocol, settings)
    }

    /// A receiver that takes traces alone.
    pub(crate) fn traces(&mut self, name: &str, protocol: &str) -> String {
        self.pipeline("traces", name);
        self.receiver(name, protocol, json!({}))
    }

    /// A receiver that takes logs alone.
    pub(crate) fn logs(&mut self, name: &str, protocol: &str) -> String {
        self.pipeline("logs", name);
        self.receiver(name, protocol, json!({}))
    }

    /// Has what a receiver for metrics takes go through this processor.
    pub(crate) fn process(&mut self, name: &str, processor: &str, settings: Value) {
        self.processors.insert(processor.to_owned(), settings);
        self.pipelines[&format!("metrics/{name}")]["processors"] = json!([processor]);
    }

    fn pipeline(&mut self, signal: &str, name: &str) {
        self.exporters.insert(
            format!("file/{name}"),
            json!({"path": self.written(name), "flush_interval": "100ms", "append": true}),
        );
        self.pipelines.insert(
            format!("{signal}/{name}"),
            json!({"receivers": [format!("otlp/{name}")], "exporters": [format!("file/{name}")]}),
        );
    }

    fn receiver(&mut self, name: &str, protocol: &str, mut settings: Value) -> String {
        let port = Port::reserve();
        let address = port.address().to_string();
        if settings["endpoint"].is_null() {
            settings["endpoint"] = json!(address);
        }
        self.receivers.insert(
            format!("otlp/{name}"),
            json!({"protocols": {protocol: settings}}),
        );
        self.ports.push(port);
        address
    }

    /// What wants this token of whoever sends, as a setting of a receiver.
    pub(crate) fn bearer(&mut self, token: &str) -> Value {
        let name = format!("bearertokenauth/{}", self.extensions.len());
        self.extensions
            .insert(name.clone(), json!({"scheme": "Bearer", "token": token}));
        json!({"authenticator": name})
    }

    /// Starts it, or starts it again: what was written stays.
    pub(crate) fn start(&self) -> Served {
        let config = self.directory().join("collector.json");
        let extensions: Vec<&String> = self.extensions.keys().collect();
        // The Collector reads YAML, of which JSON is a part.
        let text = json!({
            "receivers": self.receivers,
            "processors": self.processors,
            "exporters": self.exporters,
            "extensions": self.extensions,
            "service": {
                "extensions": extensions,
                "pipelines": self.pipelines,
                "telemetry": {"metrics": {"level": "none"}},
            },
        });
        std::fs::write(&config, text.to_string()).unwrap();
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(config);
        Served::start(command, &self.directory().join("log"), |log| {
            log.contains("Everything is ready")
        })
    }

    fn written(&self, name: &str) -> PathBuf {
        self.directory().join(format!("{name}.jsonl"))
    }

    /// What a receiver has taken, sample by sample, in the order in which it came.
    pub(crate) fn samples(&self, name: &str) -> Vec<Value> {
        self.resources(name, "resourceMetrics")
    }

    /// What a receiver of logs has taken, record by record, in the order in which they came.
    pub(crate) fn records(&self, name: &str) -> Vec<Value> {
        let resources = self.resources(name, "resourceLogs");
        let scopes = resources
            .iter()
            .flat_map(|one| one["scopeLogs"].as_array().unwrap());
        scopes
            .flat_map(|scope| scope["logRecords"].as_array().cloned().unwrap())
            .collect()
    }

    /// What a receiver of traces has taken.
    pub(crate) fn spans(&self, name: &str) -> Vec<Value> {
        let resources = self.resources(name, "resourceSpans");
        let scopes = resources
            .iter()
            .flat_map(|one| one["scopeSpans"].as_array().unwrap());
        scopes
            .flat_map(|scope| scope["spans"].as_array().cloned().unwrap())
            .collect()
    }

    fn resources(&self, name: &str, of: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.written(name)).unwrap_or_default();
        text.split_inclusive('\n')
            // The last line may be one that is being written.
            .filter(|line| line.ends_with('\n'))
            .flat_map(|line| {
                let request: Value = serde_json::from_str(line).unwrap();
                request[of].as_array().cloned().unwrap()
            })
            .collect()
    }

    /// The times of those samples.
    pub(crate) fn times(&self, name: &str) -> Vec<Duration> {
        self.samples(name).iter().map(time).collect()
    }

    /// Waits until the samples that a receiver has taken are as asked.
    pub(crate) fn wait(
        &self,
        name: &str,
        log: impl Fn() -> String,
        is_so: impl Fn(&[Duration]) -> bool,
    ) {
        wait_for(
            || format!("samples at {name}: {:?}\n{}", self.times(name), log()),
            || is_so(&self.times(name)).then_some(()),
        );
    }
}

pub(crate) fn metric<'a>(sample: &'a Value, name: &str) -> &'a Value {
    let metrics = sample["scopeMetrics"].as_array().unwrap().iter();
    let mut metrics = metrics.flat_map(|scope| scope["metrics"].as_array().unwrap());
    metrics.find(|metric| metric["name"] == name).unwrap()
}

pub(crate) fn gauge(sample: &Value, name: &str) -> i64 {
    let points = metric(sample, name)["gauge"]["dataPoints"]
        .as_array()
        .unwrap();
    assert_eq!(points.len(), 1, "{name}");
    points[0]["asInt"].as_str().unwrap().parse().unwrap()
}

fn time(sample: &Value) -> Duration {
    let point = &metric(sample, "tcp_connections")["gauge"]["dataPoints"][0];
    Duration::from_nanos(point["timeUnixNano"].as_str().unwrap().parse().unwrap())
}
