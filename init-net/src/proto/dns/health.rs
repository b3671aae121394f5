//! Whether a name server works: one question that every resolver can answer, and what the answer says of it.

use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

/// What a server that answered is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It resolves.
    Works,
    /// SERVFAIL: it is there, and cannot resolve.
    Fails,
    /// REFUSED, or another code: it is there, and does not resolve for this machine.
    Refuses,
}

/// The question for the name servers of the root: no resolver needs more than its own hints for it, and it tells nobody
/// what this machine is for.
pub fn question(id: u16) -> Vec<u8> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        Name::new_unchecked(""),
        QTYPE::TYPE(TYPE::NS),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    // One question of one empty name always fits.
    packet.build_bytes_vec().unwrap_or_default()
}

/// What `bytes` say; `None`: not an answer to [`question`] with this `id`. Only the header is read, whatever follows.
pub fn verdict(bytes: &[u8], id: u16) -> Option<Verdict> {
    let header: &[u8; 12] = bytes.first_chunk()?;
    let is_response = header[2] & 0x80 != 0;
    if header[..2] != id.to_be_bytes() || !is_response {
        return None;
    }
    Some(match RCODE::from(u16::from(header[3] & 0x0f)) {
        RCODE::NoError | RCODE::NameError => Verdict::Works,
        RCODE::ServerFailure => Verdict::Fails,
        _ => Verdict::Refuses,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_for_the_root() {
        // RFC 1035 §4.1: id, RD, one question: the empty name, NS (2), IN (1).
        let bytes = question(0x1234);
        assert_eq!(
            bytes,
            [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]
        );
    }

    #[test]
    fn answers_are_told_apart() {
        let check = |flags: [u8; 2], expect| {
            let mut bytes = question(7);
            bytes[2..4].copy_from_slice(&flags);
            assert_eq!(verdict(&bytes, 7), expect, "{flags:?}");
            assert_eq!(verdict(&bytes, 8), None);
            assert_eq!(verdict(&bytes[..11], 7), None);
        };
        check([0x81, 0x80], Some(Verdict::Works));
        check([0x81, 0x83], Some(Verdict::Works));
        check([0x81, 0x82], Some(Verdict::Fails));
        check([0x81, 0x85], Some(Verdict::Refuses));
        check([0x01, 0x00], None);
    }
}
