//! Hit ratios over capacities, a panel for each trace.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::palette::{FAINT, INK, name, style, text};
use crate::hitratio::{HitRatios, Ratios};
use crate::measure::Contender;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(super) fn draw(ratios: &HitRatios, picture: &Path) -> Result<(), Box<dyn Error>> {
    let rows = ratios.traces.len().div_ceil(COLUMNS);
    let (width, height) = (COLUMNS as u32 * WIDTH, rows as u32 * HEIGHT + HEAD);
    let root = SVGBackend::new(picture, (width, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, panels) = root.split_vertically(HEAD);
    draw_head(&head, &ratios.contenders)?;
    let panels = panels.split_evenly((rows, COLUMNS));
    for (panel, trace) in panels.iter().zip(&ratios.traces) {
        draw_panel(panel, &ratios.contenders, trace)?;
    }
    root.present()?;
    Ok(())
}

const COLUMNS: usize = 3;
const WIDTH: u32 = 370;
const HEIGHT: u32 = 250;
const HEAD: u32 = 86;

/// Draws the title and the legend.
fn draw_head(head: &Area<'_>, contenders: &[Contender]) -> Result<(), Box<dyn Error>> {
    const APART: i32 = 215;
    const A_ROW: usize = 5;
    let title = "Hits in percent of the requests, by capacity in entries";
    head.draw_text(title, &text(19, INK), (16, 12))?;
    let font = text(13, INK);
    for (index, contender) in contenders.iter().enumerate() {
        let (x, y) = (
            16 + (index % A_ROW) as i32 * APART,
            48 + (index / A_ROW) as i32 * 20,
        );
        head.draw(&PathElement::new([(x, y), (x + 24, y)], style(contender)))?;
        head.draw_text(&name(contender), &font, (x + 30, y - 7))?;
    }
    Ok(())
}

fn draw_panel(
    panel: &Area<'_>,
    contenders: &[Contender],
    trace: &Ratios,
) -> Result<(), Box<dyn Error>> {
    let ratios = || trace.ratios.iter().flatten().copied();
    let least = ratios().fold(f64::INFINITY, f64::min);
    let most = ratios().fold(0.0, f64::max);
    let y_margin = ((most - least) * 0.06).max(0.5);
    let capacities = || trace.capacities.iter().map(|capacity| *capacity as f64);
    let (first, last) = capacities().fold((f64::INFINITY, 0.0_f64), |(first, last), capacity| {
        (first.min(capacity), last.max(capacity))
    });
    // This margin keeps the range from being empty if there is only one capacity.
    let x_margin = ((last - first) * 0.03).max(last * 0.01);
    let mut chart = ChartBuilder::on(panel)
        .caption(&trace.trace, text(14, INK))
        .margin(8)
        .margin_right(18)
        .x_label_area_size(24)
        .y_label_area_size(36)
        .build_cartesian_2d(
            first - x_margin..last + x_margin,
            (least - y_margin).max(0.0)..(most + y_margin).min(100.0),
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .label_style(text(11, INK))
        .x_labels(5)
        .y_labels(6)
        .x_label_formatter(&|capacity| short(*capacity))
        .y_label_formatter(&|ratio| format!("{ratio}"))
        .draw()?;
    // Drawn in reverse, so that this cache is on top.
    for (contender, ratios) in contenders.iter().zip(&trace.ratios).rev() {
        let style = style(contender);
        let points = capacities().zip(ratios.iter().copied());
        chart.draw_series(LineSeries::new(points.clone(), style))?;
        chart.draw_series(points.map(|point| Circle::new(point, 2, style.filled())))?;
    }
    Ok(())
}

/// Formats 25000 as 25k.
fn short(capacity: f64) -> String {
    if capacity >= 10_000.0 {
        format!("{}k", capacity / 1_000.0)
    } else {
        format!("{capacity}")
    }
}
