//! The sizes of a convolution.

use super::tile::REGISTERS;
use crate::backend::cpu::simd::Float;
use crate::backend::cpu::tile::are_few;
use crate::backend::{ConvArgs, Window};

/// Of weights with more floats than this, fewer sums are made.
const LARGE: usize = 1 << 16;
/// Sums over a small batch, at most, and the places of each at least.
const FEW: usize = 4;
const PLACES: usize = 256;
/// Channels times rows of the kernel from which on columns are folded.
const FOLDED: usize = 12;
/// Floats that are read again and again from the second cache.
const CACHED: usize = 1 << 17;

/// Rows come before columns in each pair.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub batch: usize,
    pub groups: usize,
    /// Channels of the image in one group, and at a place.
    pub channels: [usize; 2],
    pub image: [usize; 2],
    pub padded: [usize; 2],
    pub places: [usize; 2],
    pub window: Window,
    /// Floats in a register.
    pub lanes: usize,
    /// Whether places may be summed by tiles, where that saves products.
    pub may_tile: bool,
}

impl Geometry {
    /// Of a convolution.
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
            may_tile: true,
        }
    }

    /// Of the convolution whose transpose is asked for: the image is the result, and x is at the places.
    pub fn transposed(args: &ConvArgs, lanes: usize) -> Self {
        let (image, x) = (args.output, args.x.shape());
        let padded = args.window.padded(image);
        Geometry { image, padded, places: [x[2], x[3]], may_tile: false, ..Geometry::new(args, lanes) }
    }

    /// Channels of the image in all groups.
    pub fn inputs(&self) -> usize {
        self.groups * self.channels[0]
    }

    /// Channels at a place in all groups.
    pub fn outputs(&self) -> usize {
        self.groups * self.channels[1]
    }

    /// Floats of one padded image.
    pub fn padded_image(&self) -> usize {
        self.padded[0] * self.padded[1] * self.inputs()
    }

    /// Floats of one image, not padded.
    pub fn plain_image(&self) -> usize {
        self.image[0] * self.image[1] * self.inputs()
    }

    /// Floats at the places of one image.
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

    /// A row of the kernel as stretches of neighbouring floats, of which there are `channels` at each of its elements:
    /// how many, and how long each is. Of columns that are folded into the registers only one is seen.
    pub fn stretches(&self, channels: usize, folds: usize) -> [usize; 2] {
        let columns = self.window.kernel[1] / folds;
        if self.rows_are_whole() { [1, columns * channels] } else { [columns, channels] }
    }

    /// Margins at the left and right of each row of places, so that a row of the kernel, turned round, may begin and end
    /// outside when it slides over places to the pixels that they see.
    pub fn margins(&self) -> [usize; 2] {
        if !self.slides_back() {
            return [0, 0];
        }
        let (window, left) = (&self.window, self.window.padding[1][0]);
        let reach = window.dilation[1] * (window.kernel[1] - 1);
        [reach.saturating_sub(left), (self.image[1] + left).saturating_sub(self.places[1])]
    }

    /// Whether the kernel, turned round, slides over whole rows of places.
    pub fn slides_back(&self) -> bool {
        self.window.stride == [1, 1]
    }

    /// Floats of a row of places with its margins.
    pub fn place_row(&self) -> usize {
        let [left, right] = self.margins();
        (left + self.places[1] + right) * self.outputs()
    }

    /// The places of such a row, whose margins become 0.
    pub fn within_margins<'a, T: Float>(&self, row: &'a mut [T]) -> &'a mut [T] {
        let start = self.margins()[0] * self.outputs();
        let end = start + self.places[1] * self.outputs();
        row[..start].fill(T::default());
        row[end..].fill(T::default());
        &mut row[start..end]
    }

    /// Rows above and columns before the image in the padded one.
    pub fn corner(&self) -> [usize; 2] {
        self.window.padding.map(|side| side[0])
    }

    /// Floats of all places of an image with their margins.
    pub fn place_image(&self) -> usize {
        self.places[0] * self.place_row()
    }

    /// Images whose pixels and gradients fit a cache together.
    pub fn images_in_cache(&self) -> usize {
        (CACHED / (self.padded_image() + self.place_image()).max(1)).max(1)
    }

    /// Multiply-adds of one image.
    pub fn multiply_adds(&self) -> usize {
        self.places[0] * self.places[1] * self.outputs() * self.taps() * self.channels[0]
    }

    /// Columns of the kernel that may be folded into the registers of a sweep from images to places.
    pub fn forward_folds(&self) -> usize {
        self.folds(self.window.stride[1] == 1, self.channels[0])
    }

    /// As many of a sweep from places to images.
    pub fn backward_folds(&self) -> usize {
        self.folds(self.slides_back(), self.channels[1])
    }

    /// All where neighbouring results see neighbouring pixels, and where the products that are saved outweigh the sum.
    fn folds(&self, neighbours: bool, channels: usize) -> usize {
        let pays = self.window.kernel[0] * channels >= FOLDED;
        if neighbours && pays { self.window.kernel[1] } else { 1 }
    }

    /// Floats of the sums of `count` results of a folded block of columns, if there is one.
    pub fn folded(&self, count: usize, columns: usize, folds: usize) -> usize {
        let pixels = count + self.window.dilation[1] * (folds - 1);
        self.blocks(columns, folds).find(|block| block.folds > 1).map_or(0, |block| pixels * block.width)
    }

    /// Columns in blocks of as many registers as a row of the tile has, and what is left of the last register in one where
    /// `folds` columns of the kernel share registers, if those are fewer so.
    pub fn blocks(&self, columns: usize, folds: usize) -> impl Iterator<Item = Block> + Clone + use<> {
        let (lanes, most) = (self.lanes, REGISTERS * self.lanes);
        let rest = columns % lanes;
        let registers = (rest * folds).div_ceil(lanes);
        let folded = rest > 0 && registers <= REGISTERS && registers < folds;
        let full = if folded { columns - rest } else { columns };
        let blocks = (0..full).step_by(most).map(move |first| {
            let count = (full - first).min(most);
            Block { first, count, width: count.next_multiple_of(lanes), folds: 1 }
        });
        blocks.chain(folded.then_some(Block { first: full, count: rest, width: registers * lanes, folds }))
    }

    /// Floats of weights packed with `columns` columns for each of `rows` channels and each element of the kernel.
    pub fn packed(&self, rows: usize, columns: usize, folds: usize) -> usize {
        let widths: usize = self.blocks(columns, folds).map(|b| self.taps() / b.folds * b.width).sum();
        self.groups * rows * widths
    }

    /// Channels at a place as the gradients of the weights are packed: without folds, and those beyond the last full
    /// register by themselves where they are so few that a sweep takes them in another way.
    pub fn gradient_blocks(&self) -> impl Iterator<Item = Block> + Clone + use<> {
        let (columns, lanes) = (self.channels[1], self.lanes);
        let rest = columns % lanes;
        let alone = are_few(rest, lanes);
        let full = if alone { columns - rest } else { columns };
        let few = Block { first: full, count: rest, width: lanes, folds: 1 };
        self.blocks(full, 1).chain(alone.then_some(few))
    }

    /// Floats of packed gradients of the weights.
    pub fn packed_gradient(&self) -> usize {
        let widths: usize = self.gradient_blocks().map(|block| block.width).sum();
        self.groups * self.channels[0] * self.taps() * widths
    }

    /// Shards of the batch for sums over it, each with a sum of its own: a function of the shapes alone.
    pub fn shards(&self) -> usize {
        let large = self.packed_gradient() > LARGE;
        // Of a small batch as many as give work to some threads, if a sum has enough products for its addition to be little.
        let few = (self.batch * self.places[0] * self.places[1] / PLACES).min(self.batch.div_ceil(2));
        self.batch.div_ceil(8).max(few.min(FEW)).clamp(1, if large { 8 } else { 16 })
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
    /// Floats of its registers.
    pub width: usize,
    /// Columns of the kernel in them, each with `count` floats: one, or all.
    pub folds: usize,
}
