//! Platforms: what their services and drives say, and what becomes of it.
//!
//! `tests/platforms/PLATFORM/CASE/` is a fixture, made from the provider's documentation: `metadata/` (a folder for
//! `--metadata-dir`), `observed.json` (the machine's links as `init-net get links -o json` prints them), and the goldens
//! `desired.yaml` (what `compile` prints) and `check.txt` (its diagnostics). `scripts/bless` rewrites the goldens; the diff
//! is the review.
//!
//! The same folders are served over HTTP by a mock that does everything wrong first (`service`), or for good (`hostile`),
//! each in a network namespace of its own; `mangled` are bodies of wrong types.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fixture;
mod goldens;
mod hostile;
mod mangled;
mod rules;
mod service;
mod stage;
