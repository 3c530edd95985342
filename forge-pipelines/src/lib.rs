//! The azuraforge spec language: cells, data sources, transforms, tasks and run directories.

pub mod run;
