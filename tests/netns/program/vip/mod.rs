//! Shared addresses with real neighbours: machines of ours and of keepalived on one network, a client that keeps pinging the
//! addresses of both families, and tcpdump and tshark, which judge each advert of most tests.
//!
//! Intervals are a second where nothing else is said: tests run beside each other on a busy host, and `scripts/bench` measures.

mod cloud;
mod etcd;
mod failure;
mod hostile;
mod life;
mod ours;
mod partition;
mod peers;
mod rogue;
mod stage;
mod virtual_mac;
