//! What others change in nf_tables: a notice for each object, of whatever table.

use super::super::attribute::attributes;
use super::super::message::frames;
use super::{HEADER, INET, kind};
use crate::state::nft::TABLE;

/// NFNLGRP_NFTABLES, include/uapi/linux/netfilter/nfnetlink.h.
pub const GROUP: u32 = 7;

/// NFTA_*_TABLE and NFTA_TABLE_NAME: all of them are the first.
const NAME: u16 = 1;

/// Whether a datagram of notices tells of our table. Changes that come from `own` port are known already. Of what concerns
/// others, nothing is read but the header and the name of the table.
pub fn noticed(datagram: &[u8], own: Option<u32>) -> bool {
    frames(datagram).any(|frame| {
        // The new generation is in no table, and follows the changes that make it.
        frame.kind != kind::NEW_GENERATION
            && own != Some(frame.port)
            && frame.body.first() == Some(&INET)
            && is_ours(frame.body.get(HEADER..).unwrap_or_default())
    })
}

fn is_ours(body: &[u8]) -> bool {
    let mut names = attributes(body).filter(|(kind, _)| *kind == NAME);
    let name = names.next().map(|(_, name)| name);
    name.and_then(|name| name.strip_suffix(&[0])) == Some(TABLE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::buffer::Buffer;
    use super::*;

    fn notice(kind: u16, family: u8, table: &str) -> Vec<u8> {
        Buffer::request((kind, 0), 1, family, |b| b.put_text(NAME, table))
    }

    #[test]
    fn only_our_table_rings() {
        let delete_rule = kind::NEW_RULE + 2;
        assert!(noticed(&notice(delete_rule, INET, "init-net"), None));
        assert!(noticed(&notice(kind::DELETE_TABLE, INET, "init-net"), None));
        assert!(!noticed(&notice(kind::NEW_RULE, INET, "kube-proxy"), None));
        assert!(!noticed(&notice(kind::NEW_RULE, 2, "init-net"), None));
        assert!(!noticed(
            &notice(kind::NEW_GENERATION, INET, "init-net"),
            None
        ));
        assert!(!noticed(&[1, 2, 3], None));
        let mut many = notice(kind::NEW_RULE, INET, "kube-proxy");
        many.extend(notice(kind::NEW_SET, INET, "init-net"));
        assert!(noticed(&many, None));
    }

    #[test]
    fn what_we_did_ourselves_does_not_ring() {
        let mut ours = notice(kind::NEW_RULE, INET, "init-net");
        ours[12..16].copy_from_slice(&77_u32.to_ne_bytes());
        assert!(!noticed(&ours, Some(77)));
        assert!(noticed(&ours, Some(78)));
        ours.extend(notice(kind::NEW_RULE, INET, "init-net"));
        assert!(noticed(&ours, Some(77)));
    }
}
