//! How values are written: durations, sizes, choices, lists of names and values.

use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// A duration with a unit, within bounds.
pub(super) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let value: jiff::SignedDuration = text.parse().map_err(|_| {
        format!("{text:?} is no duration: write a number with a unit, such as 30s, 500ms or 24h")
    })?;
    let value = Duration::try_from(value).map_err(|_| format!("{text:?} is negative"))?;
    within(text, value, least, most)
}

/// A number of milliseconds, within bounds.
pub(super) fn milliseconds(
    text: &str,
    least: Duration,
    most: Duration,
) -> Result<Duration, String> {
    let value = text
        .parse()
        .map(Duration::from_millis)
        .map_err(|_| format!("{text:?} is no number of milliseconds: OpenTelemetry's variables take whole milliseconds, such as 30000"))?;
    within(text, value, least, most)
}

fn within(
    text: &str,
    value: Duration,
    least: Duration,
    most: Duration,
) -> Result<Duration, String> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(format!(
        "{text} is out of bounds: from {least:?} to {most:?}"
    ))
}

/// A whole number, within bounds.
pub(super) fn number(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let value: usize = text
        .parse()
        .map_err(|_| format!("{text:?} is no whole number"))?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(format!("{text} is out of bounds: from {least} to {most}"))
}

/// A share in percent, within bounds, as a fraction.
pub(super) fn percent(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.strip_suffix('%').map(str::trim_end);
    let value: f64 = number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| format!("{text:?} is no share: write a number with %, such as 2%"))?;
    if (least..=most).contains(&value) {
        return Ok(value / 100.0);
    }
    Err(format!("{text} is out of bounds: from {least}% to {most}%"))
}

/// `on` or `off`.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    choice(text, &["on", "off"], |name| match name {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    })
}

/// A number of bytes, with or without a unit, within bounds.
pub(super) fn bytes(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits).unwrap_or_default() {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let value = unit
        .zip(digits.trim_end().parse::<usize>().ok())
        .and_then(|(unit, number)| number.checked_mul(unit))
        .ok_or_else(|| {
            format!("{text:?} is no size: write bytes, or a number with KiB, MiB or GiB")
        })?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(format!(
        "{text} is out of bounds: from {} KiB to {} MiB",
        least >> 10,
        most >> 20
    ))
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// One of `names`, which `parse` knows.
pub(super) fn choice<T>(
    text: &str,
    names: &[&str],
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    parse(text).ok_or_else(|| {
        let meant = nearest(text, names.iter().copied())
            .map_or(String::new(), |name| format!(" (did you mean {name}?)"));
        format!("{text:?} is not one of {}{meant}", names.join(", "))
    })
}

/// A name for people and backends: not empty, not endless, no control characters.
pub(super) fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        return Err("must be 1 to 255 bytes without control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// `name=value` pairs with commas between them, names and values percent-decoded, as OpenTelemetry's variables have them.
///
/// An error does not repeat a value, which may be a secret.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (index, pair) in text.split(',').enumerate() {
        if pair.trim().is_empty() {
            continue;
        }
        let place = index + 1;
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("entry {place} has no =: write name=value,name=value"))?;
        let decode = |text: &str| {
            percent_decode_str(text.trim())
                .decode_utf8()
                .map(Cow::into_owned)
                .map_err(|_| format!("entry {place} is not UTF-8 once it is percent-decoded"))
        };
        let key = decode(key)?;
        if key.is_empty() {
            return Err(format!("entry {place} has no name"));
        }
        pairs.push((key, decode(value)?));
    }
    Ok(pairs)
}

/// The name that somebody who wrote `text` may have meant.
pub(super) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::jaro_winkler(text, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(duration("30s", SECOND, HOUR), Ok(30 * SECOND));
        assert_eq!(duration("1m30s", SECOND, HOUR), Ok(90 * SECOND));
        assert_eq!(duration("1h", SECOND, HOUR), Ok(HOUR));
        for text in [
            "30",
            "",
            "0s",
            "999ms",
            "3601s",
            "-5s",
            "1 fortnight",
            "inf",
            "1e9s",
        ] {
            assert!(duration(text, SECOND, HOUR).is_err(), "{text}");
        }
    }

    #[test]
    fn milliseconds_have_no_units() {
        assert_eq!(milliseconds("30000", SECOND, HOUR), Ok(30 * SECOND));
        for text in ["30s", "0", "-1", "1.5", "99999999999999999999"] {
            assert!(milliseconds(text, SECOND, HOUR).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_may_have_units() {
        for (text, size) in [
            ("65536", 65536),
            ("64KiB", 65536),
            ("1 MiB", 1 << 20),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(bytes(text, 1 << 14, 1 << 30), Ok(size), "{text}");
        }
        for text in ["", "1", "MiB", "1MB", "2GiB", "-1KiB", "99999999999999GiB"] {
            assert!(bytes(text, 1 << 14, 1 << 30).is_err(), "{text}");
        }
    }

    #[test]
    fn pairs_are_percent_decoded_and_errors_keep_values_to_themselves() {
        let decoded = pairs("a=1, b%20c = x%2Cy%3Dz ,,d=").unwrap();
        let expected = [("a", "1"), ("b c", "x,y=z"), ("d", "")];
        assert_eq!(
            decoded,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        for text in ["secret", "=secret", "a=1,secret", "a=secret%ff"] {
            let error = pairs(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_name() {
        let names = ["interval", "endpoint", "timeout"];
        assert_eq!(nearest("intervall", names.into_iter()), Some("interval"));
        assert_eq!(nearest("end_point", names.into_iter()), Some("endpoint"));
        assert_eq!(nearest("zzz", names.into_iter()), None);
    }
}
