//! A notebook as a real run would leave it: prices of 13 years, two fits, three baselines, five sessions ahead.

use forge_core::history::*;

const HORIZON: usize = 5;

/// Dates and adjusted closes.
fn prices() -> (Vec<String>, Vec<f64>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/msft_daily.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let mut fields = line.split(',');
        (fields.next().unwrap().to_owned(), fields.next_back().unwrap().parse::<f64>().unwrap())
    };
    text.lines().skip(1).map(row).unzip()
}

/// Deterministic noise between -1 and 1.
fn noise(i: usize) -> f64 {
    ((i as f64 * 12.9898).sin() * 43758.5453).fract()
}

fn forecasts(
    name: &str,
    kind: ForecastKind,
    values: &[f64],
    start: usize,
    rule: impl Fn(usize, usize) -> f64,
) -> Forecasts {
    let origins: Vec<usize> = (start - 1..values.len() - HORIZON).collect();
    let steps = || origins.iter().flat_map(|&o| (0..HORIZON).map(move |h| (o, h)));
    Forecasts {
        name: name.into(),
        kind,
        part: Part::Test,
        targets: vec!["Adj Close".into()],
        horizon: HORIZON,
        actual: steps().map(|(o, h)| values[o + h + 1]).collect(),
        predicted: steps().map(|(o, h)| rule(o, h)).collect(),
        origins,
        quantiles: Vec::new(),
        intervals: Vec::new(),
    }
}

/// The first with quantiles and a calibrated interval, the second with an interval.
fn banded(mut all: Vec<Forecasts>) -> Vec<Forecasts> {
    for (n, f) in all.iter_mut().enumerate().take(2) {
        let shifted = |by: f64| f.predicted.iter().map(|v| v + by).collect::<Vec<f64>>();
        let quantile = |(level, by): (f64, f64)| QuantileForecast { level, values: shifted(by) };
        let interval = Interval { level: 80.0, low: shifted(-1.2), high: shifted(1.2) };
        if n == 0 {
            f.quantiles = [(0.05, -1.5), (0.5, 0.0), (0.95, 1.4)].map(quantile).to_vec();
        }
        f.intervals = vec![interval];
    }
    all
}

fn heatmap() -> Heatmap {
    let values = |by: f64| {
        (0..HORIZON).map(|h| (0..7).map(|d| (d > 0).then(|| by * (1 + h + d % 3) as f64)).collect()).collect()
    };
    Heatmap {
        metric: "mae".into(),
        x_title: "weekday".into(),
        y_title: "steps ahead".into(),
        x: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].map(String::from).to_vec(),
        y: (1..=HORIZON).map(|h| h.to_string()).collect(),
        layers: vec![
            HeatLayer { name: "lstm".into(), values: values(0.3) },
            HeatLayer { name: "last".into(), values: values(0.4) },
        ],
    }
}

/// As of `forge run --profile`: one cell that reads, one that trains.
fn profile() -> RunProfile {
    let cost = |calls: u64, seconds: f64, flops: f64| Cost { calls, seconds, flops, bytes: 2e9 * seconds };
    let row = |stage: &str, layer: &str, operation: &str, forward: Cost, backward: Cost| ProfileRow {
        stage: stage.into(),
        layer: layer.into(),
        operation: operation.into(),
        forward,
        backward,
        allocated_bytes: 40_000_000,
        peak_bytes: 3_200_000,
    };
    let none = Cost::default();
    let rows = vec![
        row("data", "", "", cost(2130, 0.61, 0.0), none),
        row("data", "", "index_select", cost(4260, 0.35, 0.0), none),
        row("", "lstm", "", cost(2130, 0.21, 0.0), none),
        row("", "lstm", "lstm", cost(2130, 7.3, 4.1e11), cost(2130, 11.9, 8.3e11)),
        row("", "dropout", "mul", cost(2130, 0.3, 0.0), cost(2130, 0.2, 0.0)),
        row("", "head", "linear + relu", cost(2130, 0.9, 2.2e10), cost(2130, 1.4, 4.4e10)),
        row("loss", "", "square", cost(2130, 0.2, 0.0), cost(2130, 0.1, 0.0)),
        row("gradients", "", "", cost(4260, 0.4, 0.0), none),
        row("optimizer", "", "", cost(2130, 1.7, 0.0), none),
        row("validation", "lstm", "lstm", cost(330, 1.1, 6.3e10), none),
        row("callbacks", "", "", cost(60, 0.05, 0.0), none),
        row("callbacks/checkpoint", "", "", cost(42, 1.2, 0.0), none),
        row("callbacks/prediction", "lstm", "lstm", cost(330, 1.1, 6.3e10), none),
    ];
    let cell = |id: &str, actions: &[&str], seconds: f64, rows: Vec<ProfileRow>| CellProfile {
        id: id.into(),
        actions: actions.iter().map(|a| a.to_string()).collect(),
        cpu_seconds: Some(1.8 * seconds),
        resident_bytes: Some(88_000_000),
        profile: Profile { seconds, allocated_bytes: 480_000_000, peak_bytes: 3_200_000, rows },
    };
    RunProfile::new(
        2,
        vec![cell("prices", &["data"], 1.9, Vec::new()), cell("lstm", &["model", "train"], 29.4, rows)],
    )
}

fn score(f: &Forecasts, scale: f64) -> Score {
    let errors = |step: Option<usize>| -> Vec<f64> {
        (0..f.actual.len())
            .filter(|i| step.is_none_or(|s| i % HORIZON == s))
            .map(|i| f.actual[i] - f.predicted[i])
            .collect()
    };
    let mae = |e: &[f64]| e.iter().map(|e| e.abs()).sum::<f64>() / e.len() as f64;
    let rmse = |e: &[f64]| (e.iter().map(|e| e * e).sum::<f64>() / e.len() as f64).sqrt();
    let of_steps =
        |metric: &dyn Fn(&[f64]) -> f64| (0..HORIZON).map(|s| Some(metric(&errors(Some(s))))).collect();
    let all = errors(None);
    let hits = (0..f.actual.len()).filter(|&i| {
        let last = if i < HORIZON { return false } else { f.actual[i - HORIZON] };
        (f.predicted[i] - last) * (f.actual[i] - last) > 0.0
    });
    let direction = (f.name != "last").then(|| hits.count() as f64 / f.actual.len() as f64);
    Score {
        metrics: vec![
            ("mae".into(), Some(mae(&all))),
            ("rmse".into(), Some(rmse(&all))),
            ("mase".into(), Some(mae(&all) / scale)),
            ("direction".into(), direction),
        ],
        by_step: vec![("mae".into(), of_steps(&mae)), ("rmse".into(), of_steps(&rmse))],
        ..Score::of(f)
    }
}

fn fit(name: &str, model: &str, parameters: usize, epochs: usize, speed: f64) -> FitHistory {
    let record = |epoch: usize| {
        let fall = (-(epoch as f64) * speed).exp();
        let over = (epoch as f64 - epochs as f64 * 0.6).max(0.0) * 0.0015;
        let shaken = 0.006 * noise(epoch * 7 + parameters);
        EpochRecord {
            epoch,
            step: (epoch as u64 + 1) * 71,
            seconds: 0.55,
            learning_rate: 0.001,
            metrics: vec![
                ("train.loss".into(), 0.92 + 0.3 * fall - epoch as f64 * 0.0006),
                ("val.loss".into(), 0.97 + 0.22 * fall + over + shaken),
                ("val.mase".into(), 1.03 + 0.15 * fall + over + shaken),
            ],
        }
    };
    let records: Vec<EpochRecord> = (0..epochs).map(record).collect();
    let mase = |e: &EpochRecord| e.metric("val.mase").unwrap();
    let best = records.iter().min_by(|a, b| mase(a).total_cmp(&mase(b))).map(|e| e.epoch);
    FitHistory {
        name: name.into(),
        model: model.into(),
        parameters,
        epochs: records,
        monitor: Some("val.mase".into()),
        best_epoch: best,
        stop: StopReason::Callback { message: "no better val.mase for 8 epochs".into() },
        seconds: 0.55 * epochs as f64,
    }
}

fn cell(
    id: &str,
    actions: &[&str],
    line: usize,
    source: &str,
    state: CellState,
    outputs: Vec<Output>,
) -> CellRecord {
    CellRecord {
        id: id.into(),
        actions: actions.iter().map(|a| (*a).to_owned()).collect(),
        source: source.into(),
        line: Some(line),
        state,
        outputs,
    }
}

fn prose(id: &str, line: usize, markdown: &str) -> CellRecord {
    let source = format!("- md: {markdown}");
    let outputs = vec![Output::Prose { markdown: markdown.into() }];
    cell(id, &[], line, &source, CellState::Ran { seconds: 0.0 }, outputs)
}

/// The notebook.
pub fn notebook() -> Notebook {
    let (dates, values) = prices();
    let n = values.len();
    let (train, test) = (n * 7 / 10, n * 8 / 10);
    let axis = TimeAxis::Times { labels: dates.clone() };
    let scale = values[..train].windows(2).map(|w| (w[1] - w[0]).abs()).sum::<f64>() / (train - 1) as f64;
    let drift = (values[train - 1] - values[0]) / (train - 1) as f64;

    let all = vec![
        forecasts("lstm", ForecastKind::Fit, &values, test, |o, h| values[o] + 0.12 * noise(o * 5 + h)),
        forecasts("linear", ForecastKind::Fit, &values, test, |o, h| {
            values[o] + 0.3 * (values[o] - values[o - 3]) + 0.05 * noise(o + h)
        }),
        forecasts("last", ForecastKind::Baseline, &values, test, |o, _| values[o]),
        forecasts("drift", ForecastKind::Baseline, &values, test, |o, h| values[o] + drift * (h + 1) as f64),
        forecasts("seasonal(5)", ForecastKind::Baseline, &values, test, |o, h| values[o + h + 1 - 5]),
    ];
    let metrics = ["mae", "rmse", "mase"];
    let definition = |m: &str, text: &str| (m.to_owned(), text.to_owned());
    let table = SkillTable {
        part: Part::Test,
        targets: n - test,
        horizon: HORIZON,
        season: "1 (sessions)".into(),
        mase_scale: Some(scale),
        reference: metrics.iter().map(|m| ((*m).to_owned(), "last".to_owned())).collect(),
        scores: all.iter().map(|f| score(f, scale)).collect(),
        definitions: vec![
            definition("mae", "mean absolute error over windows and steps"),
            definition(
                "rmse",
                "root of the mean squared error over windows and steps; the root is taken last",
            ),
            definition("mase", "mae over the mean absolute seasonal difference of the train part"),
            definition(
                "direction",
                "share of forecasts whose sign of change is right; no change counts as a miss",
            ),
        ],
    };
    let skill = table.skill("lstm", "rmse", "last").unwrap();
    let rmse = table.score("lstm").unwrap().metric("rmse").unwrap();

    let steps: Vec<f64> = values[..train].windows(2).map(|w| (w[1] / w[0]).ln()).collect();
    let mean = steps.iter().sum::<f64>() / steps.len() as f64;
    let square: f64 = steps.iter().map(|v| (v - mean).powi(2)).sum();
    let lag =
        |k: usize| steps.iter().zip(&steps[k..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / square;
    let overview = SeriesOverview {
        name: "Adj Close".into(),
        unit: "USD".into(),
        axis: axis.clone(),
        values: values.iter().enumerate().map(|(i, v)| (!(1200..1290).contains(&i)).then_some(*v)).collect(),
        parts: [(0, train), (train, test), (test, n)],
        autocorrelation: (1..=30).map(lag).collect(),
        transform: "log → diff → standardize".into(),
    };
    let cached =
        CellState::Cached { made: "2026-11-23T02:14:55Z".into(), key: "9f2c41d0e1b7a35577aa".into() };
    let mut notebook = Notebook::new("MSFT close, five sessions ahead");
    notebook.verdict = Some(Verdict {
        level: Level::Warning,
        text: format!(
            "lstm: test RMSE {rmse:.3}, no better than repeating the last value (skill {:.1} %)",
            skill * 100.0
        ),
    });
    let claim =
        |claim: &str, held, found: &str| AssertOutcome { claim: claim.into(), held, found: found.into() };
    notebook.asserts = vec![
        claim("score.result.lstm.rmse < 2.0", true, &format!("found {rmse:.4}")),
        claim("score.result.lstm.skill.rmse > 0", false, &format!("found {skill:.4}")),
    ];
    notebook.facts = vec![
        Fact::new("data", "msft_daily.csv").detail("blake3 5d1f0c77"),
        Fact::new("rows", "3,270"),
        Fact::new("dates", "2000-03-01 to 2013-03-01"),
        Fact::new("device", "cpu, 2 threads"),
        Fact::new("time", "52.4 s"),
        Fact::new("seed", "42"),
        Fact::new("version", "0.1.0").detail("git 4c1e9a2, clean"),
    ];
    notebook.notices = vec![
        Notice { code: "L09".into(), level: Level::Note, text: "The best correlation with what happened is at a shift of one step: the forecast follows the last value.".into() },
        Notice { code: "L13".into(), level: Level::Warning, text: "The test part is calmer than the train part: the spread of log → diff is 0.62 of that of the train part.".into() },
    ];
    notebook.cells = vec![
        prose(
            "md",
            8,
            "## Question\n\nDoes a small LSTM beat *\"the next five closes equal today's\"*? Prices are close to a random walk, so the honest expectation is **no**:\n\n- a fit that wins by much is a leak until proven otherwise,\n- a fit that loses has learnt noise.\n",
        ),
        cell(
            "prices",
            &["data", "check"],
            12,
            "- id: prices\n  data: {csv: data/msft_daily.csv, time: Date, freq: sessions}     # the rows are the calendar\n  check: {min_rows: 1000, duplicates: error}",
            CellState::Ran { seconds: 0.021 },
            vec![
                Output::Table {
                    table: Table {
                        caption: "Columns".into(),
                        head: ["column", "kind", "missing", "mean"].map(String::from).to_vec(),
                        rows: vec![
                            ["Adj Close", "number", "90", "24.61"].map(String::from).to_vec(),
                            ["Volume", "number", "0", "58,102,334"].map(String::from).to_vec(),
                        ],
                        numeric: 2,
                    },
                },
                Output::DataOverview { overview },
            ],
        ),
        cell(
            "window",
            &["window"],
            22,
            "- id: window\n  window: {lookback: 60, horizon: 5}",
            cached.clone(),
            vec![Output::Facts {
                facts: vec![
                    Fact::new("train windows", "2,225"),
                    Fact::new("val windows", "327"),
                    Fact::new("test windows", "650"),
                    Fact::new("input", "[60, 3]").detail("past target, Volume, missing mask"),
                ],
            }],
        ),
        cell(
            "lstm",
            &["model", "train"],
            28,
            "- id: lstm\n  model: {lstm: {hidden: 64, layers: 1, dropout: 0.1}}\n  train: {epochs: 75, batch: 32, optimizer: {adam: {lr: 0.001}}, loss: mse}",
            CellState::Ran { seconds: 41.3 },
            vec![Output::LearningCurves {
                fits: vec![
                    fit("lstm", "lstm(hidden 64, layers 1)", 17_989, 48, 0.11),
                    fit("linear", "nlinear", 305, 20, 0.35),
                ],
            }],
        ),
        cell(
            "score",
            &["evaluate"],
            38,
            "- id: score\n  evaluate: {fits: [lstm, linear], part: test, metrics: [mae, rmse, mase, direction]}",
            cached,
            vec![
                Output::from(table.clone()),
                Output::Forecast { axis: axis.clone(), forecasts: banded(all.clone()) },
                Output::Residuals { axis, forecasts: all },
                Output::ErrorByHorizon { table },
                Output::Heatmap { heatmap: heatmap() },
                Output::Asserts { outcomes: vec![claim("score.result.lstm.mae < 1", true, "found 0.55")] },
            ],
        ),
        prose(
            "md-2",
            46,
            "### What this says\n\nNo fit beats the last value by more than chance. See [the scores](#cell-score).",
        ),
        cell(
            "next",
            &["forecast"],
            50,
            "- id: next\n  forecast: {next: horizon, fit: lstm}",
            CellState::Failed {
                message: "no last window: the last 2 rows have no value\nmend: fill them in `clean`".into(),
            },
            vec![],
        ),
        cell("shown", &["show"], 52, "- show: [forecast]", CellState::Skipped, vec![]),
        cell(
            "given",
            &["show"],
            55,
            "",
            CellState::Ran { seconds: 0.003 },
            vec![Output::Plotly {
                title: "Volume by weekday".into(),
                figure: serde_json::json!({"data": [{"type": "bar", "x": ["Mon", "Tue", "Wed", "Thu", "Fri"], "y": [52.1, 58.4, 60.0, 61.2, 59.9]}], "layout": {"yaxis": {"title": {"text": "million shares"}}}}),
            }],
        ),
    ];
    notebook.sources = vec![SourceRecord {
        location: "data/msft_daily.csv".into(),
        digest: "5d1f0c77a0b4c81e5ad9e0b6f03bb2a1f1c1b2c5d39c2a9d8d1a5e0f7c6b4a39".into(),
        bytes: 212_345,
        rows: n,
        columns: ["Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"].map(String::from).to_vec(),
        range: Some((dates[0].clone(), dates[n - 1].clone())),
        missing: 90,
    }];
    notebook.environment = vec![
        Fact::new("azuraforge", "0.1.0"),
        Fact::new("machine", "Linux x86-64, AVX-512"),
        Fact::new("threads", "2"),
        Fact::new("seed", "42"),
    ];
    notebook.profile = Some(profile());
    notebook.resolved_spec = "forge: 1\ntitle: MSFT close, five sessions ahead\ntask: forecast\nseed: 42\ndevice: cpu           # auto\ncells:\n  - id: prices\n    data:\n      csv: data/msft_daily.csv\n      time: Date\n      freq: sessions\n".into();
    notebook.reproduce = "forge run stock.yaml -s seed=42 -s device=cpu --threads 2".into();
    notebook
}
