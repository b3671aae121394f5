//! [`crate::state::Op`] to netlink bytes, netlink bytes to what is there. Pure: no socket, no clock.
//!
//! ```text
//!  Op ──► encode ──► bytes      (address, link, route, rule, alias; options: what both directions of a link share;
//!                                over generic netlink: wireguard, ethtool)
//!  bytes ──► decode ──► Message (address, link, route, rule, neighbor, ack)
//!  dump requests and what collects their answers: dump, answer · which notifications matter: event
//!  our table of nf_tables, in one batch and back: nft · the base chains of nf_tables, whosever: nf_chains
//! ```
//!
//! The message types of netlink-packet-route build what we send; what we receive is read attribute by attribute with
//! its iterator, because its own parser gives up a whole message for one attribute that it cannot read. What goes over
//! generic netlink is built by [`body`]: a dozen attributes each, keys that are wiped, and lists that are cut to fit.

mod ack;
mod address;
mod alias;
mod answer;
mod attribute;
mod body;
pub mod dump;
pub mod ethtool;
pub mod event;
pub mod genl;
mod link;
mod message;
pub mod neighbor;
pub mod nf_chains;
pub mod nft;
mod options;
mod route;
mod rule;
#[cfg(test)]
mod tests;
pub mod wireguard;
pub mod wireguard_traffic;

pub use ack::Refusal;
pub use answer::{Batch, Dump, Progress, RouteHead};
pub use message::{Kind, Message, Messages, WireError, decode, encode, waive_ack};

use std::collections::BTreeMap;

use crate::state::{AddressStatus, LinkStatus, RouteStatus};
use crate::value::LinkName;

/// Gives addresses and routes the names of their links. Decoding leaves `if<index>` (as ip(8) prints a link it does
/// not know) in addresses and nothing in routes.
pub fn name_links(
    links: &BTreeMap<u32, LinkStatus>,
    addresses: &mut [AddressStatus],
    routes: &mut [RouteStatus],
) {
    for address in addresses {
        if let Some(link) = links.get(&address.link_index) {
            address.link_name = link.name.clone();
        }
    }
    for route in routes {
        route.out_link_name = links.get(&route.out_link_index).map(|l| l.name.clone());
    }
}

/// The name ip(8) gives to an index without a link: at most 12 bytes, always valid.
fn placeholder(index: u32) -> LinkName {
    format!("if{index}")
        .parse()
        .expect("if and at most 10 digits are a link name")
}
