//! Guards against fooling oneself that judge values: what looks wrong in data, and what looks too good or too naive in
//! scores. Guards on the shape of a computation stand where that is: L01 in the plan, L02 in the split, L03 and L04 in
//! the windows, L05 in `clean`.

mod repeats_last;
mod strange_values;

pub use repeats_last::repeats_last;
pub use strange_values::strange_values;
