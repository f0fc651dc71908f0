//! What the table of settings must be.

use super::*;

#[test]
fn keys_and_variables_are_unique() {
    let mut names: Vec<_> = all().map(|setting| setting.key).collect();
    names.extend(all().flat_map(|setting| setting.env.iter().map(|variable| variable.name)));
    names.extend(NOT_HONOURED.iter().map(|variable| variable.name));
    names.push(CONFIG_VARIABLE);
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
