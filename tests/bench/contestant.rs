//! Who takes part in what: data only.

use std::time::Duration;

use crate::firewall::Rules;
use crate::networkmanager;
use crate::root::Root;

/// What our supervisor calls itself.
pub const SUPERVISOR: &str = "@init-net";

/// What is measured, each a table of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scenario {
    /// exec → address, default route and resolver file, by DHCP.
    Dhcp,
    /// The same, and the server never sees the first packet.
    LostPacket,
    /// exec → exit, with one address and this many routes in the kernel.
    Static(usize),
    /// exec → exit, with a machine config of 10,000 lines to read, check and compile. Nothing else does that: the floor is
    /// the start of a process.
    Check,
    /// exec → exit, with these rules in the kernel.
    Firewall(Rules),
    /// exec → exit of a process that has nothing to do.
    Start,
    /// What stays in memory once the network is up, and whether it sleeps.
    Rest,
    /// From what somebody breaks to its repair, by kind.
    Repair,
    /// What routes and links of others cost a supervisor, beside ip-monitor(8).
    Churn,
}

impl Scenario {
    pub const ALL: [Self; 15] = [
        Self::Dhcp,
        Self::LostPacket,
        Self::Static(1),
        Self::Static(1000),
        Self::Static(10_000),
        Self::Check,
        Self::Firewall(Rules::ALL[0]),
        Self::Firewall(Rules::ALL[1]),
        Self::Firewall(Rules::ALL[2]),
        Self::Firewall(Rules::ALL[3]),
        Self::Firewall(Rules::ALL[4]),
        Self::Start,
        Self::Rest,
        Self::Repair,
        Self::Churn,
    ];

    /// As `--only` spells it.
    pub fn name(self) -> String {
        match self {
            Self::Dhcp => "dhcp".into(),
            Self::LostPacket => "lost-packet".into(),
            Self::Static(routes) => format!("static-{routes}"),
            Self::Check => "check".into(),
            Self::Firewall(rules) => rules.name(),
            Self::Start => "start".into(),
            Self::Rest => "rest".into(),
            Self::Repair => "repair".into(),
            Self::Churn => "churn".into(),
        }
    }

    pub fn title(self) -> String {
        match self {
            Self::Dhcp => "DHCP, exec to address + default route + resolver".into(),
            Self::LostPacket => "the same, first packet to the server lost".into(),
            Self::Static(routes) => format!("static, 1 address and {routes} routes, exec to exit"),
            Self::Check => "check of a config of 10,000 lines, exec to exit".into(),
            Self::Firewall(rules) => rules.title(),
            Self::Start => "process start, exec to exit".into(),
            Self::Rest => "daemon at rest, with a lease".into(),
            Self::Repair => "repair, from the break to the state".into(),
            Self::Churn => "supervisor beside the routes and links of others".into(),
        }
    }

    /// Rounds that count, of those asked for: what waits for seconds has no noise that many rounds would remove.
    pub fn rounds(self, asked: usize) -> usize {
        match self {
            Self::Dhcp | Self::Check | Self::Start => asked,
            Self::Static(routes) if routes < 10_000 => asked,
            Self::Firewall(rules) if !rules.is_large() => asked,
            Self::LostPacket | Self::Static(_) | Self::Firewall(_) => asked.min(5),
            Self::Rest | Self::Repair | Self::Churn => asked.min(1),
        }
    }

    /// A supervisor is watched after it was started; what the start took is no result.
    pub fn is_watched(self) -> bool {
        matches!(self, Self::Rest | Self::Repair | Self::Churn)
    }

    /// A DHCP server at the other end, and the kernel's notifications are what counts. Elsewhere nobody listens to them:
    /// ten thousand of them cost as much as the routes.
    pub fn is_dynamic(self) -> bool {
        matches!(self, Self::Dhcp | Self::LostPacket | Self::Rest)
    }

    pub fn contestants(self) -> Vec<Contestant> {
        match self {
            Self::Dhcp | Self::LostPacket => dhcp(),
            Self::Static(routes) => vec![
                Contestant::new("floor", Root::Own, &format!("/bin/floor static {routes}")),
                Contestant::new(
                    "init-net",
                    Root::Own,
                    &format!("/bin/init-net apply --config /bench/routes-{routes}.yaml"),
                ),
                Contestant::new(
                    "ip-batch",
                    Root::Iproute,
                    &format!("/bin/ip -batch /bench/routes-{routes}.batch"),
                ),
            ],
            Self::Check => vec![
                Contestant::new("floor", Root::Own, "/bin/floor exit"),
                Contestant::new(
                    "init-net",
                    Root::Own,
                    "/bin/init-net check --config /bench/vlans.yaml --observed none",
                ),
            ],
            Self::Firewall(rules) => firewall(rules),
            Self::Start => vec![
                Contestant::new("floor", Root::Own, "/bin/floor exit"),
                Contestant::new("init-net", Root::Own, "/bin/init-net --version"),
                Contestant::new("busybox", Root::Udhcpc, "/bin/busybox true"),
                Contestant::new("ip", Root::Iproute, "/bin/ip -V"),
            ],
            Self::Rest => rest(),
            Self::Repair | Self::Churn => vec![Contestant::new(
                "init-net",
                Root::Own,
                "/bin/init-net boot --hook --cmdline initnet.config=/bench/repair.yaml",
            )],
        }
    }
}

/// Both restores of iptables(8): that of the kernel's older tables, and that which speaks nf_tables.
fn firewall(rules: Rules) -> Vec<Contestant> {
    let own = |name, command: String| Contestant::new(name, Root::Own, &command);
    let restore = |name, program| {
        let command = format!("/usr/sbin/{program}-restore {}", rules.path("iptables"));
        Contestant::new(name, Root::Iptables, &command)
    };
    vec![
        own("floor", format!("/bin/floor {}", rules.floor())),
        own(
            "init-net",
            format!("/bin/init-net apply --config {}", rules.path("yaml")),
        ),
        Contestant::new(
            "nft",
            Root::Nftables,
            &format!("/usr/sbin/nft -f {}", rules.path("nft")),
        ),
        restore("iptables", "iptables-legacy"),
        restore("iptables-nft", "iptables-nft"),
    ]
}

/// What keeps the lease that it got in one process.
fn rest() -> Vec<Contestant> {
    let stays = |contestant| Contestant {
        stays: true,
        ..contestant
    };
    vec![
        Contestant::new(
            "init-net",
            Root::Own,
            "/bin/init-net boot --hook --cmdline ip=eth0:dhcp",
        ),
        stays(networkd()),
        stays(Contestant {
            counts: Some(networkmanager::DAEMON),
            helper: Some(networkmanager::BUS),
            ..Contestant::new(
                "NetworkManager",
                Root::NetworkManager,
                &format!("/bin/busybox sh {}", networkmanager::SCRIPT),
            )
        }),
        stays(Contestant::new(
            "udhcpc",
            Root::Udhcpc,
            "/bin/busybox udhcpc -f -i eth0 -s /bench/udhcpc.sh",
        )),
    ]
}

fn networkd() -> Contestant {
    Contestant {
        // It writes no resolv.conf; its lease file names the resolver.
        resolver: "run/systemd/netif/leases",
        ..Contestant::new("networkd", Root::Networkd, "/lib/systemd/systemd-networkd")
    }
}

fn dhcp() -> Vec<Contestant> {
    let ipconfig = |name| Contestant {
        counts: Some("/usr/lib/klibc/bin/ipconfig"),
        ..Contestant::new(
            name,
            Root::Klibc,
            "/usr/lib/klibc/bin/sh /bench/ipconfig.sh",
        )
    };
    vec![
        Contestant::new("floor", Root::Own, "/bin/floor dhcp"),
        Contestant::new(
            "init-net",
            Root::Own,
            "/bin/init-net boot --hook --no-supervisor --cmdline ip=eth0:dhcp",
        ),
        Contestant::new(
            "udhcpc",
            Root::Udhcpc,
            "/bin/busybox udhcpc -f -q -n -i eth0 -s /bench/udhcpc.sh",
        ),
        Contestant {
            link_up: true,
            ..ipconfig("ipconfig, link up")
        },
        Contestant {
            slow: true,
            ..ipconfig("ipconfig")
        },
        Contestant::new(
            "dhcpcd, tuned",
            Root::Dhcpcd,
            "/usr/sbin/dhcpcd -4 -1 -A --nodelay eth0",
        ),
        Contestant {
            slow: true,
            ..Contestant::new("dhcpcd", Root::Dhcpcd, "/usr/sbin/dhcpcd -B eth0")
        },
        networkd(),
    ]
}

/// One program with its arguments.
#[derive(Clone, Debug)]
pub struct Contestant {
    pub name: &'static str,
    pub root: Root,
    /// Program, inside the root, and arguments.
    pub command: Vec<String>,
    /// The program that counts, where a script starts it.
    pub counts: Option<&'static str>,
    /// Another process that it cannot do without, as it calls itself.
    pub helper: Option<&'static str>,
    /// The link is up before it starts; otherwise that is its work.
    pub link_up: bool,
    /// The folder, inside the root, in which a file will name the resolver.
    pub resolver: &'static str,
    /// Known to wait for seconds by itself: few rounds.
    pub slow: bool,
    /// It is itself what stays, and does not exit.
    pub stays: bool,
}

impl Contestant {
    /// Rounds of one that is slow.
    pub const SLOW_ROUNDS: usize = 3;

    /// The slowest, ipconfig on a link that is down, takes 12 s; with its first packet lost more.
    pub const LIMIT: Duration = Duration::from_secs(40);

    fn new(name: &'static str, root: Root, command: &str) -> Self {
        Self {
            name,
            root,
            command: command.split_whitespace().map(str::to_owned).collect(),
            counts: None,
            helper: None,
            link_up: false,
            resolver: "etc",
            slow: false,
            stays: false,
        }
    }

    /// How the process that stays calls itself.
    pub fn daemon(&self) -> &str {
        match self.stays {
            true => self.program(),
            false => SUPERVISOR,
        }
    }

    /// The program that counts, inside the root.
    pub fn program(&self) -> &str {
        self.counts.unwrap_or(&self.command[0])
    }
}
