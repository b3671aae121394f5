//! Bytes of a reply to addresses, checked against the question.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, RCODE, TYPE};

/// Largest reply, bytes. We send no EDNS, so honest servers stay at 512 (RFC 1035 §2.3.4).
const MAX_REPLY: usize = 4096;

/// Most records in each section; the codec allocates what the header claims before it reads.
const MAX_RECORDS: u16 = 64;

/// Longest chain of CNAME records.
const MAX_CHAIN: usize = 8;

/// Most addresses kept of one reply.
const MAX_ADDRESSES: usize = 16;

/// What a reply to our question says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// These, perhaps none: the name has no such record, or does not exist.
    Addresses(Vec<IpAddr>),
    /// The server cannot tell (SERVFAIL, REFUSED, truncated): another one may.
    Refused,
}

/// The query for `kind` records of `name`, recursion desired.
pub(super) fn encode(id: u16, name: &str, kind: TYPE) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(simple_dns::Question::new(
        Name::new(name).ok()?,
        QTYPE::TYPE(kind),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec().ok()
}

/// The id, before anything else is read.
pub(super) fn id(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|id| u16::from_be_bytes(*id))
}

/// `None`: not a reply to the question for `kind` of `name`; to be ignored (RFC 5452 §3).
pub(super) fn parse(bytes: &[u8], name: &str, kind: TYPE) -> Option<Reply> {
    if bytes.len() > MAX_REPLY {
        return None;
    }
    let counts = bytes.get(4..12)?.chunks_exact(2);
    let count = |pair: &[u8]| pair.first_chunk().map(|two| u16::from_be_bytes(*two));
    if counts.filter_map(count).any(|count| count > MAX_RECORDS) {
        return None;
    }
    let packet = Packet::parse(bytes).ok()?;
    let [question] = packet.questions.as_slice() else {
        return None;
    };
    let asked = question.qtype == QTYPE::TYPE(kind)
        && question.qclass == QCLASS::CLASS(CLASS::IN)
        && same(&question.qname, name)
        && packet.has_flags(PacketFlag::RESPONSE);
    if !asked {
        return None;
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Some(Reply::Addresses(Vec::new())),
        _ => return Some(Reply::Refused),
    }
    let found = follow(&packet, name);
    if found.is_empty() && packet.has_flags(PacketFlag::TRUNCATION) {
        return Some(Reply::Refused);
    }
    Some(Reply::Addresses(found))
}

/// Addresses of `name` in the answer section, through its CNAME records (RFC 1034 §3.6.2).
fn follow(packet: &Packet<'_>, name: &str) -> Vec<IpAddr> {
    let mut name = name.to_owned();
    for _ in 0..=MAX_CHAIN {
        let mut next = None;
        let mut found = Vec::new();
        for record in &packet.answers {
            if record.class != CLASS::IN || !same(&record.name, &name) {
                continue;
            }
            match &record.rdata {
                RData::A(a) => found.push(Ipv4Addr::from(a.address).into()),
                RData::AAAA(a) => found.push(Ipv6Addr::from(a.address).into()),
                RData::CNAME(alias) => next = Some(alias.0.to_string()),
                _ => {}
            }
        }
        found.truncate(MAX_ADDRESSES);
        match next {
            Some(alias) if found.is_empty() => name = alias,
            Some(_) | None => return found,
        }
    }
    Vec::new()
}

/// Names compare without case (RFC 4343).
fn same(name: &Name<'_>, text: &str) -> bool {
    name.to_string().eq_ignore_ascii_case(text)
}
