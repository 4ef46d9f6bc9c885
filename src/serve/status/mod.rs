//! The status page: what this site publishes, how old it is, how to point clients at it, and a search over all items.
//!
//! Plain HTML (WCAG 2.2: a language, headings in order, captions, labels, no meaning by colour alone), one file without scripts and
//! outside resources, which its Content-Security-Policy forbids as well. All that comes from upstreams is escaped.

mod html;
mod overview;
mod page;

pub use overview::{Overview, Row};
pub use page::{Query, page};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The header `Content-Security-Policy` that goes with the page: its own style sheet, its own form, and nothing else.
pub fn content_security_policy() -> String {
    let style = STANDARD.encode(crate::digest::Sha256::of(page::STYLE.as_bytes()).as_bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
