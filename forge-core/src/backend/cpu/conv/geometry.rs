//! The sizes of a convolution.

use crate::backend::{ConvArgs, Window};

/// Rows come before columns in each pair.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub batch: usize,
    pub groups: usize,
    /// Channels of x in one group, and of the result.
    pub channels: [usize; 2],
    pub image: [usize; 2],
    pub padded: [usize; 2],
    pub places: [usize; 2],
    pub window: Window,
    /// Floats in a register.
    pub lanes: usize,
}

impl Geometry {
    pub fn new(args: &ConvArgs, lanes: usize) -> Self {
        let (x, weight) = (args.x.shape(), args.weight.shape());
        let image = [x[2], x[3]];
        Geometry {
            batch: x[0],
            groups: args.groups,
            channels: [weight[1], weight[0] / args.groups],
            image,
            padded: args.window.padded(image),
            places: args.output,
            window: args.window,
            lanes,
        }
    }

    /// Channels of x in all groups.
    pub fn inputs(&self) -> usize {
        self.groups * self.channels[0]
    }

    /// Channels of the result in all groups.
    pub fn outputs(&self) -> usize {
        self.groups * self.channels[1]
    }

    /// Floats of one padded image.
    pub fn padded_image(&self) -> usize {
        self.padded[0] * self.padded[1] * self.inputs()
    }

    /// Floats of one image of the result.
    pub fn result(&self) -> usize {
        self.places[0] * self.places[1] * self.outputs()
    }

    /// Elements of the kernel.
    pub fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Whether a row of the kernel lies over neighbouring floats.
    pub fn rows_are_whole(&self) -> bool {
        self.groups == 1 && self.window.dilation[1] == 1
    }

    /// Multiply-adds of one image.
    pub fn multiply_adds(&self) -> usize {
        self.places[0] * self.places[1] * self.outputs() * self.taps() * self.channels[0]
    }

    /// Columns in blocks of four registers: `(first, columns, width in whole registers)`.
    pub fn blocks(&self, columns: usize) -> impl Iterator<Item = Block> + use<> {
        let lanes = self.lanes;
        (0..columns).step_by(4 * lanes).map(move |first| {
            let count = (columns - first).min(4 * lanes);
            Block { first, count, width: count.next_multiple_of(lanes) }
        })
    }

    /// Floats of weights packed with `columns` columns for each of `rows` channels and each element of the kernel.
    pub fn packed(&self, rows: usize, columns: usize) -> usize {
        let widths: usize = self.blocks(columns).map(|b| b.width).sum();
        self.groups * self.taps() * rows * widths
    }

    /// Shards of the batch for sums over it, each with a sum of its own: a function of the batch alone.
    pub fn shards(&self) -> usize {
        self.batch.div_ceil(8).clamp(1, 8)
    }

    /// The images of a shard.
    pub fn images(&self, shard: usize) -> std::ops::Range<usize> {
        let shards = self.shards();
        shard * self.batch / shards..(shard + 1) * self.batch / shards
    }
}

/// Neighbouring output columns that one product gives.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub first: usize,
    pub count: usize,
    pub width: usize,
}
