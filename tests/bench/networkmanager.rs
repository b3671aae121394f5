//! NetworkManager's world: a message bus, without which it exits, and a connection for the link.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::Result;

/// What counts.
pub const DAEMON: &str = "/usr/sbin/NetworkManager";

/// What it cannot do without.
pub const BUS: &str = "/usr/bin/dbus-daemon";

/// Inside the root. The bus listens when the process that was started as it exits.
pub const SCRIPT: &str = "/bench/networkmanager.sh";

/// The library's own idea of where the bus is lies below /var/run, which is no link to /run here.
const SCRIPT_TEXT: &str = "/bin/busybox mkdir -p /run/dbus
/usr/bin/dbus-daemon --config-file=/bench/bus.conf --fork || exit 1
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket
exec /usr/sbin/NetworkManager --no-daemon
";

/// Everybody there is root: nobody has to be kept from anything.
const BUS_CONFIG: &str = r#"<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

/// Its own DHCP client, no polkit to ask, and a resolver file that it writes itself.
const CONFIG: &str = "[main]
plugins=keyfile
dhcp=internal
auth-polkit=false
rc-manager=file
";

const CONNECTION: &str = "[connection]
id=eth0
uuid=00112233-4455-6677-8899-aabbccddeeff
type=ethernet
interface-name=eth0
[ipv4]
method=auto
[ipv6]
method=disabled
";

pub fn furnish(root: &Path) -> Result<()> {
    fs::write(root.join(SCRIPT.trim_start_matches('/')), SCRIPT_TEXT)?;
    fs::write(root.join("bench/bus.conf"), BUS_CONFIG)?;
    fs::write(root.join("etc/NetworkManager/NetworkManager.conf"), CONFIG)?;
    // Not under /etc, which every run writes anew: a connection that others may read is ignored.
    let connection = root.join("usr/lib/NetworkManager/system-connections/eth0.nmconnection");
    fs::write(&connection, CONNECTION)?;
    fs::set_permissions(&connection, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
