//! How a recurrent layer's numbers are laid out for the kernels.

use crate::backend::cpu::tile::are_few;

/// Samples that a shard takes through the whole sequence, at least: enough for full register tiles.
const ROWS: usize = 12;
/// Shards at most: each has weight gradients of its own, which are added in the end.
const SHARDS: usize = 8;
/// Samples of a shard that go through the whole sequence together, at most, so that a step's states stay in the nearest
/// cache whatever the batch.
const TOGETHER: usize = 32;
/// Rows (samples times steps) over which weight gradients are gathered at a time, so that the gradients of one panel's
/// gates are in the nearest cache while all rows of the weights pass over them.
const CHUNK: usize = 128;

/// The sizes of one call.
///
/// Hidden units are cut into panels of one register (`lanes` units); the four slots of a unit's gates lie side by side,
/// one register each. The units that are left over form a tail panel, whose slots lie compactly.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub batch: usize,
    pub time: usize,
    pub features: usize,
    pub hidden: usize,
    /// Floats in a register.
    pub lanes: usize,
}

/// One panel of hidden units.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Its first unit.
    pub first: usize,
    /// Its units: as many as a register has lanes, or fewer in the tail.
    pub units: usize,
    /// Floats of its gates, a whole number of registers: unit j's slot s stands at `s · units + j`.
    pub width: usize,
    /// Floats of the gates of all panels before it.
    pub before: usize,
}

impl Shape {
    /// Number of panels.
    pub fn panels(&self) -> usize {
        self.hidden.div_ceil(self.lanes)
    }

    /// Panel `p`.
    pub fn panel(&self, p: usize) -> Panel {
        let first = p * self.lanes;
        let units = (self.hidden - first).min(self.lanes);
        Panel { first, units, width: (4 * units).next_multiple_of(self.lanes), before: 4 * first }
    }

    /// Floats of all gates of one sample and step.
    pub fn gates(&self) -> usize {
        let last = self.panel(self.panels() - 1);
        last.before + last.width
    }

    /// Hidden units, rounded up to whole registers.
    pub fn padded(&self) -> usize {
        self.panels() * self.lanes
    }

    /// Number of shards, a power of two so that threads share them evenly: a function of the batch alone.
    pub fn shards(&self) -> usize {
        1 << (self.batch / ROWS).clamp(1, SHARDS).ilog2()
    }

    /// The samples of a shard.
    pub fn rows(&self, shard: usize) -> std::ops::Range<usize> {
        let shards = self.shards();
        shard * self.batch / shards..(shard + 1) * self.batch / shards
    }

    /// The samples of a shard in groups that go through the sequence one after the other: `(first, number)`.
    pub fn groups(&self, shard: usize) -> impl Iterator<Item = (usize, usize)> {
        let rows = self.rows(shard);
        let groups = rows.len().div_ceil(TOGETHER);
        let bound = move |group: usize| rows.start + group * rows.len() / groups;
        (0..groups).map(move |group| (bound(group), bound(group + 1) - bound(group)))
    }

    /// Samples of the largest group.
    fn together(&self) -> usize {
        self.batch.div_ceil(self.shards()).min(TOGETHER)
    }

    /// Time steps over which weight gradients are gathered at a time.
    pub fn chunk(&self, rows: usize) -> usize {
        (CHUNK / rows.max(1)).clamp(1, self.time)
    }

    /// Floats that forward works in: two steps' states, the cell states and one panel's gates.
    pub fn forward_work(&self) -> usize {
        self.together() * (3 * self.padded() + 4 * self.lanes)
    }

    /// Floats that backward works in: the gradient of the state, what is carried, and for a chunk of steps the
    /// gradients of the gates and the operands that they met.
    pub fn backward_work(&self) -> usize {
        let rows = self.together().max(CHUNK);
        2 * self.together() * self.padded() + rows * (self.gates() + self.weight_rows())
    }

    /// Gate rows that a product goes over, of all panels.
    pub fn depth(&self, slots: (usize, usize)) -> usize {
        (0..self.panels()).map(|p| used(&self.panel(p), self.lanes, slots).len()).sum()
    }

    /// Floats of the weights that [`super::pack::backward`] makes for an operand of so many columns.
    pub fn packed_backward(&self, columns: usize, slots: (usize, usize)) -> usize {
        self.depth(slots) * blocks(columns, self.lanes).map(|block| block.width).sum::<usize>()
    }

    /// Rows of a panel's weight gradients: inputs, states, and one for the bias.
    pub fn weight_rows(&self) -> usize {
        self.features + self.hidden + 1
    }
}

/// Neighbouring output columns of a product.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub first: usize,
    /// Columns of the packed weights: a whole number of registers, or of a thin block one, two or four.
    pub width: usize,
    /// Whether its columns are few: then they are dot products, along packed columns instead of rows.
    pub thin: bool,
}

/// Output columns (`0..columns`) in blocks of up to four registers. Those left over are a thin block where they are few.
pub fn blocks(columns: usize, lanes: usize) -> impl Iterator<Item = Block> {
    let rest = columns % lanes;
    let thin = are_few(rest, lanes);
    let full = if thin { columns - rest } else { columns };
    let blocks = (0..full).step_by(4 * lanes).map(move |first| {
        let width = (full - first).min(4 * lanes).next_multiple_of(lanes);
        Block { first, width, thin: false }
    });
    blocks.chain(thin.then_some(Block { first: full, width: rest.next_power_of_two(), thin }))
}

/// The rows of a panel's gates that a product goes over: all of the tail's, and the used slots of a full panel's.
pub fn used(panel: &Panel, lanes: usize, slots: (usize, usize)) -> std::ops::Range<usize> {
    if panel.units == lanes { slots.0 * lanes..(slots.0 + slots.1) * lanes } else { 0..panel.width }
}
