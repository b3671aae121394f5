//! Which notifications matter. A notification is only a bell: it says what to dump again, never what is there.

use std::collections::BTreeSet;

use netlink_packet_route::AddressFamily;

use super::answer::RouteHead;
use super::message::{Frame, frames, kind};
use crate::state::{Family, OUR_PROTOCOL, iff};

/// Links that went down between two looks and are told apart; beyond it any may have.
const MAX_DOWN: usize = 32;

/// What has changed since the last dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bell {
    /// A link came, went or changed.
    pub links: bool,
    /// Links that went, or were seen down.
    pub down: Down,
    /// An address came, went or changed.
    pub addresses: bool,
    /// One went that routes may have had as their source: any but a link-local one of IPv6, which comes and goes with every
    /// link of a CNI.
    pub addresses_gone: bool,
    /// A route of ours came or went.
    pub routes: bool,
    /// A default route of others came or went, in whatever table.
    pub defaults: bool,
    /// Routes of others took the place of another, which may have been ours: families and lengths of their destinations.
    pub replaced: BTreeSet<(Family, u8)>,
    /// A rule came or went.
    pub rules: bool,
    /// A parameter that the kernel tells of changed: forwarding, rp_filter, proxy_arp and a few more.
    pub settings: bool,
    /// Notifications were lost: anything may have changed.
    pub overrun: bool,
}

impl Bell {
    /// Whether anything has to be dumped again.
    pub fn rings(&self) -> bool {
        *self != Self::default()
    }

    /// Takes one datagram of notifications, by looking at headers only.
    pub fn receive(&mut self, datagram: &[u8]) {
        for frame in frames(datagram) {
            match frame.kind {
                kind::RTM_NEWLINK | kind::RTM_DELLINK => {
                    self.links = true;
                    self.down.take(&frame);
                }
                kind::RTM_NEWADDR => self.addresses |= !super::address::is_kept_alive(frame.body),
                kind::RTM_DELADDR => {
                    self.addresses = true;
                    self.addresses_gone |= !is_link_local6(frame.body);
                }
                kind::RTM_NEWROUTE | kind::RTM_DELROUTE => self.route(&frame),
                kind::RTM_NEWRULE | kind::RTM_DELRULE => self.rules = true,
                kind::RTM_NEWNETCONF => self.settings = true,
                kind::NLMSG_OVERRUN => self.overrun = true,
                _ => {}
            }
        }
    }

    /// The route is ours; or a default route, which decides readiness; or it took the place of another, which may have
    /// been ours: the kernel reports such a loss only by a flag on the new route (`fib_table_insert`,
    /// net/ipv4/fib_trie.c).
    fn route(&mut self, frame: &Frame<'_>) {
        let Some(head) = RouteHead::of(frame.body) else {
            return;
        };
        if head.protocol == OUR_PROTOCOL {
            self.routes = true;
        } else if frame.flags & netlink_packet_core::NLM_F_REPLACE != 0 {
            self.replaced.insert((head.family, head.dst_len));
        }
        self.defaults |= head.protocol != OUR_PROTOCOL && head.dst_len == 0;
    }
}

/// Which links were down at some moment: whatever happened to them since, routes on them may be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Down {
    indexes: heapless::Vec<u32, MAX_DOWN>,
    any: bool,
}

impl Down {
    fn take(&mut self, frame: &Frame<'_>) {
        let word = |at: usize| frame.body.get(at..)?.first_chunk().copied();
        let (Some(index), Some(flags)) = (word(IFI_INDEX), word(IFI_FLAGS)) else {
            return;
        };
        let index = u32::from_ne_bytes(index);
        let is_down = frame.kind == kind::RTM_DELLINK || u32::from_ne_bytes(flags) & iff::UP == 0;
        if is_down && !self.indexes.contains(&index) {
            self.any |= self.indexes.push(index).is_err();
        }
    }

    /// Whether no link was.
    pub fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }

    /// Whether the link `index` may be one of them.
    pub fn may_have(&self, index: u32) -> bool {
        self.any || self.indexes.contains(&index)
    }
}

/// `struct ifaddrmsg` begins with the family and has the scope behind length and flags.
fn is_link_local6(body: &[u8]) -> bool {
    let family = body.first().copied().map(AddressFamily::from);
    family == Some(AddressFamily::Inet6) && body.get(IFA_SCOPE) == Some(&SCOPE_LINK)
}

/// Offsets in `struct ifinfomsg` and `struct ifaddrmsg`; RT_SCOPE_LINK.
const IFI_INDEX: usize = 4;
const IFI_FLAGS: usize = 8;
const IFA_SCOPE: usize = 3;
const SCOPE_LINK: u8 = 253;

/// Groups to subscribe to: RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE,
/// _IPV6_RULE, _IPV4_NETCONF, _IPV6_NETCONF of include/uapi/linux/rtnetlink.h.
pub const GROUPS: [u32; 9] = [1, 5, 7, 8, 9, 11, 19, 24, 25];

/// Offsets in `struct rtmsg`.
const RTM_DST_LEN: u32 = 1;
const RTM_PROTOCOL: u32 = 5;
/// Offsets in `struct nlmsghdr`, and its length.
const TYPE: u32 = 4;
const FLAGS: u32 = 6;
const HEADER: u32 = 16;

/// A classic BPF program (code, jt, jf, k) that does what [`Bell::receive`] does with routes, inside the kernel: 100,000
/// routes of a CNI then wake nobody. A notification is one message per datagram, so the first header decides.
#[rustfmt::skip]
pub const FILTER: [(u16, u8, u8, u32); 11] = [
    (LD_HALF, 0, 0, TYPE),
    (JEQ, 1, 0, as_loaded(kind::RTM_NEWROUTE)),
    (JEQ, 0, 7, as_loaded(kind::RTM_DELROUTE)),
    (LD_BYTE, 0, 0, HEADER + RTM_PROTOCOL),
    (JEQ, 5, 0, OUR_PROTOCOL as u32),
    (LD_HALF, 0, 0, FLAGS),
    (JSET, 3, 0, as_loaded(netlink_packet_core::NLM_F_REPLACE)),
    (LD_BYTE, 0, 0, HEADER + RTM_DST_LEN),
    (JEQ, 1, 0, 0),
    (RET, 0, 0, 0),
    (RET, 0, 0, u32::MAX),
];

/// BPF loads halves in network order, netlink writes them in the machine's.
const fn as_loaded(half: u16) -> u32 {
    u16::from_be_bytes(half.to_ne_bytes()) as u32
}

/// BPF_LD | BPF_H | BPF_ABS and so on, include/uapi/linux/bpf_common.h.
const LD_HALF: u16 = 0x28;
const LD_BYTE: u16 = 0x30;
const JEQ: u16 = 0x15;
const JSET: u16 = 0x45;
const RET: u16 = 0x06;

#[cfg(test)]
mod tests {
    use super::*;

    /// The four instructions that [`FILTER`] uses.
    fn run(program: &[(u16, u8, u8, u32)], packet: &[u8]) -> bool {
        let (mut pc, mut a) = (0, 0);
        loop {
            let (code, jt, jf, k) = program[pc];
            let at = k as usize;
            pc += 1;
            match code {
                LD_HALF => a = u32::from(u16::from_be_bytes([packet[at], packet[at + 1]])),
                LD_BYTE => a = u32::from(packet[at]),
                JEQ => pc += usize::from(if a == k { jt } else { jf }),
                JSET => pc += usize::from(if a & k != 0 { jt } else { jf }),
                RET => return k != 0,
                _ => panic!("instruction {code:#x}"),
            }
        }
    }

    /// Kernel filter and user code must agree: the program may not be loaded everywhere.
    #[track_caller]
    fn check(kind: u16, flags: u16, dst_len: u8, table: u8, protocol: u8, expect: bool) {
        let mut message = 28u32.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend([2, dst_len, 0, 0, table, protocol, 0, 1, 0, 0, 0, 0]);
        let mut bell = Bell::default();
        bell.receive(&message);
        assert_eq!(bell.rings(), expect, "Bell");
        assert_eq!(run(&FILTER, &message), expect, "FILTER");
    }

    #[test]
    fn foreign_routes_do_not_ring() {
        check(kind::RTM_NEWROUTE, 0, 24, 254, 186, false);
        check(kind::RTM_DELROUTE, 0, 24, 254, 186, false);
        check(kind::RTM_NEWROUTE, 0, 24, 100, 186, false);
        check(kind::RTM_NEWROUTE, 0, 0, 100, 186, true);
        check(kind::RTM_DELROUTE, 0, 0, 100, 186, true);
        check(kind::RTM_NEWROUTE, 0, 24, 254, OUR_PROTOCOL, true);
        check(kind::RTM_DELROUTE, 0, 24, 254, OUR_PROTOCOL, true);
        check(kind::RTM_NEWROUTE, 0x100, 24, 254, 186, true);
        check(kind::RTM_NEWROUTE, 0x600, 24, 254, 186, false);
        check(kind::RTM_NEWROUTE, 0, 0, 254, 3, true);
        check(kind::RTM_NEWLINK, 0, 24, 254, 0, true);
        check(kind::RTM_DELADDR, 0, 24, 254, 0, true);
        check(kind::RTM_NEWRULE, 0, 24, 254, 0, true);
        check(kind::RTM_NEWNETCONF, 0, 24, 254, 0, true);
    }
}
