//! The agent's settings in the chart: all of them can be set, as the agent means them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;

use serde_json::json;
use tcpgauge::config::settings::{Setting, UsedBy, all};
use tcpgauge::config::{Config, Environment, Flags};
use tcpgauge::otlp::instruments::{self, Attribute, Group, Instrument};

use crate::chart::{HELMS, directory, examples, hold, read, render};
use crate::tools::tool;

/// What values of the chart's own stand for, or what it decides.
const OF_THE_CHART: [&str; 22] = [
    "scope",
    "proc_root",
    "container_logs_dir",
    "endpoint",
    "protocol",
    "headers",
    "header_files",
    "certificate",
    "client_certificate",
    "client_key",
    "compression",
    "spool_dir",
    "state_dir",
    "alerts",
    "runbooks",
    "http_page",
    "logs_exporter",
    // Through extraEnv, for those of metrics do as a rule.
    "traces_headers",
    "logs_headers",
    "host_name",
    "resource_attributes",
    "health_listen",
];

/// The part of the schema that is about `config`, from the table of settings.
#[test]
fn the_schema_knows_every_setting_of_the_agent() {
    let path = directory().join("values.schema.json");
    let text = read(&path);
    let (before, rest) = text.split_once("    \"config\": {").unwrap();
    let (_, after) = rest.split_once("\n    },\n").unwrap();
    let mut part = String::from(
        "      \"description\": \"Made from the agent's settings by `UPDATE_DOCS=1 cargo test --test helm`.\",\n      \
         \"type\": \"object\",\n      \"additionalProperties\": false,\n      \"properties\": {\n",
    );
    let properties: Vec<_> = all()
        .filter(|setting| !OF_THE_CHART.contains(&setting.key))
        .map(|setting| format!("        {}: {}", json!(setting.key), schema(setting)))
        .collect();
    let _ = write!(part, "{}\n      }}", properties.join(",\n"));
    let made = format!("{before}    \"config\": {{\n{part}\n    }},\n{after}");
    hold(&path, &made, "UPDATE_DOCS");
}

fn schema(setting: &Setting) -> String {
    let choices: Vec<_> = setting.bounds.split(", ").collect();
    let closed = choices
        .iter()
        .all(|choice| choice.starts_with('`') && choice.ends_with('`'));
    let kind = match setting.value {
        "BOOL" => r#""type": "boolean""#.to_owned(),
        "NUMBER" => r#""type": "integer""#.to_owned(),
        _ if closed && !setting.is_list() => {
            let names: Vec<_> = choices.iter().map(|name| name.trim_matches('`')).collect();
            format!(r#""enum": {}"#, json!(names))
        }
        _ => r#""type": "string""#.to_owned(),
    };
    format!("{{{kind}, \"description\": {}}}", json!(setting.help))
}

/// The templates have to know them: to add to one, and to tell of all.
#[test]
fn the_defaults_that_templates_repeat_are_the_agents() {
    let templates = read(&directory().join("templates/_settings.tpl"));
    let (_, rest) = templates
        .split_once("define \"tcpgauge.defaults\" -}}\n")
        .unwrap();
    let (lines, _) = rest.split_once("{{- end }}").unwrap();
    for line in lines.lines() {
        let (key, default) = line.split_once(": ").unwrap();
        let setting = all().find(|setting| setting.key == key).unwrap();
        assert_eq!(default, setting.default, "the default of {key}");
    }
}

/// Of the host each has a series.
const DEFAULT_RULES: usize = 12;

/// NOTES.txt tells how many series there will be, for some backends bill them.
#[test]
fn the_numbers_of_series_are_the_agents() {
    let templates = read(&directory().join("templates/_notes.tpl"));
    let (_, rest) = templates
        .split_once("define \"tcpgauge.seriesOf\" -}}\n")
        .unwrap();
    let (told, _) = rest.split_once("{{- end }}").unwrap();
    let mut counted = String::new();
    for group in Group::ALL.iter().filter(|group| group.default() != "off") {
        let of_group = instruments::all().filter(|instrument| instrument.group == *group);
        let (mut alone, mut of_pod) = (0, 0);
        for instrument in of_group {
            // Of pods there are only those that stand.
            if instrument.name == "tcpgauge.alert.active" {
                alone += DEFAULT_RULES;
                continue;
            }
            // reading_age is of pods alone.
            let is_age = instrument.name == "tcpgauge.pods.reading_age";
            alone += if is_age { 0 } else { series(instrument) };
            of_pod += usize::from(instrument.of_pods == Some("--scope pods"));
        }
        let _ = writeln!(counted, "{}: [{alone}, {of_pod}]", group.name());
    }
    assert_eq!(told, counted, "templates/_notes.tpl");
}

/// As many as there are combinations of its attributes' values. What a setting has to ask for does not count.
fn series(instrument: &Instrument) -> usize {
    let values = |attribute: &Attribute| match attribute.only_with {
        None => attribute.values.matches('`').count() / 2,
        Some(_) if attribute.key == "network.type" => 1,
        Some(_) => 0,
    };
    instrument.attributes.iter().map(values).product()
}

/// The file of a `DaemonSet`, and the flags and variables of a sidecar.
#[test]
fn the_agent_takes_what_is_rendered() {
    let test = "the_agent_takes_what_is_rendered";
    let Some(helm) = HELMS.iter().find_map(|name| tool(name, test)) else {
        return;
    };
    let directory_of_files = tempfile::tempdir().unwrap();
    let mut taken = 0;
    for (example, values) in examples() {
        let rendered = render(&helm, &directory(), Some(&values));
        let Some(toml) = block(&rendered, "tcpgauge.toml: |") else {
            continue;
        };
        let file = directory_of_files.path().join(&example);
        fs::write(&file, toml).unwrap();
        let flags = Flags {
            file: Some(file),
            ..Flags::default()
        };
        load(&example, flags, environment(&rendered));
        taken += 1;
    }
    let sidecar = read(&crate::chart::project().join("deploy/kubernetes/sidecar.yaml"));
    for (example, text) in [
        ("sidecar.yaml", sidecar),
        ("sidecar-native", notes("sidecar-native")),
        ("sidecar-collector", notes("sidecar-collector")),
    ] {
        let flags = Flags {
            settings: flags(&text),
            file: None,
        };
        assert!(!flags.settings.is_empty(), "{example}");
        load(example, flags, environment(&text));
        taken += 1;
    }
    assert!(taken >= 10, "{taken}");
}

fn notes(example: &str) -> String {
    let file = format!("tests/helm/rendered/{example}.txt");
    read(&crate::chart::project().join(file))
}

fn load(example: &str, flags: Flags, environment: Environment) {
    if let Err(faults) = Config::load(flags, environment, UsedBy::Senders) {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        panic!("{example}: {}", faults.join("; "));
    }
}

/// The lines of a block of text in YAML.
fn block(yaml: &str, key: &str) -> Option<String> {
    let mut lines = yaml.lines().skip_while(|line| line.trim() != key);
    let indent = lines.next()?.find(key)? + 2;
    let block = lines.take_while(|line| line.starts_with(&" ".repeat(indent)));
    Some(block.flat_map(|line| [&line[indent..], "\n"]).collect())
}

fn flags(yaml: &str) -> BTreeMap<&'static str, String> {
    yaml.lines()
        .filter_map(|line| line.trim().strip_prefix("- \"--"))
        .map(|rest| {
            let text: String = serde_json::from_str(&format!("\"{rest}")).unwrap();
            let (flag, value) = text.split_once('=').unwrap();
            let setting = all()
                .find(|setting| setting.flag == Some(flag))
                .unwrap_or_else(|| panic!("there is no --{flag}"));
            (setting.key, value.to_owned())
        })
        .collect()
}

/// Variables that the agent would read, with what the kubelet would put in.
fn environment(yaml: &str) -> Environment {
    let lines: Vec<_> = yaml.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter_map(|pair| {
            let name = pair[0].strip_prefix("- name: OTEL_")?;
            let value: String = serde_json::from_str(pair[1].strip_prefix("value: ")?).ok()?;
            let value = value.replace("$(", "").replace(')', "");
            Some((
                OsString::from(format!("OTEL_{name}")),
                OsString::from(value),
            ))
        })
        .collect()
}
