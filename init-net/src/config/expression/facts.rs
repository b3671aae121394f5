//! [`LinkFacts`]: the fields of `link`.

use super::check::Type;
use super::eval::Value;

/// What an expression can ask of a link. Empty or 0: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts<'a> {
    /// IFLA_IFALIAS.
    pub alias: &'a str,
    /// IFLA_ALT_IFNAME.
    pub alt_names: &'a [String],
    /// Kernel index.
    pub index: u32,
    /// ARPHRD type, include/uapi/linux/if_arp.h.
    pub hw_type: u16,
    /// IFLA_LINK, the parent.
    pub link_index: u32,
    /// Interface flags, include/uapi/linux/if.h.
    pub flags: u32,
    /// Current address.
    pub hardware_addr: &'a [u8],
    /// Burnt-in address.
    pub permanent_addr: &'a [u8],
    /// Everyone on the link.
    pub broadcast_addr: &'a [u8],
    /// Bytes.
    pub mtu: u32,
    /// `fq_codel`, `noqueue`.
    pub queue_disc: &'a str,
    /// IFLA_MASTER.
    pub master_index: u32,
    /// IF_OPER number, see [`OPERATIONAL_STATES`].
    pub operational_state: u8,
    /// `vlan`, `bond`; empty for cards.
    pub kind: &'a str,
    /// `bond`, `bridge` where it is a member of one.
    pub slave_kind: &'a str,
    /// `0000:3b:00.0`.
    pub bus_path: &'a str,
    /// `8086:1572`.
    pub pci_id: &'a str,
    /// `ice`.
    pub driver: &'a str,
    /// Version of the driver, where it has one of its own.
    pub driver_version: &'a str,
    /// Version of the card's firmware.
    pub firmware_version: &'a str,
    /// `0x1572`.
    pub product_id: &'a str,
    /// `0x8086`.
    pub vendor_id: &'a str,
    /// Name of the model.
    pub product: &'a str,
    /// Name of the maker.
    pub vendor: &'a str,
    /// Carrier.
    pub link_state: bool,
    /// Mbit/s.
    pub speed_mbit: u32,
    /// PORT number, include/uapi/linux/ethtool.h.
    pub port: u8,
    /// DUPLEX number, include/uapi/linux/ethtool.h.
    pub duplex: u8,
}

/// Numbers of an enumeration and their names.
pub type Names = &'static [(u16, &'static str)];

/// IFLA_OPERSTATE, include/uapi/linux/if.h.
pub const OPERATIONAL_STATES: Names = &[
    (0, "unknown"),
    (1, "notPresent"),
    (2, "down"),
    (3, "lowerLayerDown"),
    (4, "testing"),
    (5, "dormant"),
    (6, "up"),
];

const TYPES: Names = &[
    (1, "ether"),
    (32, "infiniband"),
    (772, "loopback"),
    (0xfffe, "nohdr"),
];

const PORTS: Names = &[
    (0, "TwistedPair"),
    (1, "AUI"),
    (2, "MII"),
    (3, "Fibre"),
    (4, "BNC"),
    (5, "DirectAttach"),
    (0xef, "None"),
    (0xff, "Other"),
];

const DUPLEXES: Names = &[(0, "Half"), (1, "Full"), (0xff, "Unknown")];

/// One field.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub of: Type,
    pub read: for<'a> fn(&LinkFacts<'a>) -> Value<'a>,
}

const fn field(
    name: &'static str,
    of: Type,
    read: for<'a> fn(&LinkFacts<'a>) -> Value<'a>,
) -> Field {
    Field { name, of, read }
}

/// `pciid` and `speed_megabits` are the names that existing configurations use; the other two are what `get links` prints.
pub static FIELDS: [Field; 30] = [
    field("alias", Type::Text, |l| Value::text(l.alias)),
    field("alt_names", Type::Texts, |l| {
        Value::List(l.alt_names.iter().map(|name| Value::text(name)).collect())
    }),
    field("broadcast_addr", Type::Bytes, |l| {
        Value::bytes(l.broadcast_addr)
    }),
    field("bus_path", Type::Text, |l| Value::text(l.bus_path)),
    field("driver", Type::Text, |l| Value::text(l.driver)),
    field("driver_version", Type::Text, |l| {
        Value::text(l.driver_version)
    }),
    field("duplex", Type::Enum(DUPLEXES), |l| {
        Value::Int(l.duplex.into())
    }),
    field("firmware_version", Type::Text, |l| {
        Value::text(l.firmware_version)
    }),
    field("flags", Type::Int, |l| Value::Int(l.flags.into())),
    field("hardware_addr", Type::Bytes, |l| {
        Value::bytes(l.hardware_addr)
    }),
    field("index", Type::Int, |l| Value::Int(l.index.into())),
    field("kind", Type::Text, |l| Value::text(l.kind)),
    field("link_index", Type::Int, |l| Value::Int(l.link_index.into())),
    field("link_state", Type::Bool, |l| Value::Bool(l.link_state)),
    field("master_index", Type::Int, |l| {
        Value::Int(l.master_index.into())
    }),
    field("mtu", Type::Int, |l| Value::Int(l.mtu.into())),
    field("operational_state", Type::Enum(OPERATIONAL_STATES), |l| {
        Value::Int(l.operational_state.into())
    }),
    field("pci_id", Type::Hex, |l| Value::text(l.pci_id)),
    field("pciid", Type::Hex, |l| Value::text(l.pci_id)),
    field("permanent_addr", Type::Bytes, |l| {
        Value::bytes(l.permanent_addr)
    }),
    field("port", Type::Enum(PORTS), |l| Value::Int(l.port.into())),
    field("product", Type::Text, |l| Value::text(l.product)),
    field("product_id", Type::Hex, |l| Value::text(l.product_id)),
    field("queue_disc", Type::Text, |l| Value::text(l.queue_disc)),
    field("slave_kind", Type::Text, |l| Value::text(l.slave_kind)),
    field("speed_mbit", Type::Int, |l| Value::Int(l.speed_mbit.into())),
    field("speed_megabits", Type::Int, |l| {
        Value::Int(l.speed_mbit.into())
    }),
    field("type", Type::Enum(TYPES), |l| Value::Int(l.hw_type.into())),
    field("vendor", Type::Text, |l| Value::text(l.vendor)),
    field("vendor_id", Type::Hex, |l| Value::text(l.vendor_id)),
];
