//! Whole tables there and back.
