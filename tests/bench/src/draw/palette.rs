//! The style of each contender, the same in every picture.

use plotters::style::{Color, IntoFont as _, RGBColor, ShapeStyle, TextStyle};

use crate::measure::Contender;

pub(super) const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
pub(super) const FAINT: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// A text style of this size in pixels.
pub(super) fn text(size: u32, color: impl Color) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color)
}

/// This cache stands out, and references recede. The colors are those of M. Okabe and K. Ito, which
/// color-blind readers can distinguish.
pub(super) fn style(contender: &Contender) -> ShapeStyle {
    let (color, width) = match (&*contender.package, &*contender.variant) {
        ("cache-tokio", _) => (RGBColor(0xd5, 0x5e, 0x00), 3),
        ("quick_cache", _) => (RGBColor(0x00, 0x72, 0xb2), 2),
        ("moka", "sync") => (RGBColor(0x66, 0xc2, 0xa4), 2),
        ("moka", _) => (RGBColor(0x00, 0x9e, 0x73), 2),
        ("mini-moka", _) => (RGBColor(0x56, 0xb4, 0xe9), 2),
        ("foyer-memory", "LFU") => (RGBColor(0xe6, 0x9f, 0x00), 2),
        ("foyer-memory", _) => (RGBColor(0xcc, 0x79, 0xa7), 2),
        ("cached", _) => (RGBColor(0x9a, 0x86, 0x3a), 2),
        ("", "LRU") | ("hashlink", _) => (RGBColor(0x99, 0x99, 0x99), 2),
        _ => (RGBColor(0x22, 0x22, 0x22), 1),
    };
    color.stroke_width(width)
}

/// The name without the version, which is in the tables.
pub(super) fn name(contender: &Contender) -> String {
    match (&*contender.package, &*contender.variant) {
        ("", variant) => variant.to_owned(),
        (package, "") => package.to_owned(),
        ("hashlink" | "hashbrown" | "foyer-memory" | "moka", variant) => {
            let package = contender.package.trim_end_matches("-memory");
            format!("{package}, {variant}")
        }
        (package, variant) => format!("{package}, {variant}"),
    }
}
