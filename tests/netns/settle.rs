//! What is desired, made real, and ip(8) and ethtool(8) judge.

mod card;
mod parameter;
mod route;
mod rule;

use tests::settle::{AT, look, origin, settle, text};
