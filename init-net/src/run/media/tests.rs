//! Media on images that real tools made.
