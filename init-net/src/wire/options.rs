//! Options of links as attributes. One table a kind names each attribute once; what is sent and what is received are
//! both read off it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attribute::{Writer, address_of, attributes, u8_of, u16_of, u32_of};
use crate::value::{
    AdSelect, ArpAllTargets, ArpValidate, BondMode, FailOverMac, IpvlanMode, LacpActive, LacpRate,
    Mac, MacvlanMode, PrimaryReselect, RouteTable, VlanId, VlanProtocol, XmitHashPolicy,
};

/// Goes through a table of options: [`Sent`] writes those that are said, [`Received`] fills them in.
pub(super) trait Table {
    /// The option `slot` is the attribute `kind`.
    fn option<T: Value>(&mut self, kind: u16, slot: &mut Option<T>);

    /// The same, for a number in network order.
    fn be16(&mut self, kind: u16, slot: &mut Option<u16>) {
        let mut swapped = slot.map(Be16);
        self.option(kind, &mut swapped);
        *slot = swapped.map(|Be16(number)| number);
    }

    /// The same, for a switch that takes four bytes.
    fn wide_bool(&mut self, kind: u16, slot: &mut Option<bool>) {
        let mut wide = slot.map(u32::from);
        self.option(kind, &mut wide);
        *slot = wide.map(|number| number != 0);
    }
}

/// Writes the options that are `Some`.
pub(super) struct Sent<'a>(pub &'a mut Writer);

impl Table for Sent<'_> {
    fn option<T: Value>(&mut self, kind: u16, slot: &mut Option<T>) {
        if let Some(value) = slot {
            self.0.push(kind, |bytes| value.write(bytes));
        }
    }
}

/// Fills in what the attributes say; `None` where one is missing or cannot be read.
pub(super) struct Received<'a>(pub &'a [u8]);

impl Table for Received<'_> {
    fn option<T: Value>(&mut self, kind: u16, slot: &mut Option<T>) {
        *slot = attributes(self.0)
            .find(|(found, _)| *found == kind)
            .and_then(|(_, value)| T::read(value));
    }
}

/// The value of an attribute.
pub(super) trait Value: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(value: &[u8]) -> Option<Self>;
}

impl Value for u8 {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn read(value: &[u8]) -> Option<Self> {
        u8_of(value)
    }
}

impl Value for u16 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_ne_bytes());
    }

    fn read(value: &[u8]) -> Option<Self> {
        u16_of(value)
    }
}

impl Value for u32 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_ne_bytes());
    }

    fn read(value: &[u8]) -> Option<Self> {
        u32_of(value)
    }
}

impl Value for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(value: &[u8]) -> Option<Self> {
        u8_of(value).map(|byte| byte != 0)
    }
}

/// A number in network order.
struct Be16(u16);

impl Value for Be16 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0.to_be_bytes());
    }

    fn read(value: &[u8]) -> Option<Self> {
        value.try_into().ok().map(u16::from_be_bytes).map(Self)
    }
}

impl Value for Mac {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }

    fn read(value: &[u8]) -> Option<Self> {
        Self::from_bytes(value)
    }
}

impl Value for Ipv4Addr {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.octets());
    }

    fn read(value: &[u8]) -> Option<Self> {
        match address_of(value)? {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }
}

impl Value for Ipv6Addr {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.octets());
    }

    fn read(value: &[u8]) -> Option<Self> {
        match address_of(value)? {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        }
    }
}

/// A nest of attributes that are numbered from 0 on. An empty one clears the list.
impl<T: Value> Value for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut nest = Writer::default();
        for (kind, value) in (0u16..).zip(self) {
            nest.push(kind, |bytes| value.write(bytes));
        }
        out.extend(nest.into_bytes());
    }

    fn read(value: &[u8]) -> Option<Self> {
        attributes(value).map(|(_, item)| T::read(item)).collect()
    }
}

impl Value for VlanId {
    fn write(&self, out: &mut Vec<u8>) {
        u16::from(*self).write(out);
    }

    fn read(value: &[u8]) -> Option<Self> {
        u16_of(value)?.try_into().ok()
    }
}

/// An EtherType, in network order.
impl Value for VlanProtocol {
    fn write(&self, out: &mut Vec<u8>) {
        Be16(self.number()).write(out);
    }

    fn read(value: &[u8]) -> Option<Self> {
        Be16::read(value).and_then(|Be16(number)| Self::from_number(number))
    }
}

impl Value for RouteTable {
    fn write(&self, out: &mut Vec<u8>) {
        self.id().write(out);
    }

    fn read(value: &[u8]) -> Option<Self> {
        u32_of(value).and_then(Self::new)
    }
}

/// Enumerations go as their number; one that is newer than this program is not understood.
macro_rules! by_number {
    ($($name:ty),+) => {
        $(impl Value for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.number().write(out);
            }

            fn read(value: &[u8]) -> Option<Self> {
                Value::read(value).and_then(Self::from_number)
            }
        })+
    };
}

by_number!(
    AdSelect,
    ArpAllTargets,
    ArpValidate,
    BondMode,
    FailOverMac,
    IpvlanMode,
    LacpActive,
    LacpRate,
    MacvlanMode,
    PrimaryReselect,
    XmitHashPolicy
);
