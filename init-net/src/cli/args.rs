//! The grammar of argv.

use core::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::run::boot::BootOptions;
use crate::run::change::Net;
use crate::run::doctor::Target;
use crate::run::explain_packet::{Asked, LinkName, Protocol};
use crate::run::process::Options;
use crate::run::sources::{ObservedFrom, Sources};

/// Init-time network configuration for immutable operating systems.
#[derive(Debug, Parser)]
#[command(name = "init-net", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 fine, 1 the answer is no or errors, 2 changes (plan), 64 usage."
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The boot stage: bring the network up, then hand off; the default when PID 1. Otherwise it becomes the
    /// supervisor; with --hook it returns: 0 ready, 1 handed off for another reason
    Boot(BootArgs),
    /// The reconciler that `boot` leaves behind. Tells a service manager how it is (NOTIFY_SOCKET, WATCHDOG_USEC) and takes
    /// its control socket from one (LISTEN_FDS)
    Supervise(SuperviseArgs),
    /// Validate: diagnostics on stderr (JSON on stdout), a caret under the place; exit 1 on errors
    Check {
        #[command(flatten)]
        sources: SourceArgs,
        /// Output format
        #[arg(short, long, value_enum, default_value = "text")]
        output: CheckOutput,
    },
    /// Print the desired state, every object with its layer and origin
    Compile {
        #[command(flatten)]
        sources: SourceArgs,
        /// Output format
        #[arg(short, long, value_enum, default_value = "yaml")]
        output: DataOutput,
    },
    /// Print what would run, one command a line; exit 0 nothing to do, 2 changes
    Plan {
        #[command(flatten)]
        sources: SourceArgs,
    },
    /// Make the kernel agree now. A running supervisor takes the sources over and keeps them; without one the ops are
    /// done and printed here, and DHCP is left alone. Nothing is done when the sources have errors
    Apply {
        #[command(flatten)]
        sources: SourceArgs,
        #[command(flatten)]
        net: NetArgs,
    },
    /// Keep the change that `apply --confirm-within` made; exit 1 when none waits
    Confirm,
    /// Go back to the sources before the last change, at once and by the ordinary plan; also after a confirm
    Rollback {
        /// Although the firewall would cut this session, management ports, DHCP or the metadata service
        #[arg(long)]
        force: bool,
    },
    /// Show resources, from the supervisor, or from the kernel when none runs
    Get {
        /// links, addresses, routes, rules, neighbors, hostname, resolvers, hosts, leases, nodeaddresses,
        /// operators, timeservers, probes, vips, firewall, ethernet, aliases, sysctls, metadata,
        /// externalips, events, status; the desired side as linkspecs, addressspecs, …
        kind: String,
        /// Only the resource of this id
        id: Option<String>,
        /// Output format
        #[arg(short, long, value_enum, default_value = "table")]
        output: GetOutput,
        /// Go on with every change: + came, - went, neither: changed. Asks the supervisor
        #[arg(short, long)]
        watch: bool,
    },
    /// Print counters and gauges of the supervisor in the text form of OpenMetrics; packets and bytes of the firewall too,
    /// which the file of initnet.metrics= does not have
    Metrics,
    /// Where an object comes from and what it overrode
    Explain {
        /// An address, a route's destination or `default`, a link, `hostname`, `resolvers`, `firewall`, a rule of it,
        /// or an id from `get`; `packet`: what the firewall does with one
        id: String,
        #[command(flatten)]
        packet: PacketArgs,
        #[command(flatten)]
        sources: SourceArgs,
    },
    /// Let the running supervisor become another program, in the same process: nothing in the network is touched. The new
    /// program is asked first; one that does not run, or cannot read the state, is refused
    Upgrade {
        /// The program; default: what is by now in the file that the supervisor was started from
        #[arg(long, value_name = "PATH")]
        binary: Option<PathBuf>,
    },
    /// Readiness as an exit code
    Wait {
        /// How far the network must be (online: and every probe succeeds)
        #[arg(long, value_enum, default_value = "routable")]
        level: Level,
        /// Give up after this time: 500ms, 30s, 2m
        #[arg(long, value_parser = duration, default_value = "30s")]
        timeout: Duration,
        /// One link with an address is enough, whatever the others still lack
        #[arg(long)]
        any: bool,
    },
    /// The boot, phase by phase
    Timeline {
        /// Output format
        #[arg(short, long, value_enum, default_value = "table")]
        output: GetOutput,
    },
    /// Print the JSON Schema of a machine config's documents, for editors (draft 2020-12)
    Schema,
    /// What is wrong with the network of this machine, and what to do; exit 1 on errors. Asks gateways, name servers
    /// and neighbours, at most 10 s; changes nothing
    Doctor {
        /// Also reach this: example.net:443, 192.0.2.1:443, [2001:db8::1]:443; and measure the path MTU to it
        #[arg(long, value_name = "HOST:PORT")]
        online: Option<Target>,
        /// Output format
        #[arg(short, long, value_enum, default_value = "text")]
        output: CheckOutput,
    },
    /// Draw the topology as SVG: what stands on what, state and addresses, and what is declared and not there
    Graph,
}

#[derive(Debug, clap::Args)]
pub struct BootArgs {
    /// Leave the supervisor behind and return, for a hook in another initramfs
    #[arg(long)]
    hook: bool,
    /// Use this instead of /proc/cmdline: text, or @FILE
    #[arg(long, value_name = "TEXT|@FILE")]
    cmdline: Option<String>,
    /// Return once configured and leave nothing behind
    #[arg(long, requires = "hook")]
    no_supervisor: bool,
}

impl BootArgs {
    pub fn options(&self) -> BootOptions {
        BootOptions {
            hook: self.hook,
            cmdline: self.cmdline.clone(),
            supervisor: !self.no_supervisor,
        }
    }
}

/// What a change is caught by.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct NetArgs {
    /// Go back to the sources before after this time, unless `init-net confirm` comes: 30s, 2m; whole seconds
    #[arg(long, value_name = "TIME", value_parser = duration)]
    confirm_within: Option<Duration>,
    /// Every probe that succeeds after the change confirms it
    #[arg(long, requires = "confirm_within")]
    confirm_by_probe: bool,
    /// In place of a change that still waits for its confirmation; what comes back is what was before that one
    #[arg(long)]
    replace: bool,
    /// Although the firewall would cut this session, management ports, DHCP or the metadata service
    #[arg(long)]
    force: bool,
}

impl NetArgs {
    pub fn net(self) -> Net {
        Net {
            confirm_within: self.confirm_within,
            by_probe: self.confirm_by_probe,
            replace: self.replace,
            force: self.force,
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct SuperviseArgs {
    /// Write one line end to descriptor N, and close it, when the wait level is reached (as s6 wants it)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(3..))]
    ready_fd: Option<i32>,
    /// Only say whether this program could go on with the state of this machine; what an upgrade asks first
    #[arg(long, conflicts_with = "ready_fd")]
    pub check: bool,
}

impl SuperviseArgs {
    pub fn options(&self) -> Options {
        Options {
            ready_fd: self.ready_fd,
        }
    }
}

/// The packet of `explain packet`.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub struct PacketArgs {
    /// Where it comes from
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// Where it goes; default: an address of this machine
    #[arg(long, value_name = "IP")]
    to: Option<IpAddr>,
    /// tcp, udp, icmp or icmpv6; default: tcp
    #[arg(long, value_name = "PROTOCOL", value_parser = parsed::<Protocol>)]
    proto: Option<Protocol>,
    /// The port that it comes from, of TCP and UDP; default: 49152
    #[arg(long, value_name = "PORT")]
    from_port: Option<u16>,
    /// The port that it goes to, of TCP and UDP
    #[arg(long, value_name = "PORT")]
    to_port: Option<u16>,
    /// Its type, of ICMP; default: an echo request
    #[arg(long, value_name = "TYPE")]
    icmp_type: Option<u8>,
    /// The link by which it comes in; default: the one with the address
    #[arg(long = "in", value_name = "LINK", value_parser = parsed::<LinkName>)]
    in_link: Option<LinkName>,
    /// It belongs to a connection that both sides know
    #[arg(long)]
    established: bool,
}

impl PacketArgs {
    /// The packet; an error is one of usage.
    pub fn asked(&self) -> Result<Asked, String> {
        let from = self.from.ok_or("packet: --from is missing")?;
        let protocol = self.proto.unwrap_or(Protocol::Tcp);
        let family = match protocol {
            Protocol::Tcp | Protocol::Udp => None,
            Protocol::Icmp => Some(true),
            Protocol::Icmpv6 => Some(false),
        };
        match family {
            None if self.to_port.is_none() => {
                return Err(format!("packet: {protocol} wants --to-port"));
            }
            None if self.icmp_type.is_some() => {
                return Err(format!("packet: {protocol} has no --icmp-type"));
            }
            Some(_) if self.from_port.or(self.to_port).is_some() => {
                return Err(format!("packet: {protocol} has no ports"));
            }
            Some(v4) if from.is_ipv4() != v4 => {
                return Err(format!("packet: no {protocol} comes from {from}"));
            }
            None | Some(_) => {}
        }
        if self.to.is_some_and(|to| to.is_ipv4() != from.is_ipv4()) {
            return Err("packet: --from and --to are of different families".into());
        }
        Ok(Asked {
            from,
            to: self.to,
            protocol,
            from_port: self.from_port.unwrap_or(FROM_PORT),
            to_port: self.to_port.unwrap_or(0),
            icmp_type: self.icmp_type,
            in_link: self.in_link.clone(),
            established: self.established,
        })
    }

    /// Whether anything is said of a packet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The first port of those that clients use (RFC 6335 §6).
const FROM_PORT: u16 = 49_152;

/// Where the configuration is read from; with none of these, what a boot would read.
#[derive(Debug, Default, clap::Args)]
pub struct SourceArgs {
    /// Kernel command line: text, or @FILE
    #[arg(long, value_name = "TEXT|@FILE")]
    cmdline: Option<String>,
    /// Machine config file; repeatable; - is stdin
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Cloud platform; one that can be asked needs --metadata-url or --metadata-dir
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,
    /// Base address of the metadata service instead of the cloud's own
    #[arg(long, value_name = "URL", requires = "platform")]
    metadata_url: Option<String>,
    /// Folder with what the platform's service and drives would say: a file for each path of the service, and for each
    /// file of a drive
    #[arg(
        long,
        value_name = "DIR",
        requires = "platform",
        conflicts_with = "metadata_url"
    )]
    metadata_dir: Option<PathBuf>,
    /// Links to compile against: a file that `init-net get links -o json` printed, `kernel`, or `none`
    #[arg(long, value_name = "FILE|kernel|none", default_value = KERNEL)]
    observed: String,
}

/// The links of this machine.
const KERNEL: &str = "kernel";

impl SourceArgs {
    /// Whether nothing is said of sources.
    pub fn is_empty(&self) -> bool {
        let sources = self.sources();
        sources.is_boot()
            && sources.metadata_url.is_none()
            && sources.metadata_dir.is_none()
            && self.observed == KERNEL
    }

    pub fn sources(&self) -> Sources {
        Sources {
            cmdline: self.cmdline.clone(),
            configs: self.config.clone(),
            platform: self.platform.clone(),
            metadata_url: self.metadata_url.clone(),
            metadata_dir: self.metadata_dir.clone(),
            observed: match self.observed.as_str() {
                KERNEL => ObservedFrom::Kernel,
                "none" => ObservedFrom::Nothing,
                file => ObservedFrom::File(file.into()),
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckOutput {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataOutput {
    Yaml,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GetOutput {
    Table,
    Json,
    Yaml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    Links,
    Local,
    Routable,
    Online,
}

impl From<Level> for crate::run::WaitLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Links => Self::Links,
            Level::Local => Self::Local,
            Level::Routable => Self::Routable,
            Level::Online => Self::Online,
        }
    }
}

/// A word of the vocabulary.
fn parsed<T: core::str::FromStr<Err: core::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// `500ms`, `30s`, `2m`, or plain seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a duration is a number with ms, s, m or h: 500ms, 30s, 2m".into()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "a duration is a number with ms, s, m or h: 500ms, 30s, 2m")?;
    Ok(Duration::from_millis(number.saturating_mul(unit)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound_and_help_fits_100_columns() {
        let mut command = Args::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands_mut() {
            let help = sub.render_long_help().to_string();
            assert!(
                help.lines().all(|line| line.chars().count() <= 100),
                "{help}"
            );
        }
    }

    #[test]
    fn a_packet_is_whole() {
        let asked = |words: &str| {
            let words = format!("init-net explain packet {words}");
            let Command::Explain { packet, .. } = Args::try_parse_from(words.split_whitespace())
                .unwrap()
                .command
            else {
                panic!("{words}");
            };
            packet.asked().map(|asked| (asked.protocol, asked.to_port))
        };
        assert_eq!(
            asked("--from 10.0.0.9 --to-port 22"),
            Ok((Protocol::Tcp, 22))
        );
        assert_eq!(
            asked("--from fe80::9 --proto icmpv6"),
            Ok((Protocol::Icmpv6, 0))
        );
        for bad in [
            "",
            "--to-port 22",
            "--from 10.0.0.9",
            "--from 10.0.0.9 --proto udp",
            "--from fe80::9 --proto icmp",
            "--from 10.0.0.9 --proto icmpv6",
            "--from 10.0.0.9 --proto icmp --to-port 22",
            "--from 10.0.0.9 --to-port 22 --icmp-type 8",
            "--from 10.0.0.9 --to fe80::2 --to-port 22",
        ] {
            assert!(asked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_said_of_packets_and_sources_is_known() {
        let empty = |words: &str| {
            let words = format!("init-net explain firewall {words}");
            let Command::Explain {
                packet, sources, ..
            } = Args::try_parse_from(words.split_whitespace())
                .unwrap()
                .command
            else {
                panic!("{words}");
            };
            packet.is_empty() && sources.is_empty()
        };
        assert!(empty(""));
        for more in [
            "--established",
            "--from 10.0.0.9",
            "--config c.yaml",
            "--observed none",
        ] {
            assert!(!empty(more), "{more}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert!(duration("").is_err() && duration("5x").is_err() && duration("-1s").is_err());
    }
}
