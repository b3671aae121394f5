//! The conversation over generic netlink: keys and peers of WireGuard, settings of network cards.
//!
//! The socket is opened when the first thing is asked: most machines ask nothing.

use std::collections::BTreeMap;
use std::io;

use super::rtnetlink::RtnetlinkError;
use crate::state::{EthernetOp, PeerTraffic, WireguardOp};
use crate::sys::netlink::Requests;
use crate::value::{EthernetOptions, PublicKey, WireguardOptions};
use crate::wire::ethtool::{self, Part};
use crate::wire::genl::{self, Answer, GenericFamily};
use crate::wire::{Progress, Refusal, wireguard, wireguard_traffic};

/// Dumps of a device that changes meanwhile: after so many the last one has to do.
const MAX_DUMPS: usize = 4;

/// Keys and peers of a WireGuard device, and the traffic of each peer.
pub type WireguardTraffic = (WireguardOptions, BTreeMap<PublicKey, PeerTraffic>);

/// A socket, the sequence numbers on it, and the families that were found.
#[derive(Default)]
pub struct Generic {
    socket: Option<Requests>,
    seq: u32,
    /// Only those that are there: an absent one may come with its module.
    families: BTreeMap<GenericFamily, u16>,
}

impl Generic {
    /// Keys and peers of the WireGuard link `index`.
    pub fn wireguard(&mut self, index: u32) -> Result<WireguardOptions, RtnetlinkError> {
        self.wireguard_dump(index, wireguard::read)
    }

    /// The same, with what it counts of each peer.
    pub fn wireguard_traffic(&mut self, index: u32) -> Result<WireguardTraffic, RtnetlinkError> {
        self.wireguard_dump(
            index,
            |payload, (device, traffic): &mut WireguardTraffic| {
                wireguard::read(payload, device);
                wireguard_traffic::read(payload, traffic);
            },
        )
    }

    fn wireguard_dump<T: Default>(
        &mut self,
        index: u32,
        read: impl Fn(&[u8], &mut T),
    ) -> Result<T, RtnetlinkError> {
        let id = self.family(GenericFamily::Wireguard)?;
        let mut attempt = 1;
        loop {
            let mut device = T::default();
            let seq = self.next_seq();
            let request = wireguard::get(id, index, seq).map_err(RtnetlinkError::Wire)?;
            let progress = self.ask(&request, seq, |payload| read(payload, &mut device));
            // The buffer has held private keys.
            if let Some(socket) = &mut self.socket {
                socket.wipe();
            }
            match progress? {
                Progress::Interrupted if attempt < MAX_DUMPS => attempt += 1,
                progress => {
                    return self
                        .end(GenericFamily::Wireguard, progress)
                        .map(|()| device);
                }
            }
        }
    }

    /// What `op` says of keys and peers, in as many messages as it takes.
    pub fn set_wireguard(&mut self, op: &WireguardOp) -> Result<(), RtnetlinkError> {
        let id = self.family(GenericFamily::Wireguard)?;
        let first = self.seq.wrapping_add(1);
        let messages = wireguard::set(id, op, first).map_err(RtnetlinkError::Wire)?;
        for message in messages {
            let seq = self.next_seq();
            let progress = self.ask(&message, seq, |_| {})?;
            self.end(GenericFamily::Wireguard, progress)?;
        }
        Ok(())
    }

    /// The multicast group that tells of changed settings of cards, by number.
    pub fn card_monitor(&mut self) -> Result<u32, RtnetlinkError> {
        let family = GenericFamily::Ethtool;
        let seq = self.next_seq();
        let request = genl::get_family(family, seq).map_err(RtnetlinkError::Wire)?;
        let mut group = None;
        self.ask(&request, seq, |payload| {
            group = group.or_else(|| genl::group_id(payload, ethtool::MONITOR));
        })?;
        group.ok_or_else(|| {
            let text = "this kernel does not tell of settings of cards".to_owned();
            refusal(libc::EOPNOTSUPP, text)
        })
    }

    /// What the card `index` has of what `wanted` says anything of. A part that its driver does not have stays empty.
    pub fn ethernet(
        &mut self,
        index: u32,
        wanted: &EthernetOptions,
    ) -> Result<EthernetOptions, RtnetlinkError> {
        self.card(index, parts(wanted))
    }

    /// All of the card `index`.
    pub fn whole_card(&mut self, index: u32) -> Result<EthernetOptions, RtnetlinkError> {
        self.card(
            index,
            [Part::Rings, Part::Features, Part::Channels, Part::WakeOnLan],
        )
    }

    fn card(
        &mut self,
        index: u32,
        parts: impl IntoIterator<Item = Part>,
    ) -> Result<EthernetOptions, RtnetlinkError> {
        let mut card = EthernetOptions::default();
        for part in parts {
            let id = self.family(GenericFamily::Ethtool)?;
            let seq = self.next_seq();
            let request = ethtool::get(id, part, index, seq).map_err(RtnetlinkError::Wire)?;
            let progress = self.ask(&request, seq, |payload| {
                ethtool::read(part, payload, &mut card);
            })?;
            match self.end(GenericFamily::Ethtool, progress) {
                Err(error) if error.errno() != Some(libc::EOPNOTSUPP) => return Err(error),
                _ => {}
            }
        }
        Ok(card)
    }

    /// Does `op`. A feature that the card does not take is a refusal, although the kernel says yes.
    pub fn set_ethernet(&mut self, op: &EthernetOp) -> Result<(), RtnetlinkError> {
        let id = self.family(GenericFamily::Ethtool)?;
        let seq = self.next_seq();
        let request = ethtool::set(id, op, seq).map_err(RtnetlinkError::Wire)?;
        let mut refused = Vec::new();
        let is_features = matches!(op, EthernetOp::Features(..));
        let progress = self.ask(&request, seq, |payload| {
            if is_features {
                refused.extend(ethtool::refused(payload));
            }
        })?;
        self.end(GenericFamily::Ethtool, progress)?;
        if refused.is_empty() {
            Ok(())
        } else {
            let text = format!("the card does not change {}", refused.join(", "));
            Err(refusal(libc::EOPNOTSUPP, text))
        }
    }

    /// The number of `family`; a refusal that names it where this kernel has none.
    fn family(&mut self, family: GenericFamily) -> Result<u16, RtnetlinkError> {
        if let Some(id) = self.families.get(&family) {
            return Ok(*id);
        }
        let seq = self.next_seq();
        let request = genl::get_family(family, seq).map_err(RtnetlinkError::Wire)?;
        let mut found = None;
        self.ask(&request, seq, |payload| {
            found = found.or_else(|| genl::family_id(payload, family));
        })?;
        let absent = || {
            let text = format!(
                "this kernel has no generic netlink family {}",
                family.name()
            );
            refusal(libc::EOPNOTSUPP, text)
        };
        let id = found.ok_or_else(absent)?;
        self.families.insert(family, id);
        Ok(id)
    }

    fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }

    /// Sends `request` and reads to the end of its answer.
    fn ask(
        &mut self,
        request: &[u8],
        seq: u32,
        mut take: impl FnMut(&[u8]),
    ) -> Result<Progress, RtnetlinkError> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            slot => slot.insert(Requests::open_generic().map_err(RtnetlinkError::Socket)?),
        };
        let mut exchange = || {
            socket.send(request)?;
            let mut answer = Answer::new(seq);
            loop {
                match answer.receive(socket.receive()?, &mut take) {
                    Progress::More => {}
                    progress => return Ok(progress),
                }
            }
        };
        exchange().map_err(|error: io::Error| RtnetlinkError::Socket(error))
    }

    /// A refusal may mean that the family is gone, and another one has its number: it is looked up again.
    fn end(&mut self, family: GenericFamily, progress: Progress) -> Result<(), RtnetlinkError> {
        match progress {
            Progress::Failed(refusal) => {
                self.families.remove(&family);
                Err(RtnetlinkError::Refused(refusal))
            }
            _ => Ok(()),
        }
    }
}

fn refusal(errno: i32, text: String) -> RtnetlinkError {
    RtnetlinkError::Refused(Refusal {
        errno,
        text,
        offset: None,
    })
}

/// What has to be asked to compare all that `wanted` says.
fn parts(wanted: &EthernetOptions) -> impl Iterator<Item = Part> {
    let nothing = EthernetOptions::default();
    let parts = [
        (wanted.rings != nothing.rings, Part::Rings),
        (!wanted.features.is_empty(), Part::Features),
        (wanted.channels != nothing.channels, Part::Channels),
        (wanted.wake_on_lan.is_some(), Part::WakeOnLan),
    ];
    parts
        .into_iter()
        .filter(|(said, _)| *said)
        .map(|(_, part)| part)
}
