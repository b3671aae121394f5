//! `listener PORT…` listens on these ports, and on those of the markers, for TCP and UDP, says "ready", and sends back what
//! comes, for as long as it is there.
#![allow(clippy::unwrap_used, reason = "a listener that cannot listen says why")]

use std::os::unix::net::UnixStream;

use tests::traffic::listener::Listeners;

fn main() {
    let ports: Vec<u16> = std::env::args()
        .skip(1)
        .map(|port| port.parse().unwrap())
        .collect();
    let listeners = Listeners::open(&ports, &ports);
    println!("ready");
    // Nobody ever closes the other end.
    let (_kept, stop) = UnixStream::pair().unwrap();
    listeners.serve(stop);
}
