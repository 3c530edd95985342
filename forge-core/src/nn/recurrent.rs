//! What [`Lstm`](super::Lstm) and [`Gru`](super::Gru) have in common: weights by PyTorch's names, layers on top of each
//! other, both directions.

use super::{Init, Tail};
use crate::{Cx, Error, Mode, Param, Parameters, Result, Tensor};
use std::fmt::Write;

const NAMES: [&str; 4] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];

/// The weights of one layer in one direction.
#[derive(Debug)]
pub struct Cell {
    pub weight_ih: Param,
    pub weight_hh: Param,
    pub bias_ih: Param,
    pub bias_hh: Param,
}

/// Sizes of stacked layers.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub features: usize,
    pub hidden: usize,
    pub layers: usize,
    pub gates: usize,
    pub bidirectional: bool,
}

/// Stacked layers.
#[derive(Debug)]
pub struct Stack {
    /// Layer by layer; of two directions, the forward one first.
    cells: Vec<Cell>,
    sizes: Sizes,
    dropout: f64,
    /// Whether a module gives the last time step's output alone.
    pub last_step: bool,
}

impl Stack {
    /// First weights uniform in ±1/√hidden.
    pub fn new(op: &'static str, init: &Init, sizes: Sizes, dropout: f64) -> Result<Self> {
        let Sizes { features, hidden, layers, gates, .. } = sizes;
        if features == 0 || hidden == 0 || layers == 0 {
            return Err(Error::argument(
                op,
                format!(
                    "features {features}, hidden_size {hidden} and layers {layers} must all be at least 1"
                ),
            ));
        }
        if !(0.0..1.0).contains(&dropout) {
            return Err(Error::argument(op, format!("dropout {dropout} is not in [0, 1)")));
        }
        let bound = 1.0 / (hidden as f64).sqrt();
        // A size beyond all memory is for `Init` to refuse.
        let rows = hidden.saturating_mul(gates);
        let cell = |k: usize| -> Result<Cell> {
            let width =
                if k < sizes.directions() { features } else { hidden.saturating_mul(sizes.directions()) };
            let param = |i: usize, shape: &[usize]| {
                let mut name = NAMES[i].to_owned();
                sizes.suffix(k, &mut name);
                init.uniform(&name, shape, bound)
            };
            Ok(Cell {
                weight_ih: param(0, &[rows, width])?,
                weight_hh: param(1, &[rows, hidden])?,
                bias_ih: param(2, &[rows])?,
                bias_hh: param(3, &[rows])?,
            })
        };
        let cells = (0..layers * sizes.directions()).map(cell).collect::<Result<_>>()?;
        Ok(Stack { cells, sizes, dropout, last_step: false })
    }

    /// Runs all layers. `cell` gives the output of one layer in one direction, `[batch, time, hidden]`, given its number
    /// among all, its weights, its input and whether it runs in reverse.
    pub fn run(
        &self,
        cx: &Cx,
        x: &Tensor,
        mut cell: impl FnMut(usize, &Cell, &Tensor, bool) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let mut y = x.clone();
        for (layer, cells) in self.cells.chunks(self.sizes.directions()).enumerate() {
            if layer > 0 && cx.mode() == Mode::Train {
                y = y.dropout(self.dropout, cx.stream())?;
            }
            let number = layer * self.sizes.directions();
            y = match cells {
                [forward, backward] => {
                    let there = cell(number, forward, &y, false)?;
                    let back = cell(number + 1, backward, &y, true)?;
                    Tensor::concat(&[&there, &back], 2)?
                }
                [forward, ..] => cell(number, forward, &y, false)?,
                [] => y,
            };
        }
        Ok(y)
    }

    /// The first state of cell `k` among all layers and directions, `[batch, hidden]`: of those `given`
    /// `[layers directions, batch, hidden]`, or zeros.
    pub fn state(&self, op: &'static str, x: &Tensor, given: Option<&Tensor>, k: usize) -> Result<Tensor> {
        let wanted = [self.cells.len(), x.shape().first().copied().unwrap_or(0), self.sizes.hidden];
        match given {
            Some(states) if states.shape() == wanted => states.select(0, k),
            Some(states) => {
                Err(Error::shape(op, format!("first states of {:?}, not {wanted:?}", states.shape())))
            }
            None => Tensor::zeros(&wanted[1..], x.dtype(), x.device()),
        }
    }

    /// Gives the last time step's output alone from now on: it is the state at the end, so that no gradient of all steps
    /// is ever made. In two directions it is not.
    pub fn fuse(&mut self, tail: Tail) -> bool {
        let fits = tail == Tail::LastStep && !self.sizes.bidirectional && !self.last_step;
        self.last_step |= fits;
        fits
    }

    pub fn describe(&self, name: &str) -> String {
        let Sizes { hidden, layers, bidirectional, .. } = self.sizes;
        let both = if bidirectional { ", both directions" } else { "" };
        let last = if self.last_step { " → last step" } else { "" };
        format!("{name}(hidden {hidden}, layers {layers}, dropout {}{both}){last}", self.dropout)
    }
}

impl Sizes {
    fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Appends what PyTorch appends to the names of cell `k`.
    fn suffix(&self, k: usize, name: &mut String) {
        let reverse = if k % self.directions() == 1 { "_reverse" } else { "" };
        let written = write!(name, "_l{}{reverse}", k / self.directions());
        debug_assert!(written.is_ok(), "a text takes any number");
    }
}

/// States of all layers and directions, `[batch, hidden]` each, as `[layers directions, batch, hidden]`.
pub fn stack_states(states: &[Tensor]) -> Result<Tensor> {
    let with_layer: Result<Vec<Tensor>> =
        states.iter().map(|s| s.reshape(&[&[1], s.shape()].concat())).collect();
    Tensor::concat(&with_layer?.iter().collect::<Vec<_>>(), 0)
}

impl Parameters for Stack {
    fn visit<'a>(&'a self, path: &mut String, each: &mut dyn FnMut(&str, &'a Param)) {
        let depth = path.len();
        for (k, Cell { weight_ih, weight_hh, bias_ih, bias_hh }) in self.cells.iter().enumerate() {
            for (name, param) in NAMES.iter().zip([weight_ih, weight_hh, bias_ih, bias_hh]) {
                path.push_str(name);
                self.sizes.suffix(k, path);
                each(path, param);
                path.truncate(depth);
            }
        }
    }

    fn visit_mut<'a>(
        &'a mut self,
        path: &mut String,
        each: &mut dyn FnMut(&str, &'a mut Param) -> Result<()>,
    ) -> Result<()> {
        let depth = path.len();
        for (k, Cell { weight_ih, weight_hh, bias_ih, bias_hh }) in self.cells.iter_mut().enumerate() {
            for (name, param) in NAMES.iter().zip([weight_ih, weight_hh, bias_ih, bias_hh]) {
                path.push_str(name);
                self.sizes.suffix(k, path);
                each(path, param)?;
                path.truncate(depth);
            }
        }
        Ok(())
    }
}

/// Implements [`Parameters`] for a layer that is a [`Stack`] and nothing else.
macro_rules! parameters_of_stack {
    ($type:ty) => {
        impl $crate::Parameters for $type {
            fn visit<'a>(&'a self, path: &mut String, each: &mut dyn FnMut(&str, &'a $crate::Param)) {
                self.0.visit(path, each);
            }

            fn visit_mut<'a>(
                &'a mut self,
                path: &mut String,
                each: &mut dyn FnMut(&str, &'a mut $crate::Param) -> $crate::Result<()>,
            ) -> $crate::Result<()> {
                self.0.visit_mut(path, each)
            }
        }
    };
}
pub(super) use parameters_of_stack;
