//! The page for people: one document with its own style and script, which may do nothing but ask this agent.

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use ring::digest::{SHA256, digest};

macro_rules! style {
    () => {
        include_str!("page/page.css")
    };
}

macro_rules! script {
    () => {
        concat!(
            include_str!("page/words.js"),
            include_str!("page/charts.js"),
            include_str!("page/agent.js"),
            include_str!("page/page.js")
        )
    };
}

/// The document.
pub(super) const DOCUMENT: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    style!(),
    "</style>\n",
    include_str!("page/body.html"),
    "<script>",
    script!(),
    "</script>\n</html>\n",
);

/// What a browser may do for the document: run this one script, apply this one style, ask where it came from, and show the icon
/// that is written into it.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(script!()),
        hash(style!())
    );
    // It is made of visible ASCII alone. If it were not, nothing would be allowed.
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    format!("'sha256-{}'", BASE64_STANDARD.encode(digest))
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
