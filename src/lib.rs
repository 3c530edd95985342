//! azuraforge
