//! Headers that go with every request. Their values are secrets: nothing shows them.

use std::fmt;
use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::file;

/// No token is longer.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Headers as the user gave them: values, and files that hold values.
#[derive(Clone, Default)]
pub struct Headers {
    values: HeaderMap,
    files: Vec<(HeaderName, PathBuf)>,
}

impl Headers {
    /// Adds a header, or says what is wrong with it. A name that is none is not repeated either: a token whose own name
    /// was forgotten looks like one.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = parse_name(name)?;
        let value = parse_value(&name, value)?;
        self.values.insert(name, value);
        Ok(())
    }

    /// Adds a header whose value is what a file holds when a request is made.
    pub fn add_file(&mut self, name: &str, path: &str) -> Result<(), String> {
        let name = parse_name(name)?;
        if path.is_empty() {
            return Err(format!("the header {name:?} has no file"));
        }
        self.files.push((name, path.into()));
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.files.is_empty()
    }

    /// Whether none of them comes from a file.
    #[must_use]
    pub fn have_no_files(&self) -> bool {
        self.files.is_empty()
    }

    /// The headers as they are now. Files are read, which may take a while.
    pub fn read(&self) -> Result<Values, String> {
        let mut values = self.values.clone();
        for (name, path) in &self.files {
            let bytes = file::read(path, MAX_FILE_BYTES).map_err(|error| {
                format!(
                    "cannot read the header {name} from {}: {error}",
                    path.display()
                )
            })?;
            let text =
                String::from_utf8(bytes).map_err(|_| format!("{} is not text", path.display()))?;
            let value = text.trim();
            if value.is_empty() {
                return Err(format!(
                    "{} is empty, and the header {name} is to come from it",
                    path.display()
                ));
            }
            values.insert(name.clone(), parse_value(name, value)?);
        }
        Ok(Values(values))
    }
}

/// The values of one moment.
#[derive(Clone, Default)]
pub struct Values(HeaderMap);

impl Values {
    /// For a request.
    #[must_use]
    pub fn map(&self) -> &HeaderMap {
        &self.0
    }

    /// `text` without the values: a server may repeat what it was sent.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in self.0.values().filter_map(|value| value.to_str().ok()) {
            // Of `Bearer TOKEN` the token alone is a secret too.
            for secret in std::iter::once(value).chain(value.split_ascii_whitespace()) {
                // One that is as short as a word of the message would make that unreadable, and is no secret.
                if secret.len() >= 8 || (secret.len() >= 4 && secret == value) {
                    text = text.replace(secret, "[redacted]");
                }
            }
        }
        text
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.values.len() + self.files.len();
        write!(f, "Headers({number} of them)")
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({} of them)", self.0.len())
    }
}

fn parse_name(name: &str) -> Result<HeaderName, String> {
    let name = name.to_ascii_lowercase();
    let key = HeaderName::from_bytes(name.as_bytes())
        .ok()
        .filter(|_| !name.ends_with("-bin"))
        .ok_or("a name in it is no name of a header (binary headers, in -bin, are not taken)")?;
    let is_the_protocols = matches!(
        name.as_str(),
        "te" | "content-type"
            | "content-length"
            | "content-encoding"
            | "transfer-encoding"
            | "connection"
            | "host"
    );
    if name.starts_with("grpc-") || is_the_protocols {
        return Err(
            "a header in it belongs to the protocol itself (grpc-…, te, content-…, transfer-encoding, connection, host)"
                .to_owned(),
        );
    }
    Ok(key)
}

fn parse_value(name: &HeaderName, value: &str) -> Result<HeaderValue, String> {
    let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let mut value = HeaderValue::from_str(value)
        .ok()
        .filter(|_| printable)
        .ok_or_else(|| {
            format!("the value of the header {name:?} has characters that a header cannot carry")
        })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked_and_never_shown() {
        let mut headers = Headers::default();
        headers
            .add("Authorization", "Bearer a-long-secret")
            .unwrap();
        for name in ["bad name", "grpc-timeout", "token-bin", "Content-Type", ""] {
            assert!(headers.add(name, "v").is_err(), "{name}");
            assert!(headers.add_file(name, "/v").is_err(), "{name}");
        }
        let error = headers.add("x", "line\nfeed-secret").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
        let values = headers.read().unwrap();
        assert!(!format!("{headers:?} {values:?} {:?}", values.map()).contains("secret"));
        assert_eq!(values.map().len(), 1);
    }

    #[test]
    fn what_a_server_repeats_is_redacted() {
        let mut headers = Headers::default();
        headers
            .add("Authorization", "Bearer a-long-secret")
            .unwrap();
        headers.add("tenant", "7").unwrap();
        assert_eq!(
            headers
                .read()
                .unwrap()
                .redact("7 times you sent Bearer a-long-secret, or a-long-secret"),
            "7 times you sent [redacted], or [redacted]"
        );
    }

    #[test]
    fn a_file_is_read_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let mut headers = Headers::default();
        headers
            .add_file("authorization", path.to_str().unwrap())
            .unwrap();
        let error = headers.read().unwrap_err();
        assert!(error.contains("token"), "{error}");
        for token in ["Bearer first\n", "Bearer second"] {
            std::fs::write(&path, token).unwrap();
            let values = headers.read().unwrap();
            assert_eq!(values.map()["authorization"], token.trim());
        }
        for bad in ["", "\n", "two\nlines-secret", "\u{1}secret"] {
            std::fs::write(&path, bad).unwrap();
            let error = headers.read().unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        std::fs::write(&path, "x".repeat(100_000)).unwrap();
        assert!(headers.read().is_err());
    }
}
