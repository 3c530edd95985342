//! What runs with several seeds have in common: means, standard deviations, and a notebook of them all.

use super::seeds::ran;
use super::verdict;
use crate::failure::Failure;
use crate::run::{Metrics, RunDir, RunEvent};
use crate::spec::Spec;
use forge_core::history::{
    CellRecord, CellState, FitHistory, ForecastKind, Level, Notebook, Notice, Output, Score, SkillTable,
    Table,
};

/// A finished run of one seed.
pub(super) struct Seed {
    pub seed: u64,
    pub dir: RunDir,
    pub notebook: Notebook,
    /// Every result by address.
    results: Metrics,
}

impl Seed {
    /// Reads what the run left, so that one that an earlier process finished counts in the same way.
    pub fn read(seed: u64, dir: RunDir) -> Result<Self, Failure> {
        let mut results = Metrics::new();
        for line in dir.events()? {
            if let RunEvent::Metric { id, name, value } = line.event {
                results.insert(format!("{id}.{name}"), value);
            }
        }
        Ok(Seed { seed, notebook: dir.notebook()?, dir, results })
    }
}

/// Means and standard deviations over seeds.
pub(super) struct Spread {
    /// The mean of every result; undefined where it is so with one of the seeds.
    pub means: Metrics,
    /// Its sample standard deviation (by n − 1).
    pub deviations: Metrics,
}

/// Mean and sample standard deviation; none where one of the values is missing.
fn moments(values: &[Option<f64>]) -> (Option<f64>, Option<f64>) {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    if known.len() < values.len() || known.is_empty() {
        return (None, None);
    }
    let n = known.len() as f64;
    // Equal values have themselves as the mean, without rounding.
    let first = known[0];
    let mean = first + known.iter().map(|v| v - first).sum::<f64>() / n;
    let square = known.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (Some(mean), (known.len() > 1).then(|| (square / (n - 1.0)).sqrt()))
}

impl Spread {
    /// Of all results that any of the runs has.
    pub fn of(runs: &[Seed]) -> Self {
        let mut spread = Spread { means: Metrics::new(), deviations: Metrics::new() };
        for address in runs.iter().flat_map(|run| run.results.keys()) {
            if spread.means.contains_key(address) {
                continue;
            }
            let values: Vec<Option<f64>> =
                runs.iter().map(|run| run.results.get(address).copied().flatten()).collect();
            let (mean, deviation) = moments(&values);
            spread.means.insert(address.clone(), mean);
            spread.deviations.insert(address.clone(), deviation);
        }
        spread
    }

    /// The last table of scores, of means.
    pub fn table(&self, runs: &[Seed]) -> Option<SkillTable> {
        let of = |run: &Seed| {
            run.notebook.cells.iter().flat_map(|cell| &cell.outputs).rev().find_map(|output| match output {
                Output::SkillTable { table } => Some(table.clone()),
                _ => None,
            })
        };
        let tables: Vec<SkillTable> = runs.iter().filter_map(of).collect();
        mean_table(&tables.iter().collect::<Vec<_>>())
    }

    /// What a verdict on means adds: of how many, and how far they are apart.
    pub fn beside_verdict(&self, table: &SkillTable, count: usize) -> String {
        let deviation = verdict::subject(table).and_then(|(fit, metric)| {
            let own = |address: &&String| address.ends_with(&format!(".result.{fit}.{metric}"));
            let address = self.deviations.keys().find(own)?;
            Some((metric, (*self.deviations.get(address)?)?))
        });
        let apart = deviation
            .map(|(metric, d)| format!(", {} ± {}", metric.to_uppercase(), verdict::digits(d)))
            .unwrap_or_default();
        format!(" (means of {count} seeds{apart})")
    }

    /// A notebook of them all: scores are means, learning curves those of every seed, prose is filled in with means; all
    /// other tables and figures are those of the first seed, which a note says.
    pub fn notebook(&self, runs: &[Seed], spec: &Spec, title: &str) -> Notebook {
        let mut notebook = Notebook::new(title);
        let Some(first) = runs.first() else { return notebook };
        notebook.sources.clone_from(&first.notebook.sources);
        for notice in runs.iter().flat_map(|run| &run.notebook.notices) {
            if !notebook.notices.contains(notice) {
                notebook.notices.push(notice.clone());
            }
        }
        let text = format!(
            "scores are means of {} seeds; forecasts and other tables are those of seed {}",
            runs.len(),
            first.seed
        );
        notebook.notices.push(Notice { code: String::new(), level: Level::Note, text });
        for (n, cell) in first.notebook.cells.iter().enumerate() {
            let same: Vec<&CellRecord> = runs.iter().filter_map(|run| run.notebook.cells.get(n)).collect();
            let output = |(o, output): (usize, &Output)| {
                let alike: Vec<&Output> = same.iter().filter_map(|cell| cell.outputs.get(o)).collect();
                self.merged(output, &alike, runs, spec, &cell.id)
            };
            let seconds = same.iter().map(|cell| ran(&cell.state)).sum();
            let state = match &cell.state {
                CellState::Ran { .. } => CellState::Ran { seconds },
                other => other.clone(),
            };
            let outputs = cell.outputs.iter().enumerate().map(output).collect();
            notebook.cells.push(CellRecord { state, outputs, ..cell.clone() });
        }
        let prose = notebook.cells.iter().take_while(|cell| cell.actions.is_empty()).count();
        notebook.cells.insert(prose, self.cell(runs));
        notebook
    }

    fn merged(&self, first: &Output, alike: &[&Output], runs: &[Seed], spec: &Spec, cell: &str) -> Output {
        match first {
            Output::SkillTable { .. } | Output::ErrorByHorizon { .. } => {
                let table = |output: &&Output| match output {
                    Output::SkillTable { table } | Output::ErrorByHorizon { table } => Some(table.clone()),
                    _ => None,
                };
                let tables: Vec<SkillTable> = alike.iter().filter_map(table).collect();
                match (mean_table(&tables.iter().collect::<Vec<_>>()), first) {
                    (Some(table), Output::SkillTable { .. }) => Output::SkillTable { table },
                    (Some(table), _) => Output::ErrorByHorizon { table },
                    (None, first) => first.clone(),
                }
            }
            Output::LearningCurves { .. } => {
                let of = |(output, run): (&&Output, &Seed)| -> Vec<FitHistory> {
                    let Output::LearningCurves { fits } = output else { return Vec::new() };
                    let named = |fit: &FitHistory| format!("{} (seed {})", fit.name, run.seed);
                    fits.iter().map(|fit| FitHistory { name: named(fit), ..fit.clone() }).collect()
                };
                Output::LearningCurves { fits: alike.iter().zip(runs).flat_map(of).collect() }
            }
            Output::Prose { .. } => {
                let lookup =
                    |address: &str| Some(self.means.get(address).copied().flatten().unwrap_or(f64::NAN));
                let filled = spec.cell(cell).and_then(|cell| spec.prose(cell, lookup).ok());
                filled.map_or_else(|| first.clone(), |markdown| Output::Prose { markdown })
            }
            other => other.clone(),
        }
    }

    /// The cell that shows the seeds side by side, with the way to the report of each.
    fn cell(&self, runs: &[Seed]) -> CellRecord {
        let baselines: Vec<&str> = runs
            .iter()
            .take(1)
            .flat_map(|run| &run.notebook.cells)
            .flat_map(|cell| &cell.outputs)
            .filter_map(|output| if let Output::SkillTable { table } = output { Some(table) } else { None })
            .flat_map(|table| &table.scores)
            .filter(|score| score.kind == ForecastKind::Baseline)
            .map(|score| score.name.as_str())
            .collect();
        // The rules that learn nothing are the same with every seed.
        let of_baseline = |address: &str| {
            let name = address.split_once(".result.").map_or("", |(_, rest)| rest);
            baselines.iter().any(|b| name.strip_prefix(b).is_some_and(|rest| rest.starts_with('.')))
        };
        let words = |value: Option<f64>| value.map_or("–".to_string(), verdict::digits);
        let row = |(address, mean): (&String, &Option<f64>)| {
            let deviation = self.deviations.get(address).copied().flatten();
            let own = runs.iter().map(|run| words(run.results.get(address).copied().flatten()));
            [address.clone(), words(*mean), words(deviation)].into_iter().chain(own).collect()
        };
        let means = super::execute::headline(self.means.clone());
        let rows = means.iter().filter(|(address, _)| !of_baseline(address)).map(row).collect();
        let mut head = ["result", "mean", "standard deviation"].map(String::from).to_vec();
        head.extend(runs.iter().map(|run| format!("seed {}", run.seed)));
        let caption = format!("Results of {} seeds: mean, sample standard deviation, and each", runs.len());
        let links = runs.iter().map(|run| format!("seed {} in `../{}/report.html`", run.seed, run.dir.id()));
        let markdown = format!("Each seed has a report of its own: {}", links.collect::<Vec<_>>().join(", "));
        CellRecord {
            id: "seeds".into(),
            actions: vec!["seeds".into()],
            source: String::new(),
            line: None,
            state: CellState::Ran { seconds: 0.0 },
            outputs: vec![
                Output::Table { table: Table { caption, head, rows, numeric: 1 } },
                Output::Prose { markdown },
            ],
        }
    }
}

/// A table of the means of tables of the same fits and baselines.
fn mean_table(tables: &[&SkillTable]) -> Option<SkillTable> {
    let mut mean: SkillTable = (*tables.first()?).clone();
    for (n, score) in mean.scores.iter_mut().enumerate() {
        let same: Vec<&Score> = tables.iter().filter_map(|table| table.scores.get(n)).collect();
        for (m, (_, value)) in score.metrics.iter_mut().enumerate() {
            let values: Vec<Option<f64>> =
                same.iter().map(|s| s.metrics.get(m).and_then(|(_, v)| *v)).collect();
            *value = moments(&values).0;
        }
        for (m, (_, steps)) in score.by_step.iter_mut().enumerate() {
            for (h, value) in steps.iter_mut().enumerate() {
                let at = |s: &&Score| s.by_step.get(m).and_then(|(_, steps)| steps.get(h).copied().flatten());
                *value = moments(&same.iter().map(at).collect::<Vec<_>>()).0;
            }
        }
    }
    Some(mean)
}

#[cfg(test)]
mod tests {
    use super::moments;

    #[test]
    fn moments_of_a_sample() {
        let (mean, deviation) = moments(&[Some(2.0), Some(4.0), Some(9.0)]);
        assert_eq!(mean, Some(5.0));
        // 9 + 1 + 16, by 2.
        assert!((deviation.unwrap() - 13.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(moments(&[Some(0.1); 3]), (Some(0.1), Some(0.0)));
        assert_eq!(moments(&[Some(0.1), None]), (None, None), "undefined with one seed is undefined");
        assert_eq!(moments(&[]), (None, None));
    }
}
