//! Operations on tensors, one file each: shape rule, forward, backward, samples and the errors it gives.
//!
//! [`registry`] is the table from which the verification harness, the list of operations and the parity tests of
//! backends are made. Adding an operation is one file and one line in it; an elementwise one is one row of the table
//! in `backend/elementwise.rs`.

mod attention;
mod bce_with_logits;
mod binary;
mod concat;
mod cross_entropy;
mod dropout;
mod embedding;
mod expand;
mod gru;
mod huber;
mod index_select;
mod kl_divergence;
mod lstm;
mod mae;
mod matmul;
mod mean;
mod moving_average;
mod mse;
mod nll;
mod operators;
mod permute;
mod pinball;
mod recurrent;
mod reshape;
mod sample;
mod slice;
mod sum;
mod unary;

pub use attention::{Attend, attention};
pub use cross_entropy::ClassLoss;
pub use gru::gru;
pub use lstm::lstm;
pub use sample::{Checks, ErrorSample, Input, Operation, Sample};

/// Every operation.
pub fn registry() -> Vec<Operation> {
    let mut all = unary::operations();
    all.extend(binary::operations());
    all.extend([
        attention::OPERATION,
        bce_with_logits::OPERATION,
        concat::OPERATION,
        cross_entropy::OPERATION,
        dropout::OPERATION,
        embedding::OPERATION,
        expand::OPERATION,
        gru::OPERATION,
        huber::OPERATION,
        index_select::OPERATION,
        kl_divergence::OPERATION,
        lstm::OPERATION,
        mae::OPERATION,
        matmul::OPERATION,
        mean::OPERATION,
        moving_average::OPERATION,
        mse::OPERATION,
        nll::OPERATION,
        permute::OPERATION,
        pinball::OPERATION,
        reshape::OPERATION,
        slice::OPERATION,
        sum::OPERATION,
    ]);
    all
}
