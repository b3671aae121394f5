//! Network cards: rings, features, channels, wake-on-LAN. Only what is said is compared, only what differs is sent.
//!
//! What a card cannot do is planned all the same: it refuses with a reason, and the op backs off.

use std::collections::BTreeMap;

use super::look::Look;
use crate::state::{Desired, EthernetOp, LinkAt, Op};
use crate::value::{Channels, EthernetOptions, Rings};

pub(super) fn plan(desired: &Desired, observed: &Look<'_>, ops: &mut Vec<Op>) {
    let nothing = EthernetOptions::default();
    for spec in desired.ethernet.values() {
        let Some((link, _)) = super::at(&spec.link_name, desired, observed) else {
            continue;
        };
        let (want, have) = (
            &spec.options,
            observed.ethernet.get(&link.index).unwrap_or(&nothing),
        );
        let rings = rings(&want.rings, &have.rings);
        if rings != Rings::default() {
            ops.push(Op::Ethernet(EthernetOp::Rings(link.clone(), rings)));
        }
        features(&link, want, have, ops);
        let channels = channels(&want.channels, &have.channels);
        if channels != Channels::default() {
            ops.push(Op::Ethernet(EthernetOp::Channels(link.clone(), channels)));
        }
        if let Some(modes) = &want.wake_on_lan {
            let sorted = |modes: &[_]| {
                let mut modes = modes.to_vec();
                modes.sort_unstable();
                modes.dedup();
                modes
            };
            let modes = sorted(modes);
            let now = have.wake_on_lan.as_deref().map(sorted);
            // A card that does not know the thing is asleep to it already.
            if now.unwrap_or_default() != modes {
                ops.push(Op::Ethernet(EthernetOp::WakeOnLan(link, modes)));
            }
        }
    }
}

/// `want` where it is said and differs.
fn differing<T: PartialEq + Clone>(want: &Option<T>, have: &Option<T>) -> Option<T> {
    want.clone().filter(|want| have.as_ref() != Some(want))
}

fn rings(want: &Rings, have: &Rings) -> Rings {
    Rings {
        rx: differing(&want.rx, &have.rx),
        tx: differing(&want.tx, &have.tx),
        rx_mini: differing(&want.rx_mini, &have.rx_mini),
        rx_jumbo: differing(&want.rx_jumbo, &have.rx_jumbo),
        rx_buf_len: differing(&want.rx_buf_len, &have.rx_buf_len),
        cqe_size: differing(&want.cqe_size, &have.cqe_size),
        tx_push: differing(&want.tx_push, &have.tx_push),
        rx_push: differing(&want.rx_push, &have.rx_push),
        tx_push_buf_len: differing(&want.tx_push_buf_len, &have.tx_push_buf_len),
        tcp_data_split: differing(&want.tcp_data_split, &have.tcp_data_split),
    }
}

fn channels(want: &Channels, have: &Channels) -> Channels {
    Channels {
        rx: differing(&want.rx, &have.rx),
        tx: differing(&want.tx, &have.tx),
        other: differing(&want.other, &have.other),
        combined: differing(&want.combined, &have.combined),
    }
}

/// One op each: a name that the kernel does not know, or that no card changes, makes it refuse the whole message.
fn features(link: &LinkAt, want: &EthernetOptions, have: &EthernetOptions, ops: &mut Vec<Op>) {
    for (name, on) in &want.features {
        if have.features.get(name) != Some(on) {
            let feature = BTreeMap::from([(name.clone(), *on)]);
            ops.push(Op::Ethernet(EthernetOp::Features(link.clone(), feature)));
        }
    }
}
