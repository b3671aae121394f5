//! `initnet.state=` and a cloud whose service is down: the copy of an earlier boot, and whose it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use qemu::peer::MetadataServer;
use qemu::peer::metadata::Fault;
use qemu::process;
use serde_json::Value;

use crate::bench::{ADDRESS, Bench, Facts, MAC, script};

/// Before init-net: nothing in it mounts the disk.
const MOUNT: &str = "
mkdir -p /proc /sys /dev /tmp /state
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in virtio_pci virtio_blk ext4; do busybox modprobe $module; done
n=0
until mount -t ext4 /dev/vda /state || [ $n = 300 ]; do usleep 100000; n=$((n+1)); done
";

/// After the hand-off.
const AFTER: &str = "
ready 60s
init-net get metadata -o json | say metadata
init-net get status -o json | say status
tables
busybox umount /state
poweroff -f
";

const SERVICE: &str = "169.254.169.254:80";
const ONE: &str = "4c4c4544-0000-4000-8000-000000000001";
const OTHER: &str = "4c4c4544-0000-4000-8000-000000000002";

fn disk(bench: &Bench) -> PathBuf {
    let image = bench.lab.folder().join("state.ext4");
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(["-q", "-t", "ext4"]);
    process::run(mke2fs.arg(&image).arg("16M")).unwrap();
    image
}

/// One boot of the instance `uuid`.
fn boot(bench: &Bench, disk: &Path, uuid: &str, name: &str) -> Facts {
    let payload = script(AFTER);
    let init = format!(
        "{MOUNT}\ncat > /payload << 'END OF PAYLOAD'\n{payload}END OF PAYLOAD\n\
         busybox chmod 755 /payload\nexec /bin/init-net\n"
    );
    let vm = bench
        .guest_of_script(&init)
        .name(name)
        .cmdline("initnet.state=/state initnet.timeout=20 initnet.init=/payload")
        .manufacturer("Hetzner")
        .uuid(uuid)
        .nic("port0", MAC)
        .disk(disk);
    Facts::of(vm.start(&bench.lab).unwrap())
}

fn diagnostics(facts: &Facts) -> String {
    let report: Value = serde_json::from_str(&facts.kind("report").join("\n")).unwrap();
    report["diagnostics"].to_string()
}

#[test]
fn a_service_that_is_down_leaves_the_copy_of_this_instance_and_of_no_other() {
    let bench = Bench::new("cached");
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let disk = disk(&bench);
    let folder = bench.lab.folder().join("metadata");
    let root = folder.join("hetzner/v1/metadata");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("instance-id"), "42000007").unwrap();
    fs::write(root.join("hostname"), "node7").unwrap();

    let service = MetadataServer::of(&folder)
        .start(&bench.lab, SERVICE)
        .unwrap();
    let facts = boot(&bench, &disk, ONE, "first");
    facts.has("hostname", "node7");
    let said = diagnostics(&facts);
    assert!(!said.contains("earlier boot"), "{said}");
    // From now on it refuses, which ends the matter at once: one that is silent is asked for as long as there is time.
    service.set_always("*", Some(Fault::Status(403)));

    let facts = boot(&bench, &disk, ONE, "second");
    facts.has("hostname", "node7");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    let said = diagnostics(&facts);
    assert!(
        said.contains("the copy of an earlier boot is used"),
        "{said}"
    );
    let metadata = facts.kind("metadata").join("\n");
    assert!(metadata.contains("42000007"), "{metadata}");
    assert!(metadata.contains("cached"), "{metadata}");

    // The same disk in another instance.
    let facts = boot(&bench, &disk, OTHER, "third");
    facts.lacks("hostname", "node7");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    let said = diagnostics(&facts);
    assert!(
        !said.contains("the copy of an earlier boot is used"),
        "{said}"
    );
    let metadata = facts.kind("metadata").join("\n");
    assert!(!metadata.contains("42000007"), "{metadata}");
}
