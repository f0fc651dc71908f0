//! Runs Helm over the chart.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::tool;

/// Both of them make the same of a chart; a Helm without one of these names counts as neither.
pub(crate) const HELMS: [&str; 2] = ["helm3", "helm4"];

/// A Helm that was built by hand knows no version of Kubernetes to render for.
pub(crate) const KUBERNETES: &str = "1.34.0";

pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn directory() -> PathBuf {
    project().join("helm/tcpgauge")
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The examples: what their files are called before `-values.yaml`.
pub(crate) fn examples() -> Vec<(String, PathBuf)> {
    let mut examples: Vec<_> = fs::read_dir(directory().join("ci"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let name = name.strip_suffix("-values.yaml").expect("NAME-values.yaml");
            (name.to_owned(), path.clone())
        })
        .collect();
    examples.sort();
    assert!(!examples.is_empty());
    examples
}

/// What a program says, which has to succeed.
pub(crate) fn output<S: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> String {
    let output = Command::new(program)
        .args(arguments)
        // Nobody's cluster, and nobody's settings of Helm.
        .env("KUBECONFIG", "/dev/null")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The chart in `directory` with `values`, rendered by `helm`. The two Helms differ in empty lines, which mean nothing.
pub(crate) fn render(helm: &Path, directory: &Path, values: Option<&Path>) -> String {
    let mut arguments: Vec<&OsStr> = ["template", "tcpgauge"].map(OsStr::new).to_vec();
    arguments.push(directory.as_os_str());
    for argument in ["--namespace", "tcpgauge", "--kube-version", KUBERNETES] {
        arguments.push(argument.as_ref());
    }
    if let Some(values) = values {
        arguments.push("--values".as_ref());
        arguments.push(values.as_os_str());
    }
    let text = output(helm, arguments);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.flat_map(|line| [line.trim_end(), "\n"]).collect()
}

/// What Helm knows of the release that it would make: `info.notes` and `chart.values` among it. Only Helm 4 can be asked
/// without a cluster whatever it was built with.
pub(crate) fn release(test: &str, values: &Path) -> Option<serde_json::Value> {
    let helm = tool("helm4", test)?;
    let mut arguments: Vec<&OsStr> = ["install", "tcpgauge"].map(OsStr::new).to_vec();
    let directory = directory();
    arguments.push(directory.as_os_str());
    for argument in [
        "--namespace",
        "tcpgauge",
        "--dry-run=client",
        "--output=json",
        "--values",
    ] {
        arguments.push(argument.as_ref());
    }
    arguments.push(values.as_os_str());
    Some(serde_json::from_str(&output(&helm, arguments)).unwrap())
}

/// Holds `text` to the file at `path`, or writes it there where `variable` asks for that.
pub(crate) fn hold(path: &Path, text: &str, variable: &str) {
    if std::env::var_os(variable).is_some() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "what is made is looked at by people before it is kept, so CI never writes it"
        );
        // At once, for other tests may be reading it.
        let beside = path.with_extension("new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, path).unwrap();
    }
    assert!(
        path.is_file() && read(path) == text,
        "{} is out of step: {variable}=1 cargo test --test helm, and look at what changed. Now it would be\n{text}",
        path.display()
    );
}
