//! The program under test.

use std::path::{Path, PathBuf};

/// Where it is. One that is missing is a failure, not a reason to leave the test out.
///
/// # Panics
/// It is missing.
pub fn program() -> PathBuf {
    let path = std::env::var_os("INIT_NET_BINARY").map_or_else(
        || {
            // target/<triple>/debug/deps/netns-… → target/<triple>/debug/init-net
            let own = std::env::current_exe().expect("a path of this test program");
            let folder = own.parent().and_then(Path::parent);
            folder.expect("…/debug/deps").join("init-net")
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build -p init-net`, or set INIT_NET_BINARY",
        path.display()
    );
    path
}
