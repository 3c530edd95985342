//! Operations on tensors, one file each: shape rule, forward, backward, samples and the errors it gives.
//!
//! [`registry`] is the table from which the verification harness, the list of operations and the parity tests of
//! backends are made. Adding an operation is one file and one line in it; an elementwise one is one row of the table
//! in `backend/elementwise.rs`.

mod axes;
mod binary;
mod concat;
mod cumsum;
mod dropout;
mod expand;
mod extremes;
mod flip;
mod gather;
mod gru;
mod huber;
mod index_select;
mod logsumexp;
mod lstm;
mod mae;
mod matmul;
mod mean;
mod mse;
mod operators;
mod pad;
mod permute;
mod pinball;
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

pub use gru::gru;
pub use lstm::lstm;
pub use pad::PadMode;
pub use sample::{Checks, ErrorSample, Input, Operation, Sample};

/// Every operation.
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
    all.extend([
        concat::OPERATION,
        cumsum::OPERATION,
        dropout::OPERATION,
        expand::OPERATION,
        gather::OPERATION,
        gru::OPERATION,
        huber::OPERATION,
        index_select::OPERATION,
        logsumexp::OPERATION,
        lstm::OPERATION,
        mae::OPERATION,
        matmul::OPERATION,
        mean::OPERATION,
        mse::OPERATION,
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
