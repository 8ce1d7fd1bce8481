//! Draws the cost of a hit by the number of threads.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::combinators::BindKeyPoints as _;
use plotters::prelude::*;

use super::palette::{FAINT, INK, name, style, text};
use crate::measure::{Case, Contender, Report};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a panel for each type of keys and values.
pub(super) fn draw(hits: &Report, machine: &str, picture: &Path) -> Result<(), Box<dyn Error>> {
    let cases = hits.cases.iter().filter(|case| {
        case.circumstance("method") == "get"
            && case.circumstance("life") == "no TTL"
            && case.circumstance("popularity").starts_with("Zipf")
    });
    let cases: Vec<&Case> = cases.collect();
    let mut types: Vec<&str> = cases
        .iter()
        .map(|case| case.circumstance("types"))
        .collect();
    types.dedup();
    let size = (WIDTH * types.len() as u32, HEIGHT);
    let root = SVGBackend::new(picture, size).into_drawing_area();
    root.fill(&WHITE)?;
    let popularity = cases
        .first()
        .map_or("", |case| case.circumstance("popularity"));
    let title = format!("What a hit costs: {}, {popularity}", hits.work);
    root.draw_text(&title, &text(19, INK), (16, 14))?;
    root.draw_text(machine, &text(12, INK), (16, 40))?;
    let (_, panels) = root.split_vertically(58);
    for (panel, types) in panels.split_evenly((1, types.len())).iter().zip(types) {
        let cases = cases.iter().copied();
        let cases: Vec<&Case> = cases
            .filter(|case| case.circumstance("types") == types)
            .collect();
        draw_panel(panel, types, &cases)?;
    }
    root.present()?;
    Ok(())
}

const WIDTH: u32 = 560;
const HEIGHT: u32 = 500;

/// The figures of one contender, by the number of threads.
struct Line<'a> {
    contender: &'a Contender,
    points: Vec<(f64, f64)>,
}

fn lines<'a>(cases: &[&'a Case]) -> Vec<Line<'a>> {
    let contenders = cases.first().map_or(&[][..], |case| &case.rows);
    let line = |(index, row): (usize, &'a crate::measure::Row)| {
        let points = cases.iter().filter_map(|case| {
            let median = case.rows[index].samples.as_ref()?.median();
            Some((threads(case)?, median))
        });
        Line {
            contender: &row.contender,
            points: points.collect(),
        }
    };
    let lines = contenders.iter().enumerate().map(line);
    lines.filter(|line| !line.points.is_empty()).collect()
}

fn threads(case: &Case) -> Option<f64> {
    case.circumstance("threads").split(' ').next()?.parse().ok()
}

fn draw_panel(panel: &Area<'_>, types: &str, cases: &[&Case]) -> Result<(), Box<dyn Error>> {
    let lines = lines(cases);
    let figures = || {
        lines
            .iter()
            .flat_map(|line| &line.points)
            .map(|(_, figure)| *figure)
    };
    let least = figures().fold(f64::INFINITY, f64::min) / 1.3;
    let most = figures().fold(0.0, f64::max) * 1.3;
    let ticks: Vec<f64> = cases.iter().filter_map(|case| threads(case)).collect();
    let last = ticks.iter().copied().fold(0.0, f64::max);
    let threads = (0.95..last * 1.05).log_scale().with_key_points(ticks);
    let costs = (least..most)
        .log_scale()
        .with_key_points(steps(least, most));
    let mut chart = ChartBuilder::on(panel)
        .caption(types, text(15, INK))
        .margin(12)
        .margin_right(ROOM_FOR_NAMES)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(threads, costs)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .label_style(text(13, INK))
        .x_label_formatter(&|threads| format!("{threads}"))
        .y_label_formatter(&|cost| format!("{cost}"))
        .x_desc("threads")
        .y_desc("ns per hit and thread")
        .draw()?;
    // Drawn in reverse, so that this cache is on top.
    for line in lines.iter().rev() {
        let style = style(line.contender);
        let points = line.points.iter().copied();
        chart.draw_series(LineSeries::new(points.clone(), style))?;
        chart.draw_series(points.map(|point| Circle::new(point, 3, style.filled())))?;
    }
    let ends = lines.iter().filter_map(|line| {
        let (x, y) = chart.backend_coord(line.points.last()?);
        Some((x, y, line.contender))
    });
    draw_names(panel, ends.collect())?;
    Ok(())
}

const ROOM_FOR_NAMES: u32 = 170;

/// The values 1, 2, 5, 10, … between `least` and `most`.
fn steps(least: f64, most: f64) -> Vec<f64> {
    let decades = (0..6).map(|power| 10_f64.powi(power));
    let steps = decades.flat_map(|decade| [decade, 2.0 * decade, 5.0 * decade]);
    steps.filter(|step| (least..most).contains(step)).collect()
}

/// Draws the names at the ends of the lines, moved apart where they would overlap.
fn draw_names(
    panel: &Area<'_>,
    mut ends: Vec<(i32, i32, &Contender)>,
) -> Result<(), Box<dyn Error>> {
    const LINE: i32 = 16;
    ends.sort_by_key(|(_, y, _)| *y);
    let (left, top) = panel.get_base_pixel();
    let mut free = i32::MIN;
    for (x, y, contender) in ends {
        let y = y.max(free);
        free = y + LINE;
        let style = text(13, style(contender).color);
        panel.draw_text(&name(contender), &style, (x - left + 10, y - top - 7))?;
    }
    Ok(())
}
