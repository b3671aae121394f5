//! The real kernel, a fresh network namespace for every test. Needs root and ip(8); a test that cannot run fails.

mod namespace;
mod packet;
mod rtnetlink;
mod system;
