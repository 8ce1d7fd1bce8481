//! Draws pictures of the figures.

mod curves;
mod palette;
mod threads;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::document::Document;

/// Draws the figures of the document and returns the paths of the pictures.
///
/// # Errors
///
/// Returns an error if a picture cannot be written.
pub fn draw(document: &Document, to: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    fs::create_dir_all(to)?;
    let mut pictures = Vec::new();
    let machine = document.machine.title();
    if let Some(hits) = document
        .reports
        .iter()
        .find(|report| report.bench == "hits")
    {
        let picture = to.join("hits.svg");
        threads::draw(hits, &machine, &picture)?;
        pictures.push(picture);
    }
    let ratios = document.hit_ratios.as_ref();
    if let Some(ratios) = ratios.filter(|ratios| !ratios.traces.is_empty()) {
        let picture = to.join("hitratio.svg");
        curves::draw(ratios, &picture)?;
        pictures.push(picture);
    }
    Ok(pictures)
}
