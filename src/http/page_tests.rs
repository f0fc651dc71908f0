//! What the document may do, and how large it is.

use super::*;

/// What is between the one tag of this name and its end.
fn inside<'a>(document: &'a str, tag: &str) -> &'a str {
    let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
    assert_eq!(document.matches(&format!("<{tag}")).count(), 1, "{tag}");
    assert_eq!(document.matches(&end).count(), 1, "{tag}");
    let (_, rest) = document.split_once(&begin).unwrap();
    rest.split_once(&end).unwrap().0
}

#[test]
fn the_policy_allows_the_very_script_and_style_that_are_in_the_document() {
    let policy = POLICY.to_str().unwrap();
    for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
        // Worked out from the document as a browser does, not from what it is made of.
        let digest = ring::digest::digest(&SHA256, inside(DOCUMENT, tag).as_bytes());
        let wanted = format!("{directive} 'sha256-{}';", BASE64_STANDARD.encode(digest));
        assert!(policy.contains(&wanted), "{policy}");
    }
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    for word in ["unsafe", "*", "http:", "https:"] {
        assert!(!policy.contains(word), "{policy}");
    }
}

#[test]
fn the_document_is_whole_small_and_fetches_nothing_from_elsewhere() {
    assert!(DOCUMENT.len() < 100_000, "{} bytes", DOCUMENT.len());
    assert!(DOCUMENT.starts_with("<!doctype html>\n<html lang=\"en\">"));
    for elsewhere in [
        "http://", "https://", "src=", "@import", "url(", "//cdn", "import(",
    ] {
        assert!(!DOCUMENT.contains(elsewhere), "{elsewhere}");
    }
    let links = DOCUMENT.split("href=\"").skip(1);
    for link in links.map(|rest| rest.split('"').next().unwrap()) {
        let ours = ["#main", "data:,", "/status", "/api/v1/now"];
        assert!(ours.contains(&link), "{link}");
    }
}

#[test]
fn nothing_in_the_document_makes_markup_or_code_of_text() {
    let script = inside(DOCUMENT, "script");
    for sink in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
        "eval(",
        "new Function",
        "setTimeout(\"",
        ".on",
    ] {
        assert!(!script.contains(sink), "{sink}");
    }
    let markup = DOCUMENT.replace(script, "");
    for handler in [" on", " style=", "javascript:"] {
        let found = markup.split('<').any(|tag| {
            let tag = tag.split('>').next().unwrap();
            tag.contains(handler) && tag.contains('=')
        });
        assert!(!found, "{handler}");
    }
}
