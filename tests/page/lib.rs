//! A browser for tests: Chromium without a window, driven through the WebDriver protocol.

mod browser;
mod driver;

pub use self::browser::{Browser, Look, Scheme};

/// The widths at which every page is looked at.
pub const WIDTHS: [u32; 3] = [360, 800, 1_600];

/// All looks of a page: each width in each color scheme.
pub fn looks() -> impl Iterator<Item = Look> {
    let schemes = [Scheme::Light, Scheme::Dark];
    schemes
        .into_iter()
        .flat_map(|scheme| WIDTHS.map(|width| Look { width, scheme }))
}
