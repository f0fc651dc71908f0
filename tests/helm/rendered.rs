//! What the chart makes of its examples, as somebody looked at it and found it right.

use std::fs;
use std::path::{Path, PathBuf};

use crate::chart::{HELMS, directory, examples, hold, project, release, render};
use crate::tools::tool;

fn golden(name: &str) -> PathBuf {
    project().join("tests/helm/rendered").join(name)
}

#[test]
fn each_example_is_rendered_as_it_was_looked_at_by_helm_3_and_helm_4() {
    for name in HELMS {
        let Some(helm) = tool(name, "each_example_is_rendered_as_it_was_looked_at") else {
            continue;
        };
        // What `monitoring` renders is files of the chart, as they are.
        let examples = examples().into_iter();
        for (example, values) in examples.filter(|(example, _)| example != "monitoring") {
            let rendered = render(&helm, &directory(), Some(&values));
            hold(
                &golden(&format!("{example}.yaml")),
                &rendered,
                "UPDATE_GOLDENS",
            );
        }
    }
}

#[test]
fn the_notes_say_of_each_example_what_was_looked_at() {
    for (example, values) in examples() {
        let Some(release) = release("the_notes_say_of_each_example", &values) else {
            return;
        };
        let notes = release["info"]["notes"].as_str().unwrap();
        let lines: String = notes
            .lines()
            .flat_map(|line| [line.trim_end(), "\n"])
            .collect();
        hold(&golden(&format!("{example}.txt")), &lines, "UPDATE_GOLDENS");
    }
}

/// The agent reads its settings once.
#[test]
fn pods_are_replaced_when_settings_change_and_not_otherwise() {
    let Some(helm) = tool("helm4", "pods_are_replaced_when_settings_change") else {
        return;
    };
    let checksum = |more: &str| {
        let values = tempfile::NamedTempFile::new().unwrap();
        fs::write(values.path(), more).unwrap();
        let rendered = render(&helm, &directory(), Some(values.path()));
        let line = rendered
            .lines()
            .find(|line| line.contains("checksum/config: "));
        line.unwrap().to_owned()
    };
    assert_eq!(
        checksum("otlp: {endpoint: http://a:1}"),
        checksum("{otlp: {endpoint: http://a:1}, revisionHistoryLimit: 3}")
    );
    assert_ne!(
        checksum("otlp: {endpoint: http://a:1}"),
        checksum("{otlp: {endpoint: http://a:1}, config: {interval: 10s}}")
    );
    assert_ne!(
        checksum("otlp: {endpoint: http://a:1}"),
        checksum("otlp: {endpoint: http://b:1}")
    );
}

/// Manifests for who has no Helm: without what only Helm has a use for.
#[test]
fn the_plain_manifests_are_what_the_chart_renders() {
    for name in HELMS {
        let Some(helm) = tool(name, "the_plain_manifests_are_what_the_chart_renders") else {
            continue;
        };
        let values = directory().join("ci/plain-values.yaml");
        let app = tempfile::tempdir().unwrap();
        with_dependency(app.path());
        for (file, what, rendered) in [
            (
                "daemonset.yaml",
                "An agent on each node, as the chart's default values have it",
                render(&helm, &directory(), Some(&values)),
            ),
            (
                "sidecar.yaml",
                "An agent beside an application, in its pod",
                render(&helm, app.path(), None),
            ),
        ] {
            let manifest = project().join("deploy/kubernetes").join(file);
            hold(&manifest, &plain(what, &rendered), "UPDATE_GOLDENS");
        }
    }
}

/// The chart `helm/tcpgauge/examples/app` with the one that it depends on, where Helm looks for it.
fn with_dependency(to: &Path) {
    copy(&directory().join("examples/app"), to);
    copy(&directory(), &to.join("charts/tcpgauge"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if !entry.path().is_dir() {
            fs::copy(entry.path(), target).unwrap();
        } else if entry.file_name() != "examples" {
            copy(&entry.path(), &target);
        }
    }
}

fn plain(what: &str, rendered: &str) -> String {
    let of_helm = [
        "# Source: ",
        "helm.sh/chart: ",
        "app.kubernetes.io/managed-by: ",
        "app.kubernetes.io/instance: ",
    ];
    let kept = rendered.lines().filter(|line| {
        !of_helm
            .iter()
            .any(|start| line.trim_start().starts_with(start))
    });
    let manifests: String = kept.flat_map(|line| [line, "\n"]).collect();
    format!(
        "# {what}: write your own in the place of the endpoint, and of the image.\n\
         # Rendered from helm/tcpgauge by `UPDATE_GOLDENS=1 cargo test --test helm`: do not edit.\n{manifests}"
    )
}
