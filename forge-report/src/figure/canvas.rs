use super::NamedFigure;
use crate::ReportError;
use plotly::layout::{Annotation, Axis, Shape};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A figure in the making: typed traces, axes, shapes and annotations, gathered as Plotly's JSON.
///
/// The typed layout of the `plotly` crate has one method an axis; panels that are counted at run time need names.
pub(super) struct Canvas {
    data: Vec<Value>,
    layout: Map<String, Value>,
    shapes: Vec<Value>,
    annotations: Vec<Value>,
    menus: Vec<Value>,
}

impl Canvas {
    /// A figure of so many pixels height, with its legend above the panels.
    pub(super) fn new(height: usize) -> Self {
        let mut layout = Map::new();
        layout.insert("height".into(), json!(height));
        layout.insert("margin".into(), json!({"l": 60, "r": 18, "t": 40, "b": 44}));
        layout.insert("hovermode".into(), json!("x unified"));
        layout.insert(
            "legend".into(),
            json!({"orientation": "h", "x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom"}),
        );
        Canvas { data: Vec::new(), layout, shapes: Vec::new(), annotations: Vec::new(), menus: Vec::new() }
    }

    /// Adds a trace and gives its number.
    pub(super) fn trace<T: Serialize>(&mut self, trace: &T) -> Result<usize, ReportError> {
        self.data.push(serde_json::to_value(trace)?);
        Ok(self.data.len() - 1)
    }

    /// Sets what the typed traces of the `plotly` crate have no word for.
    pub(super) fn patch(&mut self, trace: usize, key: &str, value: Value) {
        if let Some(Value::Object(trace)) = self.data.get_mut(trace) {
            trace.insert(key.to_owned(), value);
        }
    }

    /// Changes the room below the panels, in pixels.
    pub(super) fn bottom(&mut self, pixels: usize) {
        self.layout["margin"]["b"] = json!(pixels);
    }

    /// Sets an axis, such as `xaxis` or `yaxis2`.
    pub(super) fn axis(&mut self, key: &str, axis: &Axis) -> Result<(), ReportError> {
        self.set(key, serde_json::to_value(axis)?);
        Ok(())
    }

    /// Sets any part of the layout.
    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.layout.insert(key.to_owned(), value);
    }

    pub(super) fn shape(&mut self, shape: &Shape) -> Result<(), ReportError> {
        self.shapes.push(serde_json::to_value(shape)?);
        Ok(())
    }

    pub(super) fn annotation(&mut self, annotation: &Annotation) -> Result<(), ReportError> {
        self.annotations.push(serde_json::to_value(annotation)?);
        Ok(())
    }

    /// Adds a choice: each item is a label, and what the Plotly call `method` is given when it is chosen.
    ///
    /// The page shows it as an ordinary select box, which a keyboard reaches; Plotly alone draws a menu.
    pub(super) fn choice(&mut self, name: &str, method: &str, items: Vec<(String, Value)>) {
        let buttons: Vec<Value> = items
            .into_iter()
            .map(|(label, args)| json!({"label": label, "method": method, "args": args}))
            .collect();
        let left = 1.0 - 0.2 * self.menus.len() as f64;
        self.menus.push(json!({"name": name, "type": "dropdown", "active": 0, "buttons": buttons,
            "x": left, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}));
    }

    /// The finished figure.
    pub(super) fn finish(mut self, name: &str, title: String, caption: String) -> NamedFigure {
        self.set("title", json!({"text": escape(&title)}));
        for (key, list) in
            [("shapes", self.shapes), ("annotations", self.annotations), ("updatemenus", self.menus)]
        {
            if !list.is_empty() {
                self.layout.insert(key.to_owned(), Value::Array(list));
            }
        }
        let json = json!({"data": self.data, "layout": self.layout});
        NamedFigure { name: name.to_owned(), title, caption, json }
    }
}

/// Text that Plotly shows as it is: its labels understand a little HTML, links among it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The vertical extents of stacked panels, from the top, as Plotly's `domain`s: shares of the height, a gap between.
pub(super) fn stacked(weights: &[f64], gap: f64) -> Vec<[f64; 2]> {
    let free = 1.0 - gap * weights.len().saturating_sub(1) as f64;
    let total: f64 = weights.iter().sum();
    let mut top = 1.0;
    weights
        .iter()
        .map(|w| {
            let bottom = (top - free * w / total).max(0.0);
            let domain = [bottom, top];
            top = bottom - gap;
            domain
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_share_the_height_from_the_top() {
        let panels = stacked(&[2.0, 1.0], 0.1);
        assert_eq!(panels.len(), 2);
        for (panel, wanted) in panels.iter().zip([[0.4, 1.0], [0.0, 0.3]]) {
            assert!(
                (panel[0] - wanted[0]).abs() < 1e-12 && (panel[1] - wanted[1]).abs() < 1e-12,
                "{panels:?}"
            );
        }
    }

    #[test]
    fn labels_lose_their_markup() {
        assert_eq!(escape("<a href='x'>&"), "&lt;a href='x'&gt;&amp;");
    }
}
