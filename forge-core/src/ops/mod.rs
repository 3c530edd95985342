//! Operations on tensors, one file each: shape rule, forward, backward, samples and the errors it gives.
//!
//! [`registry`] is the table from which the verification harness, the list of operations and the parity tests of
//! backends are made. Adding an operation is one file and one line in it; an elementwise one is one row of the table
//! in `backend/elementwise.rs`.

mod adaptive_pool;
mod binary;
mod concat;
mod conv;
mod conv_transpose;
mod dropout;
mod expand;
mod huber;
mod image;
mod index_select;
mod lstm;
mod mae;
mod matmul;
mod mean;
mod mse;
mod norm;
mod operators;
mod permute;
mod pinball;
mod pool;
mod reshape;
mod sample;
mod slice;
mod sum;
mod unary;

pub use conv::{ConvOptions, Padding};
pub use conv_transpose::ConvTransposeOptions;
pub use lstm::lstm;
pub use pool::PoolOptions;
pub use sample::{Checks, ErrorSample, Input, Operation, Sample};
pub(crate) use {
    adaptive_pool::{AVERAGE, adaptive},
    conv::convolve,
    pool::slide,
};

/// Every operation.
pub fn registry() -> Vec<Operation> {
    let mut all = unary::operations();
    all.extend(binary::operations());
    all.extend(adaptive_pool::operations());
    all.extend(norm::operations());
    all.extend(pool::operations());
    all.extend([
        concat::OPERATION,
        conv::CONV1D,
        conv::CONV2D,
        conv_transpose::OPERATION,
        dropout::OPERATION,
        expand::OPERATION,
        huber::OPERATION,
        index_select::OPERATION,
        lstm::OPERATION,
        mae::OPERATION,
        matmul::OPERATION,
        mean::OPERATION,
        mse::OPERATION,
        permute::OPERATION,
        pinball::OPERATION,
        reshape::OPERATION,
        slice::OPERATION,
        sum::OPERATION,
    ]);
    all
}
