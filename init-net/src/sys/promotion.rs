//! Secondary IPv4 addresses outlive their primary.

use std::io;

/// For all links of this network namespace (Documentation/networking/ip-sysctl.rst, promote_secondaries).
const PROMOTE: &str = "/proc/sys/net/ipv4/conf/all/promote_secondaries";

/// Removing an address takes along every other address of its prefix, whosever it is, unless this is on. systemd turns
/// it on everywhere; the kernel's default is off.
pub fn enable() -> io::Result<()> {
    std::fs::write(PROMOTE, "1\n")
}
