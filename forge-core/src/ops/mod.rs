//! Operations on tensors, one file each: shape rule, forward, backward, samples and the errors it gives.
//!
//! [`registry`] is the table from which the verification harness, the list of operations and the parity tests of
//! backends are made. Adding an operation is one file and one line in it; an elementwise one is one row of the table
//! in `backend/elementwise.rs`.

mod binary;
mod concat;
mod dropout;
mod expand;
mod gru;
mod huber;
mod index_select;
mod lstm;
mod mae;
mod matmul;
mod mean;
mod mse;
mod operators;
mod permute;
mod pinball;
mod recurrent;
mod reshape;
mod sample;
mod slice;
mod sum;
mod unary;

pub use gru::gru;
pub use lstm::lstm;
pub use sample::{Checks, ErrorSample, Input, Operation, Sample};

/// Every operation.
pub fn registry() -> Vec<Operation> {
    let mut all = unary::operations();
    all.extend(binary::operations());
    all.extend([
        concat::OPERATION,
        dropout::OPERATION,
        expand::OPERATION,
        gru::OPERATION,
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
