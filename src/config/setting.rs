//! What a setting is: its row in the one table.

/// One thing that a user can set.
#[derive(Debug)]
pub struct Setting {
    /// Key in the file.
    pub key: &'static str,
    /// The flag, without its dashes. There is none for what must not show in a list of processes.
    pub flag: Option<&'static str>,
    /// Environment variables, the strongest first.
    pub env: &'static [Variable],
    /// What holds where nobody sets it, written as in the file; empty for nothing.
    pub default: &'static str,
    /// What a value looks like.
    pub value: &'static str,
    /// Values and bounds.
    pub bounds: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Which commands it matters to.
    pub used_by: UsedBy,
}

/// An environment variable.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// How its value is written.
    pub form: Form,
}

/// How a value is written in an environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As everywhere.
    Plain,
    /// A number of milliseconds, as OpenTelemetry's variables have it.
    Milliseconds,
    /// A URL that is taken as it is.
    Complete,
}

/// Which commands a setting matters to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedBy {
    /// Those that read: `run`, `snapshot`, `check`.
    Readers,
    /// Those that know where to send to: `run`, `check`.
    Senders,
}

/// A standard variable that this version does not honour.
#[derive(Debug)]
pub struct NotHonoured {
    /// Its name.
    pub name: &'static str,
    /// The value that asks for what happens anyway.
    pub harmless: Option<&'static str>,
}

impl Setting {
    /// Whether the file gives it as a table of names and values.
    #[must_use]
    pub fn is_map(&self) -> bool {
        self.value.contains('=')
    }

    /// Whether the file may give it as an array.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.value == "GROUPS"
    }

    /// Whether the flag may stand alone.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        self.value == "BOOL"
    }
}

pub(super) const fn plain(name: &'static str) -> Variable {
    Variable {
        name,
        form: Form::Plain,
    }
}

pub(super) const fn complete(name: &'static str) -> Variable {
    Variable {
        name,
        form: Form::Complete,
    }
}

pub(super) const fn milliseconds(name: &'static str) -> Variable {
    Variable {
        name,
        form: Form::Milliseconds,
    }
}

const fn not_honoured(name: &'static str, harmless: Option<&'static str>) -> NotHonoured {
    NotHonoured { name, harmless }
}

/// Set to anything but what happens anyway, they get a warning and not silence.
pub const NOT_HONOURED: &[NotHonoured] = &[
    not_honoured("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", None),
    not_honoured("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", None),
    not_honoured("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", None),
    not_honoured("OTEL_EXPORTER_OTLP_TRACES_INSECURE", None),
    not_honoured("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", None),
    not_honoured("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", None),
    not_honoured("OTEL_TRACES_SAMPLER", Some("parentbased_always_on")),
    not_honoured(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        Some("cumulative"),
    ),
    not_honoured("OTEL_METRIC_EXPORT_TIMEOUT", None),
];
