//! Where a value comes from: flags over the environment over the file over the defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::settings::{CONFIG_VARIABLE, Form, NOT_HONOURED, NotHonoured, Setting, UsedBy};
use super::values;

/// No configuration is longer.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// How variables begin that say something of metrics alone.
const OF_METRICS: &str = "OTEL_EXPORTER_OTLP_METRICS_";

/// Something wrong with what was given, and where it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it was given.
    pub origin: Origin,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.problem)
    }
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag(&'static Setting),
    /// In the environment.
    Variable(&'static str),
    /// In the file, under this key.
    Key(PathBuf, String),
    /// The file as a whole.
    File(PathBuf),
    /// Nowhere.
    Default(&'static Setting),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(setting) => write!(f, "flag --{}", setting.flag.unwrap_or(setting.key)),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Key(path, key) => write!(f, "{key} in {}", path.display()),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default(setting) => write!(f, "default of {}", setting.key),
        }
    }
}

// By name, for a setting is one row of a static table.
impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Setting {}

/// A value as it was given.
pub(super) enum Given {
    Text(String, Form),
    Pairs(Vec<(String, String)>),
}

/// The process's environment, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl Environment {
    /// The value of a variable. An empty one counts as unset, as OpenTelemetry has it.
    fn get(&self, name: &str) -> Option<&OsString> {
        self.0
            .get(OsString::from(name).as_os_str())
            .filter(|value| !value.is_empty())
    }
}

/// All that was given, in its layers.
pub(super) struct Layers {
    flags: BTreeMap<&'static str, String>,
    environment: Environment,
    file: Option<(PathBuf, toml::Table)>,
    used_by: UsedBy,
    /// Whether what is said of metrics alone counts as not said.
    general: bool,
    pub(super) faults: Vec<Fault>,
    pub(super) used: Vec<Origin>,
}

impl Layers {
    /// Collects what was given, the file included.
    pub(super) fn new(
        flags: BTreeMap<&'static str, String>,
        environment: Environment,
        file: Option<PathBuf>,
        used_by: UsedBy,
    ) -> Self {
        let file = file.or_else(|| environment.get(CONFIG_VARIABLE).map(PathBuf::from));
        let mut layers = Self {
            flags,
            environment,
            file: None,
            used_by,
            general: false,
            faults: Vec::new(),
            used: Vec::new(),
        };
        if let Some(path) = file {
            match read_file(&path) {
                Ok(table) => {
                    layers.check_keys(&path, &table);
                    layers.file = Some((path, table));
                }
                Err(problem) => layers.faults.push(Fault {
                    origin: Origin::File(path),
                    problem,
                }),
            }
        }
        layers
    }

    /// The value of the setting `key`, through `parse`; nothing if there is a fault, which is noted.
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        parse: impl Fn(Given) -> Result<T, String>,
    ) -> Option<T> {
        let setting = super::settings::all().find(|setting| setting.key == key)?;
        let (given, origin) = match self.find(setting) {
            Some(Ok(found)) => found,
            Some(Err(fault)) => {
                self.note(fault);
                return None;
            }
            None => (
                Given::Text(setting.default.to_owned(), Form::Plain),
                Origin::Default(setting),
            ),
        };
        match parse(given) {
            Ok(value) => {
                if !matches!(origin, Origin::Default(_)) && !self.used.contains(&origin) {
                    self.used.push(origin);
                }
                Some(value)
            }
            Err(problem) => {
                self.note(Fault { origin, problem });
                None
            }
        }
    }

    /// One setting may be taken for several signals; what is wrong with it is said once.
    fn note(&mut self, fault: Fault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Takes what is said of all signals: what is said of metrics alone, in a variable of theirs, counts as not said.
    pub(super) fn generally<T>(&mut self, take: impl FnOnce(&mut Self) -> T) -> T {
        self.general = true;
        let taken = take(self);
        self.general = false;
        taken
    }

    /// Whether somebody gave the setting `key`.
    pub(super) fn is_given(&self, key: &str) -> bool {
        let setting = super::settings::all().find(|setting| setting.key == key);
        setting.is_some_and(|setting| self.find(setting).is_some())
    }

    /// Notes that what was given for the setting `key` does not go with the rest.
    pub(super) fn refuse<T>(&mut self, key: &str, problem: &str) -> Option<T> {
        let setting = super::settings::all().find(|setting| setting.key == key)?;
        let found = self.find(setting)?.ok()?;
        self.note(Fault {
            origin: found.1,
            problem: problem.to_owned(),
        });
        None
    }

    /// Standard variables that are set and not honoured.
    pub(super) fn not_honoured(&self) -> Vec<&'static str> {
        let asks_for_more = |variable: &&NotHonoured| {
            let given = self
                .environment
                .get(variable.name)
                .map(|value| value.to_ascii_lowercase());
            given.is_some_and(|given| variable.harmless.is_none_or(|harmless| given != harmless))
        };
        let ignored = NOT_HONOURED.iter().filter(asks_for_more);
        ignored.map(|variable| variable.name).collect()
    }

    /// The table in the file under `key`, for what no setting is; nothing where nobody gave it.
    pub(super) fn table(&self, key: &str) -> Option<Result<&toml::Table, String>> {
        let (_, file) = self.file.as_ref()?;
        let table = file.get(key)?.as_table();
        Some(table.ok_or_else(|| format!("must be a table of tables: write [{key}.NAME]")))
    }

    /// Notes everything that is wrong with such a table.
    pub(super) fn refuse_tables<T>(&mut self, key: &str, problems: Vec<String>) -> Option<T> {
        let (path, _) = self.file.as_ref()?;
        let origin = Origin::Key(path.clone(), key.to_owned());
        let faults = problems.into_iter().map(|problem| Fault {
            origin: origin.clone(),
            problem,
        });
        self.faults.extend(faults);
        None
    }

    fn find(&self, setting: &'static Setting) -> Option<Result<(Given, Origin), Fault>> {
        // A reading does not depend on where it would be sent, so a fault there must not keep it from anyone.
        if self.used_by == UsedBy::Readers && setting.used_by == UsedBy::Senders {
            return None;
        }
        if let Some(text) = self.flags.get(setting.key) {
            return Some(Ok((
                Given::Text(text.clone(), Form::Plain),
                Origin::Flag(setting),
            )));
        }
        for variable in setting.env {
            if self.general && variable.name.starts_with(OF_METRICS) {
                continue;
            }
            let origin = Origin::Variable(variable.name);
            match self
                .environment
                .get(variable.name)
                .map(|value| value.to_str())
            {
                Some(Some(text)) => {
                    return Some(Ok((Given::Text(text.to_owned(), variable.form), origin)));
                }
                Some(None) => {
                    return Some(Err(Fault {
                        origin,
                        problem: "is not UTF-8".to_owned(),
                    }));
                }
                None => {}
            }
        }
        let (path, table) = self.file.as_ref()?;
        let value = table.get(setting.key)?;
        let origin = Origin::Key(path.clone(), setting.key.to_owned());
        Some(match from_toml(setting, value) {
            Ok(given) => Ok((given, origin)),
            Err(problem) => Err(Fault { origin, problem }),
        })
    }

    fn check_keys(&mut self, path: &std::path::Path, table: &toml::Table) {
        for key in table.keys() {
            if key == super::alerting::TABLES
                || super::settings::all().any(|setting| setting.key == key)
            {
                continue;
            }
            let meant = values::nearest(key, super::settings::all().map(|setting| setting.key))
                .map_or_else(String::new, |name| format!(" (did you mean {name}?)"));
            self.faults.push(Fault {
                origin: Origin::Key(path.to_owned(), key.clone()),
                problem: format!("there is no such setting{meant}"),
            });
        }
    }
}

fn read_file(path: &std::path::Path) -> Result<toml::Table, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot be read as configuration: {error}"))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!(
            "is longer than {MAX_FILE_BYTES} bytes, which no configuration is"
        ));
    }
    // The parser's own message would show the offending line, and a line of the file may hold a token.
    text.parse::<toml::Table>().map_err(|error| {
        let line = error.span().map_or(0, |span| {
            text.get(..span.start)
                .unwrap_or_default()
                .matches('\n')
                .count()
                + 1
        });
        format!("is not TOML: line {line}: {}", error.message())
    })
}

fn from_toml(setting: &Setting, value: &toml::Value) -> Result<Given, String> {
    if setting.is_map() {
        let pairs = value.as_table().and_then(|table| {
            table
                .iter()
                .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect::<Option<Vec<_>>>()
        });
        return pairs
            .map(Given::Pairs)
            .ok_or_else(|| "must be a table of names and strings".to_owned());
    }
    let text = match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) if setting.is_list() => items
            .iter()
            .map(toml::Value::as_str)
            .collect::<Option<Vec<_>>>()
            .map(|items| items.join(",")),
        _ => None,
    };
    text.map(|text| Given::Text(text, Form::Plain))
        .ok_or_else(|| format!("must be a string: {}", setting.bounds))
}
