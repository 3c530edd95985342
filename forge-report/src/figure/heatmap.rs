use super::NamedFigure;
use super::canvas::{Canvas, escape};
use crate::ReportError;
use crate::number::{counted, rounded};
use forge_core::history::{HeatLayer, Heatmap};
use serde_json::{Value, json};

/// Forecasts whose mean is more than so many times that of the best do not stretch the colours.
const FAR: f64 = 2.0;

/// A metric over two groupings, one fit or baseline at a time, all on one scale of colours.
pub(super) fn draw(map: &Heatmap) -> Result<Option<NamedFigure>, ReportError> {
    let fault = |reason: String| ReportError::Figure { figure: format!("heatmap of {}", map.metric), reason };
    for layer in &map.layers {
        if layer.values.len() != map.y.len() || layer.values.iter().any(|row| row.len() != map.x.len()) {
            let (name, rows, columns) = (&layer.name, map.y.len(), map.x.len());
            return Err(fault(format!("`{name}` has not {rows} rows of {columns} values")));
        }
    }
    let shown = |layer: &&HeatLayer| layer.values.iter().flatten().any(|v| v.is_some_and(f64::is_finite));
    let layers: Vec<&HeatLayer> = map.layers.iter().filter(shown).collect();
    let (Some(first), false) = (layers.first(), map.x.is_empty()) else { return Ok(None) };
    let values = |layer: &HeatLayer| -> Vec<f64> {
        layer.values.iter().flatten().copied().flatten().filter(|v| v.is_finite()).collect()
    };
    let mean = |layer: &HeatLayer| {
        let values = values(layer);
        values.iter().map(|v| v.abs()).sum::<f64>() / values.len() as f64
    };
    // One that is far off would leave all others in one colour.
    let best = layers.iter().map(|l| mean(l)).fold(f64::INFINITY, f64::min);
    let near = || layers.iter().filter(|l| mean(l) <= FAR * best).flat_map(|l| values(l));
    let least = near().fold(f64::INFINITY, f64::min);
    let most = near().fold(f64::NEG_INFINITY, f64::max);
    let mut canvas = Canvas::new((map.y.len() * 17).clamp(260, 620) + 110);
    let z = |layer: &HeatLayer| -> Value {
        let row = |row: &Vec<Option<f64>>| -> Vec<Option<f64>> {
            row.iter().map(|v| v.filter(|v| v.is_finite()).map(rounded)).collect()
        };
        layer.values.iter().map(row).collect::<Vec<_>>().into()
    };
    let hover = format!(
        "{} %{{x}}<br>{} %{{y}}<br>{} %{{z:.5~g}}<extra></extra>",
        escape(&map.x_title),
        escape(&map.y_title),
        escape(&map.metric)
    );
    canvas.trace(&json!({
        "type": "heatmap", "x": map.x, "y": map.y, "z": z(first), "name": escape(&first.name),
        "zmin": rounded(least), "zmax": rounded(most), "colorscale": "Cividis", "hovertemplate": hover,
        "xgap": 1, "ygap": 1,
        "colorbar": {"title": {"text": escape(&map.metric), "side": "right"}, "thickness": 14, "outlinewidth": 0},
    }))?;
    if layers.len() > 1 {
        let item = |layer: &&HeatLayer| {
            (layer.name.clone(), json!([{"z": [z(layer)], "name": escape(&layer.name)}, [0]]))
        };
        canvas.choice("of", "restyle", layers.iter().map(item).collect());
    }
    canvas.set("hovermode", json!("closest"));
    let axis = |title: &str| json!({"title": {"text": escape(title)}, "type": "category", "showgrid": false});
    canvas.set("xaxis", axis(&map.x_title));
    let mut rows = axis(&map.y_title);
    rows["autorange"] = json!("reversed");
    canvas.set("yaxis", rows);
    let title = format!("{} by {} and {}", map.metric, map.y_title, map.x_title);
    let caption = format!(
        "{} of each group of forecasts; {} on one scale of colours, which those more than twice as far off as the best do not stretch. A group without a value \
         is left blank.",
        map.metric,
        counted(layers.len(), "forecast")
    );
    Ok(Some(canvas.finish("heatmap", title, caption)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(layers: Vec<HeatLayer>) -> Heatmap {
        Heatmap {
            metric: "mae".into(),
            x_title: "hour (UTC)".into(),
            y_title: "steps ahead".into(),
            x: ["00", "01"].map(String::from).to_vec(),
            y: ["1", "2", "3"].map(String::from).to_vec(),
            layers,
        }
    }

    fn layer(name: &str, values: [[Option<f64>; 2]; 3]) -> HeatLayer {
        HeatLayer { name: name.into(), values: values.map(|row| row.to_vec()).to_vec() }
    }

    #[test]
    fn all_layers_share_their_colours_and_what_is_undefined_stays_blank() {
        let fit = layer("gru", [[Some(1.0), None], [Some(2.0), Some(3.0)], [Some(4.0), Some(5.0)]]);
        let last = layer("last", [[Some(0.5), Some(9.0)]; 3]);
        let far = layer("mean", [[Some(90.0), Some(80.0)]; 3]);
        let none = layer("climatology", [[None, None]; 3]);
        let figure = draw(&map(vec![fit, none, last, far])).unwrap().unwrap();
        let trace = &figure.json["data"][0];
        assert_eq!((&trace["zmin"], &trace["zmax"]), (&json!(0.5), &json!(9.0)));
        assert_eq!(trace["z"][0], json!([1.0, null]));
        let buttons = figure.json["layout"]["updatemenus"][0]["buttons"].as_array().unwrap();
        assert_eq!(
            buttons.iter().map(|b| b["label"].as_str().unwrap()).collect::<Vec<_>>(),
            ["gru", "last", "mean"]
        );
        assert_eq!(buttons[1]["args"][0]["z"][0][0], json!([0.5, 9.0]));
    }

    #[test]
    fn a_map_of_the_wrong_size_is_named_and_an_empty_one_is_not_drawn() {
        let mut short = layer("gru", [[Some(1.0), None]; 3]);
        short.values.pop();
        let message = draw(&map(vec![short])).unwrap_err().to_string();
        assert!(message.contains("`gru` has not 3 rows of 2 values"), "{message}");
        assert_eq!(draw(&map(vec![layer("c", [[None, None]; 3])])).unwrap(), None);
    }
}
