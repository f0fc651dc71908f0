//! `docs/config.md`, made from the table of settings.

use std::fmt::Write;

use super::settings::{CONFIG_VARIABLE, Form, NOT_HONOURED, NotHonoured, Setting, all};

/// The page, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Made from src/config/settings.rs by `UPDATE_DOCS=1 cargo test --test architecture`: do not edit. -->\n\n\
         Defaults < file < environment < flags. Everything that is wrong is reported at once, each fault with the place it\n\
         came from, and tcpgauge ends with exit code 64. An empty environment variable counts as unset.\n\n",
    );
    let _ = writeln!(
        page,
        "The file is TOML (`--config FILE`, or `{CONFIG_VARIABLE}`). Its keys are below; a key that is not there is a fault.\n\n\
         ```toml\ninterval = \"30s\"\nendpoint = \"http://collector.monitoring:4317\"\n\n\
         [headers]\nauthorization = \"Bearer …\"\n\n\
         [resource_attributes]\n\"deployment.environment.name\" = \"production\"\n```\n\n\
         `snapshot` looks only at the settings that are about reading, so a fault in the others does not keep it from you.\n\n\
         | key in the file | flag | environment, strongest first | default | values |\n|---|---|---|---|---|"
    );
    for setting in all() {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            setting.key,
            flag(setting),
            variables(setting),
            if setting.default.is_empty() {
                "none".to_owned()
            } else {
                format!("`{}`", setting.default)
            },
            setting.bounds,
        );
    }
    page.push_str("\n## What each does\n\n");
    for setting in all() {
        let _ = writeln!(page, "- `{}`: {}.", setting.key, setting.help);
    }
    page.push_str(
        "\n## Standard variables without effect in this version\n\n\
         If one of them asks for anything but what happens anyway, `run` and `check` say so.\n\n",
    );
    for NotHonoured { name, harmless } in NOT_HONOURED {
        let _ = match harmless {
            Some(value) => writeln!(page, "- `{name}`, as if it were `{value}`"),
            None => writeln!(page, "- `{name}`"),
        };
    }
    page
}

fn flag(setting: &Setting) -> String {
    match setting.flag {
        None => "none".to_owned(),
        Some(flag) if setting.is_switch() => format!("`--{flag}`"),
        Some(flag) => format!("`--{flag} {}`", setting.value),
    }
}

fn variables(setting: &Setting) -> String {
    let names = setting.env.iter().map(|variable| match variable.form {
        Form::Plain | Form::Complete => format!("`{}`", variable.name),
        Form::Milliseconds => format!("`{}` (ms)", variable.name),
    });
    names.collect::<Vec<_>>().join(", ")
}
