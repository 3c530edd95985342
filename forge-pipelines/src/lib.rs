//! The spec language, cells, data sources, transforms and run directories of azuraforge.

pub mod spec;
