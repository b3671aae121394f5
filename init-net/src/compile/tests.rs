//! Whole compilations.
