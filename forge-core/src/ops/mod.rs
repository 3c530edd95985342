//! Operations on tensors, one file each: shape rule, forward, backward, samples and the errors it gives.
//!
//! [`registry`] is the table from which the verification harness, the list of operations and the parity tests of
//! backends are made. Adding an operation is one file and one line in it; an elementwise one is one row of the table
//! in `backend/elementwise.rs`.

mod adaptive_pool;
mod attention;
mod axes;
mod bce_with_logits;
mod binary;
mod concat;
mod conv;
mod conv_max_pool;
mod conv_transpose;
mod cross_entropy;
mod cumsum;
mod custom;
mod dropout;
mod embedding;
mod expand;
mod extremes;
mod flip;
mod gather;
mod gru;
mod huber;
mod image;
mod index_select;
mod kl_divergence;
mod linear;
mod logsumexp;
mod lstm;
mod mae;
mod matmul;
mod mean;
mod moving_average;
mod mse;
mod nll;
mod norm;
mod operators;
mod pad;
mod permute;
mod pinball;
mod pool;
mod prod;
mod recurrent;
mod repeat;
mod reshape;
mod sample;
mod scatter_add;
mod slice;
mod softmax;
mod split;
mod squeeze;
mod stack;
mod sum;
mod unary;
mod unfold;
mod var;
mod where_;

use crate::profile::Flops;
pub use attention::{Attend, attention};
pub use conv::{ConvOptions, Padding};
pub use conv_transpose::ConvTransposeOptions;
pub use cross_entropy::ClassLoss;
pub use custom::custom;
pub use gru::gru;
pub use lstm::lstm;
pub use pad::PadMode;
pub use pool::PoolOptions;
pub use sample::{Checks, ErrorSample, Input, Operation, Sample};
pub(crate) use {
    adaptive_pool::{AVERAGE, adaptive},
    conv::{convolve, convolve_max_pool},
    pool::slide,
};

/// The rule that counts the floating-point operations of an operation, beside it in its file; none of those that are bound
/// by memory, whose bytes are counted.
pub(crate) fn flops(name: &str) -> Option<Flops> {
    Some(match name {
        "attention" => attention::flops,
        "conv1d" | "conv2d" => conv::flops,
        "conv_transpose2d" => conv_transpose::flops,
        "gru" => gru::flops,
        "linear" => linear::flops,
        "lstm" => lstm::flops,
        "matmul" => matmul::flops,
        _ => return None,
    })
}

/// Every operation.
///
/// ```
/// use forge_core::ops::{Operation, registry};
/// let softmax: Operation = registry().into_iter().find(|op| op.name == "softmax").unwrap();
/// let sample = &(softmax.samples)()[0];
/// let x = forge_core::Tensor::new(&vec![0.0f64; sample.inputs[0].shape.iter().product()], &sample.inputs[0].shape)?;
/// assert_eq!((sample.run)(&[x.clone()])?[0].shape(), x.shape());
/// for error in (softmax.errors)() {
///     assert_eq!((error.run)().unwrap_err().to_string(), error.message);
/// }
/// # Ok::<(), forge_core::Error>(())
/// ```
pub fn registry() -> Vec<Operation> {
    let mut all = unary::operations();
    all.extend(binary::operations());
    all.extend(extremes::operations());
    all.extend(flip::operations());
    all.extend(softmax::operations());
    all.extend(split::operations());
    all.extend(squeeze::operations());
    all.extend(var::operations());
    all.extend(where_::operations());
    all.extend(adaptive_pool::operations());
    all.extend(norm::operations());
    all.extend(pool::operations());
    all.extend([
        attention::OPERATION,
        bce_with_logits::OPERATION,
        concat::OPERATION,
        conv_max_pool::OPERATION,
        conv_transpose::OPERATION,
        cross_entropy::OPERATION,
        cumsum::OPERATION,
        conv::CONV1D,
        conv::CONV2D,
        dropout::OPERATION,
        embedding::OPERATION,
        expand::OPERATION,
        gather::OPERATION,
        gru::OPERATION,
        huber::OPERATION,
        index_select::OPERATION,
        kl_divergence::OPERATION,
        linear::OPERATION,
        logsumexp::OPERATION,
        lstm::OPERATION,
        mae::OPERATION,
        matmul::OPERATION,
        mean::OPERATION,
        moving_average::OPERATION,
        mse::OPERATION,
        nll::OPERATION,
        pad::OPERATION,
        permute::OPERATION,
        pinball::OPERATION,
        prod::OPERATION,
        repeat::OPERATION,
        reshape::OPERATION,
        scatter_add::OPERATION,
        slice::OPERATION,
        stack::OPERATION,
        sum::OPERATION,
        unfold::OPERATION,
    ]);
    all
}
