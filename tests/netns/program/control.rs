//! Who may ask the supervisor, and for what.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::machine::{Machine, on_machine};

const SOCKET: &str = "/run/init-net/control.sock";

const STATIC: &str = "ip=10.77.0.9::10.77.0.1:24::eth0:none";

/// Asks as a user without rights, in these groups; what is printed and said.
fn ask_as(machine: &Machine, groups: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--groups", groups, "--"]);
    command.arg(reachable(machine)).args(arguments);
    let output = command.output().expect("setpriv(1)");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A copy of the program that everybody may run.
fn reachable(machine: &Machine) -> String {
    let path = "/run/init-net-for-everybody";
    if !Path::new(path).exists() {
        fs::copy(machine.command(&[]).get_program(), path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    path.to_owned()
}

#[test]
fn members_of_the_control_group_may_ask_and_change_nothing() {
    on_machine("control-group", |machine| {
        fs::write("/etc/group", "root:x:0:\nnetwatch:x:4242:\n").unwrap();
        machine.boot(&format!("{STATIC} initnet.control.group=netwatch"));
        machine.answers();
        let socket = fs::metadata(SOCKET).unwrap();
        assert_eq!(socket.permissions().mode() & 0o777, 0o660);
        assert_eq!((socket.uid(), socket.gid()), (0, 4242));
        // More groups than fit at first.
        let many: Vec<String> = (5000..5100).map(|gid| gid.to_string()).collect();
        let many = format!("{},4242", many.join(","));
        for groups in ["4242", &many] {
            let (code, output, errors) = ask_as(machine, groups, &["get", "status", "-o", "json"]);
            assert_eq!(code, 0, "{errors}");
            assert!(
                output.contains("\"process\""),
                "the supervisor answered: {output}"
            );
        }
        let (code, _, errors) = ask_as(machine, "4242", &["explain", "10.77.0.9"]);
        assert_eq!(code, 0, "{errors}");
        for change in [
            &["apply", "--cmdline", STATIC][..],
            &["upgrade", "--binary", "/bin/true"],
        ] {
            let (code, _, errors) = ask_as(machine, "4242", change);
            assert_eq!(code, 1, "{change:?}");
            assert!(errors.contains("not allowed"), "{change:?}: {errors}");
        }
        assert_eq!(machine.plan(), json!([]));
        // Who is neither does not even get in.
        let (_, output, _) = ask_as(machine, "1", &["get", "status", "-o", "json"]);
        assert!(!output.contains("\"process\""), "{output}");
    });
}

#[test]
fn root_alone_is_answered_without_a_group() {
    on_machine("control-root", |machine| {
        machine.boot(&format!("{STATIC} initnet.control.group=no-such-group"));
        machine.answers();
        assert!(machine.log().contains("no such group"), "{}", machine.log());
        let mode = fs::metadata(SOCKET).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Even where the mode lets everybody in.
        fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666)).unwrap();
        let (code, _, errors) = ask_as(machine, "4242", &["get", "status", "-o", "json"]);
        assert_eq!(code, 1);
        assert!(errors.contains("answers root only"), "{errors}");
    });
}
