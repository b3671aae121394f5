//! Datagrams from the kernel: any bytes decode to something, and in bounded time.
#![no_main]

use init_net::value::Instant;
use init_net::wire::{Batch, Dump, decode, event::Bell, name_links};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let at = Instant::from_secs(1);
    assert!(decode(datagram, at).count() <= datagram.len() / 16);
    // The first message of the input chooses the request that is waited for.
    let seq = decode(datagram, at).next().map_or(0, |message| message.seq);
    let mut dump = Dump::new(seq, at);
    dump.receive(datagram);
    name_links(&dump.links, &mut dump.addresses, &mut dump.routes);
    Batch::new(seq, 4).receive(datagram);
    Bell::default().receive(datagram);
});
