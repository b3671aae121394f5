//! A network of one's own.

use std::io::Write;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};

/// Runs `test` in a thread with a new, empty network namespace (`lo`, down). What the thread starts is in it too.
#[track_caller]
pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let outcome = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (these tests need root)");
        test();
    })
    .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Runs ip(8) with the words of `arguments`; its output. Fails the test when it fails.
#[track_caller]
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("ip(8)");
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8 from ip(8)")
}

/// Runs the lines of `commands` in one ip(8).
#[track_caller]
pub fn ip_batch(commands: &str) {
    let mut command = Command::new("ip");
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("ip(8)");
    let mut input = child.stdin.take().expect("piped just above");
    input.write_all(commands.as_bytes()).expect("ip(8) reads");
    drop(input);
    assert!(child.wait().expect("ip(8)").success());
}

/// `ip -j` of `arguments`, as a list.
#[track_caller]
pub fn ip_json(arguments: &str) -> Vec<serde_json::Value> {
    let text = ip(&format!("-j {arguments}"));
    if text.trim().is_empty() {
        return Vec::new();
    }
    serde_json::from_str(&text).expect("JSON from ip(8)")
}

/// Two ends of a cable, up, `eth0` with index 10 and `far0` with index 11.
pub fn cable() {
    ip("link add eth0 index 10 type veth peer name far0 index 11");
    ip("link set eth0 up");
    ip("link set far0 up");
}
