//! Hit ratios, trace by trace, and their summary.

use std::io::{self, Write};

use comfy_table::Table;
use serde::{Deserialize, Serialize};

use crate::measure::{Contender, Goal, figures_to_the_right, table};

/// The hit ratios of all contenders on all traces.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct HitRatios {
    /// This cache is first. The last but one is LRU, and the last is the optimum.
    pub contenders: Vec<Contender>,
    /// The ratios of each trace.
    pub traces: Vec<Ratios>,
    /// The goals of this cache, and whether it meets them.
    pub goals: Vec<Goal>,
}

/// The hit ratios on one trace.
#[derive(Debug, Deserialize, Serialize)]
pub struct Ratios {
    /// The name of the trace.
    pub trace: String,
    /// The number of requests.
    pub requests: usize,
    /// The number of distinct keys.
    pub keys: usize,
    /// The capacities.
    pub capacities: Vec<usize>,
    /// For each contender, the hit ratio at each capacity, in percent.
    pub ratios: Vec<Vec<f64>>,
}

impl HitRatios {
    pub(super) fn new(contenders: Vec<Contender>, traces: Vec<Ratios>) -> Self {
        let mut ratios = Self {
            contenders,
            traces,
            goals: Vec::new(),
        };
        ratios.goals = ratios.goals();
        ratios
    }

    /// The share of the gap between LRU and the optimum that the contender closes, over all points,
    /// in percent.
    fn gap_closed(&self, contender: usize) -> f64 {
        let sum = |contender: usize| -> f64 {
            let of_trace = |trace: &Ratios| -> f64 { trace.ratios[contender].iter().sum() };
            self.traces.iter().map(of_trace).sum()
        };
        let (lru, optimum) = (sum(self.lru()), sum(self.optimum()));
        (sum(contender) - lru) / (optimum - lru) * 100.0
    }

    fn lru(&self) -> usize {
        self.contenders.len() - 2
    }

    fn optimum(&self) -> usize {
        self.contenders.len() - 1
    }

    /// The peer with the largest figure, and that figure.
    fn best_peer(&self, figure: impl Fn(usize) -> f64) -> Option<(&Contender, f64)> {
        let peers = self.contenders.iter().enumerate();
        let peers = peers.filter(|(_, contender)| contender.peer);
        let figures = peers.map(|(index, contender)| (contender, figure(index)));
        figures.max_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    fn goals(&self) -> Vec<Goal> {
        let best = self.best_peer(|peer| self.gap_closed(peer));
        let lead = best.map(|(_, best)| self.gap_closed(0) - best);
        let what = "points more of the gap between LRU and the optimum than the best peer closes";
        let worst = self.traces.iter().filter_map(|trace| {
            let (_, best) = self.best_peer(|peer| trace.mean(peer))?;
            Some(trace.mean(0) - best)
        });
        let worst = worst.min_by(f64::total_cmp);
        let least =
            "points beside the trace's best peer, in the mean over the capacities, on each trace";
        [
            Goal::at_least(8.0, what, lead),
            Goal::at_least(-1.5, least, worst),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Prints a table for each trace, and a summary.
    ///
    /// # Errors
    ///
    /// Returns an error if `to` cannot be written to.
    pub fn print(&self, mut to: impl Write) -> io::Result<()> {
        writeln!(to, "hitratio: hits in percent of the requests, by capacity")?;
        for trace in &self.traces {
            let (name, requests, keys) = (&trace.trace, trace.requests, trace.keys);
            writeln!(to, "\n{name}: {requests} requests, {keys} keys")?;
            writeln!(to, "{}", self.table_of(trace))?;
        }
        if !self.traces.is_empty() {
            writeln!(to, "\nall traces\n{}", self.summary())?;
        }
        for goal in &self.goals {
            writeln!(to, "{goal}")?;
        }
        Ok(())
    }

    fn table_of(&self, trace: &Ratios) -> Table {
        let capacities: Vec<_> = trace.capacities.iter().map(usize::to_string).collect();
        let header = capacities.iter().map(String::as_str);
        let header = std::iter::once("contender").chain(header);
        let mut table = table(header.chain(["mean", "of the gap closed"]));
        for (index, contender) in self.contenders.iter().enumerate() {
            let mut cells = vec![contender.name()];
            cells.extend(
                trace.ratios[index]
                    .iter()
                    .map(|ratio| format!("{ratio:.2}")),
            );
            cells.push(format!("{:.2}", trace.mean(index)));
            let (lru, optimum) = (trace.mean(self.lru()), trace.mean(self.optimum()));
            let closed = (trace.mean(index) - lru) / (optimum - lru) * 100.0;
            cells.push(format!("{closed:.1} %"));
            table.add_row(cells);
        }
        figures_to_the_right(&mut table);
        table
    }

    /// The gap that each contender closes, and this cache compared with the best peer, trace by
    /// trace.
    fn summary(&self) -> Table {
        let mut table = table([
            "",
            "of the gap closed",
            "best peer",
            "this cache beside it, points",
        ]);
        for (index, contender) in self.contenders.iter().enumerate() {
            let closed = self.gap_closed(index);
            table.add_row([contender.name(), format!("{closed:.1} %")]);
        }
        for trace in &self.traces {
            if let Some((peer, best)) = self.best_peer(|peer| trace.mean(peer)) {
                let beside = trace.mean(0) - best;
                let cells = [trace.trace.clone(), String::new(), peer.name()];
                table.add_row(cells.into_iter().chain([format!("{beside:+.2}")]));
            }
        }
        figures_to_the_right(&mut table);
        table
    }
}

impl Ratios {
    /// The mean over the capacities.
    fn mean(&self, contender: usize) -> f64 {
        let ratios = &self.ratios[contender];
        ratios.iter().sum::<f64>() / ratios.len() as f64
    }
}
