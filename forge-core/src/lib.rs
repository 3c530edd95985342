//! Tensors, verified automatic differentiation, layers, optimizers and a learner that knows no technology.

pub mod history;
