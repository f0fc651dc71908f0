//! `tcpgauge alerts list`: the rules in force, and what it takes to change them.

use std::process::ExitCode;

use super::arguments::RulesForm;
use super::print;
use crate::alerts::listing;
use crate::config::Config;

pub(super) fn main(config: &Config, form: RulesForm) -> ExitCode {
    let rules = &config.alerts.rules;
    print(&match form {
        RulesForm::Table => listing::table(rules),
        RulesForm::Toml => listing::toml(rules),
        RulesForm::Json => listing::json(rules),
        RulesForm::Markdown => listing::markdown(rules),
    })
}
