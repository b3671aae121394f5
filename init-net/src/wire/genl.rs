//! Generic netlink: families by name, requests to them, and the end of their answers.

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};

use super::answer::{Exchange, Progress};
use super::attribute::{attributes, text_of, u32_of};
use super::body::Body;
use super::message::{WireError, frame, frames};

/// GENL_ID_CTRL: the family that knows the others, include/uapi/linux/genetlink.h.
const CONTROL: u16 = 16;
/// CTRL_CMD_GETFAMILY, and its version.
const GET_FAMILY: u8 = 3;
const CONTROL_VERSION: u8 = 2;
/// CTRL_ATTR_FAMILY_ID.
const FAMILY_ID: u16 = 1;
/// CTRL_ATTR_FAMILY_NAME.
const FAMILY_NAME: u16 = 2;

/// CTRL_ATTR_MCAST_GROUPS, a list of lists, and CTRL_ATTR_MCAST_GRP_NAME and _ID in those.
const GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// `struct genlmsghdr`: command, version, two bytes reserved.
const HEADER: usize = 4;

/// A family that we speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GenericFamily {
    /// WG_GENL_NAME.
    Wireguard,
    /// ETHTOOL_GENL_NAME, Linux 5.6.
    Ethtool,
}

impl GenericFamily {
    /// As the kernel registers it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wireguard => "wireguard",
            Self::Ethtool => "ethtool",
        }
    }
}

/// What number `family` has in this kernel.
pub fn get_family(family: GenericFamily, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut body = Body::new(&[GET_FAMILY, CONTROL_VERSION, 0, 0]);
    body.put_text(FAMILY_NAME, family.name());
    frame(CONTROL, NLM_F_REQUEST | NLM_F_ACK, seq, &body)
}

/// The number in the answer to [`get_family`] about `family`.
pub fn family_id(payload: &[u8], family: GenericFamily) -> Option<u16> {
    let (mut id, mut named) = (None, false);
    for (kind, value) in attributes(payload) {
        match kind {
            FAMILY_ID => id = value.try_into().ok().map(u16::from_ne_bytes),
            FAMILY_NAME => named = text_of(value) == family.name(),
            _ => {}
        }
    }
    id.filter(|_| named)
}

/// The number of the multicast group `name` in the answer to [`get_family`].
pub fn group_id(payload: &[u8], name: &str) -> Option<u32> {
    let groups = attributes(payload).filter(|(kind, _)| *kind == GROUPS);
    let mut groups = groups.flat_map(|(_, list)| attributes(list));
    groups.find_map(|(_, group)| {
        let value = |wanted| attributes(group).find(|(kind, _)| *kind == wanted);
        let (_, found) = value(GROUP_NAME)?;
        let (_, id) = value(GROUP_ID).filter(|_| text_of(found) == name)?;
        u32_of(id)
    })
}

/// The attributes of every message in a datagram of notifications, whatever it tells.
pub(super) fn notices(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    frames(datagram).map(|frame| frame.body.get(HEADER..).unwrap_or_default())
}

/// Starts a request to a family of version 1, as all that we speak to are.
pub(super) fn command(command: u8) -> Body {
    Body::new(&[command, 1, 0, 0])
}

/// One request that wants an acknowledgement.
pub(super) fn request(id: u16, seq: u32, body: &Body) -> Result<Vec<u8>, WireError> {
    body.check()?;
    frame(id, NLM_F_REQUEST | NLM_F_ACK, seq, body)
}

/// One request for a dump.
pub(super) fn dump(id: u16, seq: u32, body: &Body) -> Result<Vec<u8>, WireError> {
    frame(id, NLM_F_REQUEST | NLM_F_DUMP, seq, body)
}

/// Collects the answer to the request `seq`: what it says of a device, or the end of a dump.
#[derive(Debug)]
pub struct Answer(Exchange);

impl Answer {
    /// Awaits it.
    pub const fn new(seq: u32) -> Self {
        Self(Exchange::new(seq))
    }

    /// Takes one datagram, and gives the attributes of every message in it to `take`.
    pub fn receive(&mut self, datagram: &[u8], mut take: impl FnMut(&[u8])) -> Progress {
        self.0.receive(datagram, |_, body| {
            take(body.get(HEADER..).unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::message::kind;

    #[test]
    fn a_family_is_the_one_that_was_asked_for() {
        let mut body = Body::new(&[]);
        body.put(FAMILY_ID, &31_u16.to_ne_bytes());
        body.put_text(FAMILY_NAME, "wireguard");
        let message = frame(CONTROL, 0, 1, &body).unwrap();
        let payload = &message[16..];
        assert_eq!(family_id(payload, GenericFamily::Wireguard), Some(31));
        assert_eq!(family_id(payload, GenericFamily::Ethtool), None);
        assert_eq!(family_id(&[1, 2, 3], GenericFamily::Ethtool), None);
    }

    #[test]
    fn a_group_is_the_one_of_that_name() {
        let mut body = Body::new(&[]);
        body.nest(GROUPS, |body| {
            for (index, name, id) in [(1, "other", 7_u32), (2, "monitor", 8)] {
                body.nest(index, |body| {
                    body.put(GROUP_ID, &id.to_ne_bytes());
                    body.put_text(GROUP_NAME, name);
                });
            }
        });
        let message = frame(CONTROL, 0, 1, &body).unwrap();
        assert_eq!(group_id(&message[16..], "monitor"), Some(8));
        assert_eq!(group_id(&message[16..], "mon"), None);
        assert_eq!(group_id(&[7, 0, 7, 0], "monitor"), None);
    }

    #[test]
    fn an_answer_ends_with_its_acknowledgement() {
        let mut answer = Answer::new(7);
        let mut body = command(1);
        body.put(3, &[1]);
        let mut datagram = frame(31, 0, 7, &body).unwrap();
        datagram.extend(frame(31, 0, 6, &body).unwrap());
        let mut seen = Vec::new();
        let progress = answer.receive(&datagram, |payload| seen.push(payload.to_vec()));
        assert_eq!(
            (progress, seen.len()),
            (Progress::More, 1),
            "others are not ours"
        );
        assert_eq!(seen[0][..5], [5, 0, 3, 0, 1]);
        let done = frame(kind::NLMSG_ERROR, 0, 7, &Body::new(&[0; 20])).unwrap();
        assert_eq!(answer.receive(&done, |_| {}), Progress::Done);
        let refused = [&(-95_i32).to_ne_bytes()[..], &[0; 16]].concat();
        let refused = frame(kind::NLMSG_ERROR, 0, 7, &Body::new(&refused)).unwrap();
        assert!(matches!(answer.receive(&refused, |_| {}), Progress::Failed(it) if it.errno == 95));
    }
}
