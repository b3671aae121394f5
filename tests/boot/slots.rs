//! `initnet.state=` on a real disk: boots that end without a word, and what the next one knows.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use qemu::process;

use crate::bench::Bench;
use crate::bench::Facts;
use crate::bench::MAC;
use crate::bench::ROUTER;
use crate::bench::script;

/// Before init-net: nothing in it mounts the disk.
const MOUNT: &str = r#"
mkdir -p /proc /sys /dev /tmp /state /etc/init-net
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in virtio_pci virtio_blk ext4; do busybox modprobe $module; done
n=0
until mount -t ext4 /dev/vda /state || [ $n = 300 ]; do usleep 100000; n=$((n+1)); done
"#;

/// After the hand-off. The machine ends as if its plug was pulled: nothing of what is only in memory reaches the disk.
const AFTER: &str = r#"
n=0
until init-net get status -o json > /tmp/status || [ $n = 100 ]; do usleep 100000; n=$((n+1)); done
tr -d '\n' < /tmp/status | say status
echo | say status
grep -h -o '"good":[a-z]*,"tries":[0-9]*' /state/config-*.json | say slot
reach 10.77.0.1
tables
echo o > /proc/sysrq-trigger
"#;

const GOOD: &str = "\
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
addresses:
  - address: 10.77.0.20/24
routes:
  - gateway: 10.77.0.1
";

/// Waits for a lease: there is no server.
const BAD: &str = "\
apiVersion: v1alpha1
kind: DHCPv4Config
name: eth0
";

fn disk(bench: &Bench) -> PathBuf {
    let image = bench.lab.folder().join("state.ext4");
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(["-q", "-t", "ext4"]);
    process::run(mke2fs.arg(&image).arg("16M")).unwrap();
    image
}

/// One boot with this machine config.
fn boot(bench: &Bench, disk: &Path, number: u32, config: &str) -> Facts {
    let payload = script(AFTER);
    let init = format!(
        "{MOUNT}\ncat > /etc/init-net/machine.yaml << 'END OF CONFIG'\n{config}END OF CONFIG\n\
         cat > /payload << 'END OF PAYLOAD'\n{payload}END OF PAYLOAD\n\
         busybox chmod 755 /payload\nexec /bin/init-net\n"
    );
    let vm = bench
        .guest_of_script(&init)
        .name(&format!("boot{number}"))
        // Six boots: on a busy host one of them would take its timer for broken.
        .cmdline("no_timer_check initnet.state=/state initnet.timeout=5 initnet.init=/payload")
        .nic("port0", MAC)
        .disk(disk);
    Facts::of(vm.start(&bench.lab).unwrap())
}

#[test]
fn three_boots_with_a_config_that_never_works_and_the_last_good_one_is_back() {
    let bench = Bench::new("slots");
    let disk = disk(&bench);
    let facts = boot(&bench, &disk, 1, GOOD);
    facts.has("address", "eth0 inet 10.77.0.20/24");
    facts.has("reach", &format!("{ROUTER} 0"));
    assert_eq!(facts.kind("slot"), [r#""good":true,"tries":0"#]);
    for number in 2..=4 {
        let facts = boot(&bench, &disk, number, BAD);
        facts.lacks("address", "eth0 inet 10.77.0.20/24");
        let tries = format!(r#""good":false,"tries":{}"#, number - 1);
        assert_eq!(facts.kind("slot"), [r#""good":true,"tries":0"#, &tries]);
    }
    let facts = boot(&bench, &disk, 5, BAD);
    facts.has("address", "eth0 inet 10.77.0.20/24");
    facts.has("reach", &format!("{ROUTER} 0"));
    let said = "machine.yaml did not reach its wait level in 3 boots";
    for kind in ["report", "status"] {
        let text = facts.kind(kind).join("\n");
        assert!(text.contains(said), "{kind}: {text}");
    }
    // And on the console.
    assert!(facts.printed(said), "a line for who watches");
    // Another config is tried.
    let facts = boot(&bench, &disk, 6, &GOOD.replace(".20/", ".21/"));
    facts.has("address", "eth0 inet 10.77.0.21/24");
    assert_eq!(
        facts.kind("slot"),
        [r#""good":true,"tries":0"#, r#""good":true,"tries":0"#]
    );
}
