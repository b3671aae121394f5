//! The firewall with real packets: a machine between a network that may be anybody and a pod behind its own DNAT.

mod flood;
mod limits;
mod matrix;
mod pods;
mod replace;
mod stage;
mod text;
mod virtual_address;
