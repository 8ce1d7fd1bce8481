//! The page itself: one document, put together when the crate is compiled.

use http::Response;
use http::header::{self, HeaderValue};

use crate::body::Body;
use crate::respond::typed;

const DOCUMENT: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    include_str!("page/style.css"),
    "</style>\n",
    include_str!("page/body.html"),
    "<script>",
    include_str!("page/script.js"),
    "</script>\n</body>\n</html>\n"
);

// A browser runs the script and applies the style because their SHA-256 is in the policy. Nothing
// that is injected into the page would run. A test checks the hashes.
const POLICY: &str = concat!(
    "default-src 'none'; connect-src 'self'; img-src data:; ",
    "style-src 'sha256-G1z018ICcxKFiENTZ/E34r4FjABlQ0/SBnWFq3YmlWE='; ",
    "script-src 'sha256-qM9TXX5KO7TzMsIOG8xdS0At/O7xZFCj34bDa37ExRw='; ",
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
);

pub(crate) fn page() -> Response<Body> {
    let mut response = typed("text/html; charset=utf-8", DOCUMENT);
    let policy = HeaderValue::from_static(POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_policy_has_the_hashes_of_the_style_and_the_script() {
        for (name, text) in [
            ("style", include_str!("page/style.css")),
            ("script", include_str!("page/script.js")),
        ] {
            let hash = STANDARD.encode(Sha256::digest(text));
            let source = format!("{name}-src 'sha256-{hash}'");
            assert!(POLICY.contains(&source), "in POLICY must be: {source}");
        }
    }

    #[test]
    fn the_document_needs_nothing_from_elsewhere() {
        // The namespace of SVG is a name, and no address.
        let text = DOCUMENT.replace("http://www.w3.org/2000/svg", "");
        for foreign in [
            "http:",
            "https:",
            "//cdn",
            "@import",
            "url(",
            " style=",
            " onclick=",
        ] {
            assert!(!text.contains(foreign), "{foreign}");
        }
    }
}
