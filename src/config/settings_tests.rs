//! What the table of settings must be.

use super::*;

#[test]
fn keys_and_variables_are_unique() {
    let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
    // Traces share with metrics the variables that are of no signal.
    let own = SETTINGS.iter().flat_map(|setting| {
        let is_general = |name: &str| {
            setting.key.starts_with("traces_")
                && name.starts_with("OTEL_EXPORTER_OTLP_")
                && !name.contains("TRACES")
        };
        let names = setting.env.iter().map(|variable| variable.name);
        names.filter(move |name| !is_general(name))
    });
    names.extend(own);
    names.extend(NOT_HONOURED.iter().map(|variable| variable.name));
    names.push(CONFIG_VARIABLE);
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
