//! Where points are sent to, and with which headers: what the user wrote, checked before the first connection.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use tonic::metadata::{Ascii, KeyAndValueRef, MetadataKey, MetadataMap, MetadataValue};

/// The address of a backend that speaks OTLP/gRPC in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
}

impl Endpoint {
    /// As a URI of scheme and authority alone.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    /// The port; that of HTTP where none is given.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(80)
    }

    /// Whether the port was left to us.
    #[must_use]
    pub fn port_is_implied(&self) -> bool {
        self.uri.port().is_none()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self
            .uri
            .authority()
            .map_or("", |authority| authority.as_str());
        write!(f, "http://{authority}")
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// The endpoint, or what is wrong with it. The text itself is not repeated: it may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(
                "has no scheme: write it as http://HOST:PORT, for example http://localhost:4317"
                    .to_owned(),
            );
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => {
                return Err("asks for TLS, which this version does not speak: use http:// to a Collector nearby".to_owned());
            }
            _ => return Err("has an unknown scheme: use http://".to_owned()),
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(
                "holds a user name or password: put credentials into the headers".to_owned(),
            );
        }
        if !path.is_empty() && path != "/" {
            return Err(
                "has a path, and OTLP/gRPC has none (/v1/metrics belongs to OTLP/HTTP, port 4318): write http://HOST:PORT".to_owned(),
            );
        }
        let port = authority
            .rsplit_once(':')
            .filter(|(_, port)| !port.ends_with(']'));
        if let Some((_, port)) = port
            && !(port.bytes().all(|digit| digit.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0))
        {
            return Err("has a bad port: it must be a number from 1 to 65535".to_owned());
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err("has no host: write it as http://HOST:PORT".to_owned());
        }
        let bad_host = || "has a bad host: write it as http://HOST:PORT".to_owned();
        if let Some(rest) = authority.strip_prefix('[') {
            let (address, after) = rest.split_once(']').ok_or_else(bad_host)?;
            let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
            if !is_address || !(after.is_empty() || after.starts_with(':')) {
                return Err(bad_host());
            }
        }
        let uri: Uri = format!("http://{authority}/")
            .parse()
            .map_err(|_| bad_host())?;
        Ok(Self { uri })
    }
}

/// Headers that go with every request. Their values are secrets: nothing shows them.
#[derive(Clone, Default)]
pub struct Headers(MetadataMap);

impl Headers {
    /// Adds a header, or says what is wrong with it. A name that is none is not repeated either: a token whose own name
    /// was forgotten looks like one.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = name.to_ascii_lowercase();
        let key = MetadataKey::<Ascii>::from_bytes(name.as_bytes()).map_err(|_| {
            "a name in it is no name of a gRPC header (binary headers, in -bin, are not taken)"
                .to_owned()
        })?;
        if name.starts_with("grpc-") || matches!(name.as_str(), "te" | "content-type" | "host") {
            return Err(
                "a header in it belongs to gRPC itself (grpc-…, te, content-type, host)".to_owned(),
            );
        }
        let mut value = MetadataValue::<Ascii>::try_from(value).map_err(|_| {
            format!("the value of the header {name:?} has characters that a header cannot carry")
        })?;
        value.set_sensitive(true);
        self.0.insert(key, value);
        Ok(())
    }

    /// `text` without the values: a server may repeat what it was sent.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let values = self.0.iter().filter_map(|header| match header {
            KeyAndValueRef::Ascii(_, value) => value.to_str().ok(),
            KeyAndValueRef::Binary(..) => None,
        });
        // One that is as short as a word of the message would make that unreadable, and is no secret.
        values
            .filter(|value| value.len() >= 4)
            .fold(text.to_owned(), |text, value| {
                text.replace(value, "[redacted]")
            })
    }

    /// For a request.
    #[must_use]
    pub fn metadata(&self) -> &MetadataMap {
        &self.0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Headers({} of them)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_scheme_host_and_port() {
        for (text, host, port) in [
            ("http://localhost:4317", "localhost", 4317),
            ("HTTP://collector.example:4317/", "collector.example", 4317),
            ("http://10.0.0.1", "10.0.0.1", 80),
            ("http://[::1]:4317", "::1", 4317),
            ("http://[::1]", "::1", 80),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{text}");
        }
    }

    #[test]
    fn a_bad_endpoint_says_what_is_wrong_and_never_repeats_a_password() {
        for (text, says) in [
            ("localhost:4317", "no scheme"),
            ("", "no scheme"),
            ("http://host:4317/v1/metrics", "path"),
            ("http://host:4317?x=1", "path"),
            ("http://host:99999", "bad port"),
            ("http://host:0", "bad port"),
            ("http://host:", "bad port"),
            ("http://host:-1", "bad port"),
            ("http://host:+1", "bad port"),
            ("http://[::1]x:80", "bad host"),
            ("http://[zz]:4317", "bad host"),
            ("http://[::1", "bad host"),
            ("grpc://host:4317", "unknown scheme"),
            ("https://host:4317", "TLS"),
            ("http://user:secret@host:4317", "password"),
            ("http://", "no host"),
            ("http://:4317", "no host"),
            ("http://a b:4317", "bad host"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn headers_are_checked_and_never_shown() {
        let mut headers = Headers::default();
        headers.add("Authorization", "Bearer secret").unwrap();
        assert!(headers.add("bad name", "v").is_err());
        assert!(headers.add("grpc-timeout", "1S").is_err());
        assert!(headers.add("token-bin", "AA").is_err());
        let error = headers.add("x", "line\nfeed-secret").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
        assert!(!format!("{headers:?}").contains("secret"));
        assert_eq!(
            headers.redact("you sent Bearer secret, twice Bearer secret"),
            "you sent [redacted], twice [redacted]"
        );
        assert_eq!(headers.metadata().len(), 1);
    }
}
