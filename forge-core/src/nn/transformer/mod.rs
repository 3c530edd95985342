//! Layers of Vaswani and others, *Attention is all you need*, NeurIPS 2017.

mod encoder;
mod multi_head;
mod position;

pub use encoder::{TransformerEncoder, TransformerEncoderLayer};
pub use multi_head::MultiHeadAttention;
pub use position::PositionalEncoding;
