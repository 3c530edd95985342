use super::NamedFigure;
use super::canvas::{Canvas, escape};
use super::palette::{BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, SKY, VERMILLION};
use crate::ReportError;
use crate::number::rounded;
use crate::profile::{BETWEEN, REST, seconds_of, stage};
use forge_core::history::{Cost, ProfileRow, RunProfile};
use serde_json::json;

/// Colours of the operations that take longest; of all others, the muted one.
const COLOURS: [&str; 7] = [BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, MUTED];
/// How much of its colour a block has: an operation, a stage or layer. The text over both is that of the page.
const TINT: &str = "70";
const FAINT: &str = "26";

/// A block: an operation, or what contains some.
struct Block {
    id: String,
    parent: String,
    label: String,
    /// Of its own; those that contain others have none.
    own: f64,
    total: f64,
    colour: String,
    hover: String,
}

/// Where the time of a run went, as blocks: each as wide as the time it took, inside what it is part of.
pub(super) fn draw(profile: &RunProfile) -> Result<Option<NamedFigure>, ReportError> {
    if profile.seconds <= 0.0 {
        return Ok(None);
    }
    let operations = by_time(profile);
    let mut blocks: Vec<Block> = Vec::new();
    add(&mut blocks, "", "run", 0.0, MUTED, FAINT, String::new());
    for (number, cell) in profile.cells.iter().enumerate() {
        let home = add(&mut blocks, "run", &format!("{number}"), 0.0, MUTED, FAINT, cell.id.clone());
        for row in &cell.profile.rows {
            let mut at = home.clone();
            let parts = stage(row).split('/').chain(row.layer.split('.').filter(|name| !name.is_empty()));
            for part in parts {
                at = add(&mut blocks, &at, part, 0.0, MUTED, FAINT, part.to_owned());
            }
            operation(&mut blocks, &at, row, colour(&operations, &row.operation));
        }
        add(&mut blocks, &home, REST, cell.profile.unexplained(), MUTED, FAINT, REST.to_owned());
    }
    sum(&mut blocks);
    // Too thin to be seen or hit; the tables have them.
    let least = profile.seconds / 5000.0;
    blocks.retain(|block| block.total >= least);
    if let Some(run) = blocks.first_mut() {
        run.label = format!("run, {}", seconds_of(run.total));
    }
    let share = |block: &Block| format!("{:.1}\u{202f}%", 100.0 * block.total / profile.seconds);
    let hover = |b: &Block| {
        format!("<b>{}</b><br>{}, {}{}", escape(&b.label), seconds_of(b.total), share(b), b.hover)
    };
    let mut canvas = Canvas::new(460);
    canvas.set("margin", json!({"l": 6, "r": 6, "t": 8, "b": 8}));
    canvas.trace(&json!({
        "type": "icicle", "branchvalues": "remainder", "name": "seconds",
        "ids": blocks.iter().map(|b| &b.id).collect::<Vec<_>>(),
        "parents": blocks.iter().map(|b| &b.parent).collect::<Vec<_>>(),
        "labels": blocks.iter().map(|b| escape(&b.label)).collect::<Vec<_>>(),
        "values": blocks.iter().map(|b| rounded(b.own)).collect::<Vec<_>>(),
        "text": blocks.iter().map(share).collect::<Vec<_>>(),
        "hovertext": blocks.iter().map(hover).collect::<Vec<_>>(),
        "hoverinfo": "text", "textinfo": "label+text",
        "tiling": {"orientation": "v", "pad": 1}, "pathbar": {"thickness": 22, "textfont": {"color": INK}},
        "marker": {"colors": blocks.iter().map(|b| &b.colour).collect::<Vec<_>>(), "line": {"width": 0}},
        "textfont": {"color": INK}, "insidetextfont": {"color": INK},
        "sort": true,
    }))?;
    canvas.set("hovermode", json!("closest"));
    let caption = format!(
        "From the top: run, cell, stage, layers, operation, and its two directions. Each block is as wide as the time it took; \
         a click on one shows it alone. In colour are the operations that took longest{}.",
        legend(&operations)
    );
    Ok(Some(canvas.finish("profile", "Where the time went".into(), caption)))
}

/// The names of the operations by their time in the whole run.
fn by_time(profile: &RunProfile) -> Vec<(String, f64)> {
    let mut known: Vec<(String, f64)> = Vec::new();
    for row in
        profile.cells.iter().flat_map(|cell| &cell.profile.rows).filter(|row| !row.operation.is_empty())
    {
        let seconds = row.total().seconds;
        match known.iter_mut().find(|(name, _)| *name == row.operation) {
            Some((_, sum)) => *sum += seconds,
            None => known.push((row.operation.clone(), seconds)),
        }
    }
    known.sort_by(|a, b| b.1.total_cmp(&a.1));
    known
}

fn colour(operations: &[(String, f64)], operation: &str) -> &'static str {
    let rank = operations.iter().position(|(name, _)| name == operation);
    COLOURS.get(rank.unwrap_or(usize::MAX)).copied().unwrap_or(MUTED)
}

fn legend(operations: &[(String, f64)]) -> String {
    let names: Vec<&str> = operations.iter().take(COLOURS.len() - 1).map(|(name, _)| &**name).collect();
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
}

/// Adds a block below `parent`, or time to one that is there, and gives its id.
fn add(
    blocks: &mut Vec<Block>,
    parent: &str,
    part: &str,
    own: f64,
    colour: &str,
    tint: &str,
    label: String,
) -> String {
    let id = if parent.is_empty() { part.to_owned() } else { format!("{parent}/{part}") };
    match blocks.iter_mut().find(|block| block.id == id) {
        Some(block) => block.own += own,
        None => blocks.push(Block {
            id: id.clone(),
            parent: parent.to_owned(),
            label,
            own,
            total: 0.0,
            colour: format!("{colour}{tint}"),
            hover: String::new(),
        }),
    }
    id
}

fn operation(blocks: &mut Vec<Block>, at: &str, row: &ProfileRow, colour: &str) {
    if row.operation.is_empty() {
        add(blocks, at, BETWEEN, row.total().seconds, MUTED, FAINT, BETWEEN.to_owned());
        return;
    }
    // A layer may have the name of its operation.
    let part = format!("{} ", row.operation);
    if row.backward.calls == 0 {
        let id = add(blocks, at, &part, row.forward.seconds, colour, TINT, row.operation.clone());
        describe(blocks, &id, row.forward);
        return;
    }
    let id = add(blocks, at, &part, 0.0, colour, TINT, row.operation.clone());
    describe(blocks, &id, row.total());
    for (direction, cost) in [("forward", row.forward), ("backward", row.backward)] {
        let id = add(blocks, &id, direction, cost.seconds, colour, TINT, direction.to_owned());
        describe(blocks, &id, cost);
    }
}

fn describe(blocks: &mut [Block], id: &str, cost: Cost) {
    let Some(block) = blocks.iter_mut().find(|block| block.id == id) else { return };
    block.hover = format!("<br>{} calls", cost.calls);
    for (rate, unit) in [(cost.gflops(), "GFLOP/s"), (cost.gigabytes(), "GB/s")] {
        if let Some(rate) = rate {
            block.hover += &format!("<br>{rate:.1} {unit}");
        }
    }
}

/// Fills in the totals. A block stands after the one that it is part of.
fn sum(blocks: &mut [Block]) {
    for i in (0..blocks.len()).rev() {
        let (before, rest) = blocks.split_at_mut(i);
        let Some(block) = rest.first_mut() else { continue };
        block.total += block.own;
        if let Some(parent) = before.iter_mut().find(|parent| parent.id == block.parent) {
            parent.total += block.total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge_core::history::{CellProfile, Profile};

    fn cost(seconds: f64) -> Cost {
        Cost { calls: 1, seconds, flops: seconds * 5e10, bytes: 0.0 }
    }

    fn row(stage: &str, layer: &str, operation: &str, forward: f64, backward: f64) -> ProfileRow {
        let backward = if backward > 0.0 { cost(backward) } else { Cost::default() };
        let (stage, layer, operation) = (stage.into(), layer.into(), operation.into());
        ProfileRow { stage, layer, operation, forward: cost(forward), backward, ..ProfileRow::default() }
    }

    fn run(rows: Vec<ProfileRow>) -> RunProfile {
        let profile = Profile { seconds: 10.0, rows, ..Profile::default() };
        let (cpu_seconds, resident_bytes) = (None, None);
        let cell =
            CellProfile { id: "fit".into(), actions: Vec::new(), cpu_seconds, resident_bytes, profile };
        RunProfile::new(1, vec![cell])
    }

    #[test]
    fn blocks_nest_and_no_time_is_lost() {
        let rows = vec![
            row("", "lstm", "lstm", 2.0, 4.0),
            row("", "lstm", "", 0.5, 0.0),
            row("callbacks/prediction", "lstm", "lstm", 1.0, 0.0),
            row("optimizer", "", "", 1.5, 0.0),
            row("", "head", "tiny", 1e-6, 0.0),
        ];
        let figure = draw(&run(rows)).unwrap().unwrap();
        let trace = &figure.json["data"][0];
        let texts = |key: &str| -> Vec<&str> {
            trace[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
        };
        let (ids, parents) = (texts("ids"), texts("parents"));
        let values: Vec<f64> =
            trace["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!((values.iter().sum::<f64>() - 10.0).abs() < 1e-5, "{values:?}");
        for parent in &parents[1..] {
            assert!(ids.contains(parent), "{parent} in {ids:?}");
        }
        let value = |id: &str| values[ids.iter().position(|i| *i == id).unwrap()];
        assert_eq!(value("run/0/model/lstm/lstm /backward"), 4.0);
        assert_eq!(value("run/0/callbacks/prediction/lstm/lstm "), 1.0);
        assert_eq!(value("run/0/optimizer/own work"), 1.5);
        assert!((value("run/0/not in any row") - 1.0).abs() < 1e-5);
        assert!(!ids.iter().any(|id| id.contains("tiny")), "too thin");
        assert_eq!(texts("labels")[0], "run, 10.0 s");
        assert!(texts("hovertext").iter().any(|text| text.contains("50.0 GFLOP/s")));
    }

    #[test]
    fn a_run_that_took_no_time_is_not_drawn() {
        assert_eq!(draw(&RunProfile::new(1, Vec::new())).unwrap(), None);
    }
}
