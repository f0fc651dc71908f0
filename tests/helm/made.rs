//! What is made from the chart's values, and what has to be as in the agent's own package.

use crate::chart::{directory, hold, output, project, read};
use crate::tools::tool;

#[test]
fn the_readme_is_made_from_the_values() {
    let Some(helm_docs) = tool("helm-docs", "the_readme_is_made_from_the_values") else {
        return;
    };
    let chart = directory();
    let made = output(
        &helm_docs,
        [
            "--dry-run",
            "--sort-values-order=file",
            "--log-level=warning",
            "--chart-search-root",
            chart.to_str().unwrap(),
            "--chart-to-generate",
            chart.to_str().unwrap(),
        ],
    );
    let undescribed: Vec<_> = made.lines().filter(|row| row.ends_with("|  |")).collect();
    assert_eq!(
        undescribed,
        Vec::<&str>::new(),
        "values.yaml says nothing of them"
    );
    let made: String = made
        .trim()
        .lines()
        .flat_map(|line| [line.trim_end(), "\n"])
        .collect();
    hold(&chart.join("README.md"), &made, "UPDATE_DOCS");
}

#[test]
fn chart_and_agent_have_one_version() {
    let chart = read(&directory().join("Chart.yaml"));
    let agent = env!("CARGO_PKG_VERSION");
    for line in [
        format!("version: {agent}\n"),
        format!("appVersion: \"{agent}\"\n"),
        format!("image: tcpgauge:{agent}\n"),
    ] {
        assert!(chart.contains(&line), "Chart.yaml has no {line}");
    }
}

#[test]
fn every_template_is_short_enough_to_read() {
    for entry in std::fs::read_dir(directory().join("templates")).unwrap() {
        let path = entry.unwrap().path();
        assert!(read(&path).lines().count() <= 300, "{}", path.display());
    }
}

#[test]
fn what_the_readme_links_to_is_there() {
    let readme = read(&directory().join("README.md"));
    let targets = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
        let path = directory().join(target.split('#').next().unwrap());
        assert!(
            path.exists(),
            "README.md links to {target}, which is not in {}",
            project().display()
        );
    }
}
