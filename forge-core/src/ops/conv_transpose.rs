//! `conv_transpose2d`: the transpose of a convolution as a linear map, with bias and activation as one node of the tape.

use super::conv::{check_operands, convolve_transposed};
use super::image::{check_count, check_positive};
use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::{ConvArgs, Unary, UnaryKind, Window, reference};
use crate::profile::{self, Call, bilinear, count};
use crate::{Error, Result, Tensor};

/// The settings of a transposed convolution: those of the convolution whose transpose it is. The default is PyTorch's.
///
/// See [`Tensor::conv_transpose2d`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvTransposeOptions {
    /// Elements of the result from one place of the kernel to the next.
    pub stride: [usize; 2],
    /// Elements that the result lacks at its edges, in the first place and the last of each dimension.
    pub padding: [[usize; 2]; 2],
    /// Elements that the result has more at its end: of the sizes whose convolution has the operand's size, which. Less
    /// than the stride or the dilation.
    pub output_padding: [usize; 2],
    /// Elements of the result from one element of the kernel to the next.
    pub dilation: [usize; 2],
    /// Parts that both lists of channels are cut into, each result seeing its own part only.
    pub groups: usize,
    /// Applied to the result, in the same node.
    pub activation: Option<Unary>,
}

impl Default for ConvTransposeOptions {
    fn default() -> Self {
        ConvTransposeOptions {
            stride: [1; 2],
            padding: [[0; 2]; 2],
            output_padding: [0; 2],
            dilation: [1; 2],
            groups: 1,
            activation: None,
        }
    }
}

const OP: &str = "conv_transpose2d";

impl ConvTransposeOptions {
    /// The window, and height and width of the result.
    fn sizes(&self, kernel: [usize; 2], image: [usize; 2]) -> Result<(Window, [usize; 2])> {
        check_positive(OP, "kernel", kernel)?;
        check_positive(OP, "stride", self.stride)?;
        check_positive(OP, "dilation", self.dilation)?;
        let window = Window { kernel, stride: self.stride, dilation: self.dilation, padding: self.padding };
        let mut output = [0; 2];
        for d in 0..2 {
            let spare = self.output_padding[d];
            if spare >= self.stride[d].max(self.dilation[d]) {
                return Err(Error::argument(
                    OP,
                    format!(
                        "output_padding {:?} must be less than stride {:?} or dilation {:?}",
                        self.output_padding, self.stride, self.dilation
                    ),
                ));
            }
            let full = image[d].saturating_sub(1).saturating_mul(self.stride[d]);
            let full = full.saturating_add(window.extent()[d]).saturating_add(spare);
            let edges = self.padding[d][0].saturating_add(self.padding[d][1]);
            output[d] = full.saturating_sub(edges);
        }
        if output.contains(&0) || image.contains(&0) {
            return Err(Error::shape(
                OP,
                format!("padding {:?} leaves nothing of what an image of {image:?} gives", self.padding),
            ));
        }
        Ok((window, output))
    }
}

impl Tensor {
    /// The transpose of [`Tensor::conv2d`] as a linear map, often called deconvolution: `[batch, in channels, height,
    /// width]` with a weight of `[in channels, out channels / groups, height, width]` and a bias of `[out channels]`. A
    /// dimension of n elements gives (n - 1) stride + dilation (kernel - 1) + 1 - padding + output_padding. As PyTorch's
    /// `conv_transpose2d`. Zeiler and others, *Deconvolutional networks*, CVPR 2010.
    ///
    /// ```
    /// use forge_core::{ops::ConvTransposeOptions, Tensor};
    /// let x = Tensor::new(&[1.0f32, 2.0], &[1, 1, 1, 2])?;
    /// let weight = Tensor::new(&[1.0f32, 10.0], &[1, 1, 1, 2])?;
    /// let twice = ConvTransposeOptions { stride: [1, 2], ..ConvTransposeOptions::default() };
    /// assert_eq!(x.conv_transpose2d(&weight, None, &twice)?.to_vec::<f32>()?, [1.0, 10.0, 2.0, 20.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not fit each other, or the result has no element.
    pub fn conv_transpose2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvTransposeOptions,
    ) -> Result<Tensor> {
        let _operation = profile::operation(OP, options.activation.map(|a| a.kind.name()));
        check_operands::<2>(OP, [self, weight], bias, options.groups, true)?;
        let size = |t: &Tensor| [t.shape()[2], t.shape()[3]];
        let (window, output) = options.sizes(size(weight), size(self))?;
        let [height, width] = window.padded(output);
        check_count(OP, &[self.shape()[0], weight.shape()[1] * options.groups, height, width])?;
        let args = ConvArgs {
            x: self.detach(),
            weight: weight.detach(),
            bias: bias.map(Tensor::detach),
            window,
            groups: options.groups,
            output,
            activation: options.activation,
        };
        convolve_transposed(OP, [self, weight], bias, args)
    }
}

/// Two for each element of the operand and of the part of the weight that takes its channel.
pub fn flops(call: &Call) -> [f64; 2] {
    let kernel = call.operand(1).get(1..).map_or(0.0, count);
    bilinear(call, 2.0 * count(call.operand(0)) * kernel)
}

pub const OPERATION: Operation = Operation {
    name: OP,
    formula: "y[n, o, i stride + k dilation - padding] += w[c, o, k] x[n, c, i], then act(y + b)",
    samples,
    errors,
};

fn samples() -> Vec<Sample> {
    let plain = ConvTransposeOptions::default();
    let tanh = Some(Unary::new(UnaryKind::Tanh));
    let cases: [(&[usize], &[usize], bool, ConvTransposeOptions); 9] = [
        (&[1, 1, 1, 1], &[1, 1, 1, 1], true, plain),
        (&[2, 3, 3, 4], &[3, 2, 2, 3], true, plain),
        (&[0, 2, 3, 3], &[2, 3, 2, 2], true, plain),
        // Places that do not touch each other, and places that overlap.
        (&[2, 2, 3, 2], &[2, 2, 2, 2], false, ConvTransposeOptions { stride: [3, 1], ..plain }),
        (
            &[1, 2, 3, 3],
            &[2, 2, 3, 2],
            true,
            ConvTransposeOptions { stride: [2, 3], padding: [[1; 2]; 2], output_padding: [1, 2], ..plain },
        ),
        // All settings differ, so that none can stand for another.
        (
            &[1, 2, 3, 4],
            &[2, 3, 3, 2],
            true,
            ConvTransposeOptions {
                stride: [1, 2],
                dilation: [2, 3],
                padding: [[0, 2], [1, 0]],
                output_padding: [1, 0],
                ..plain
            },
        ),
        (&[2, 4, 2, 3], &[4, 3, 2, 2], true, ConvTransposeOptions { groups: 2, ..plain }),
        (&[1, 3, 2, 2], &[3, 1, 3, 3], true, ConvTransposeOptions { groups: 3, stride: [2, 2], ..plain }),
        (&[1, 2, 2, 3], &[2, 2, 2, 2], true, ConvTransposeOptions { activation: tanh, ..plain }),
    ];
    let turned =
        sample_of(&[2, 2, 2, 3], &[2, 3, 3, 2], true, ConvTransposeOptions { stride: [2, 1], ..plain });
    cases
        .into_iter()
        .map(|(x, w, bias, options)| sample_of(x, w, bias, options))
        .chain([turned.turned()])
        .collect()
}

fn sample_of(x: &[usize], weight: &[usize], bias: bool, options: ConvTransposeOptions) -> Sample {
    let (kernel, image) = ([weight[2], weight[3]], [x[2], x[3]]);
    let mut inputs = vec![Input::new(x), Input::new(weight)];
    inputs.extend(bias.then(|| Input::new(&[weight[1] * options.groups])));
    sample!(
        format!("{x:?} by {weight:?}, {options:?}"),
        inputs,
        |t| t[0].conv_transpose2d(&t[1], t.get(2), &options)?,
        |r| {
            let (window, output) = options.sizes(kernel, image)?;
            let y = reference::conv_transpose2d(&r[0], &r[1], r.get(2), &window, options.groups, output);
            options.activation.map_or(y.clone(), |op| reference::unary(op, &y))
        }
    )
}

fn errors() -> Vec<ErrorSample> {
    let with = |weight: &'static [usize], options: ConvTransposeOptions| {
        move || {
            let zeros = |s: &[usize]| Tensor::zeros(s, crate::DType::F32, &crate::Device::cpu());
            zeros(&[2, 4, 3, 3])?.conv_transpose2d(&zeros(weight)?, None, &options)
        }
    };
    let plain = ConvTransposeOptions::default();
    vec![
        ErrorSample::new(
            "conv_transpose2d: weight is [4, 3], not [in channels, out channels / groups, height, width]",
            with(&[4, 3], plain),
        ),
        ErrorSample::new(
            "conv_transpose2d: x of [2, 4, 3, 3] has 4 channels; a weight of [3, 4, 2, 2] in 1 groups takes 3",
            with(&[3, 4, 2, 2], plain),
        ),
        ErrorSample::new(
            "conv_transpose2d: output_padding [2, 0] must be less than stride [2, 2] or dilation [1, 1]",
            with(&[4, 3, 2, 2], ConvTransposeOptions { stride: [2; 2], output_padding: [2, 0], ..plain }),
        ),
        // Too many only because each of 4 groups gives 2 channels.
        ErrorSample::new(
            "conv_transpose2d: [2, 8, 268435458, 161061274] are more elements than any memory holds",
            with(&[4, 2, 2, 2], ConvTransposeOptions { stride: [1 << 27, 80_530_636], groups: 4, ..plain }),
        ),
        ErrorSample::new(
            "conv_transpose2d: padding [[2, 2], [0, 0]] leaves nothing of what an image of [3, 3] gives",
            with(&[4, 3, 2, 2], ConvTransposeOptions { padding: [[2, 2], [0, 0]], ..plain }),
        ),
    ]
}
