//! TCP connections and DNS queries of the one loop: effects in, events out.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd as _;

use super::core::HttpEvent;
use crate::proto::http::LOW_PORTS;
use crate::sys;
use crate::sys::poll::Interest;
use crate::value::LinkName;

/// Bytes of a connection read at once.
const READ_SIZE: usize = 16 << 10;

/// Longest DNS answer over UDP that is taken, bytes.
const MAX_DATAGRAM: usize = 2048;

/// Reads of one socket in one turn: a flood must not keep the loop from its timers.
const MAX_DRAIN: usize = 64;

/// All of [`LOW_PORTS`], from `first` round to it again.
fn low_ports(first: u16) -> impl Iterator<Item = u16> {
    (first..=*LOW_PORTS.end()).chain(*LOW_PORTS.start()..first)
}

/// All of them.
#[derive(Default)]
pub struct Connections {
    tcp: BTreeMap<u64, Connection>,
    /// One socket a family: an IPv6 one does not reach IPv4 servers.
    dns: BTreeMap<bool, UdpSocket>,
}

/// A TCP stream, and whether it stands yet.
struct Connection {
    stream: TcpStream,
    connecting: bool,
}

/// Which one is ready.
#[derive(Clone, Copy, Debug)]
pub enum Ready {
    /// The connection of that id.
    Tcp(u64),
    /// The DNS socket of IPv4 (`true`) or IPv6.
    Dns(bool),
}

impl Connections {
    /// What to watch.
    pub fn interests(&self) -> impl Iterator<Item = (Interest<'_>, Ready)> {
        let tcp = self.tcp.iter().map(|(id, connection)| {
            let fd = connection.stream.as_fd();
            let interest = if connection.connecting {
                Interest::write(fd)
            } else {
                Interest::read(fd)
            };
            (interest, Ready::Tcp(*id))
        });
        tcp.chain(
            self.dns
                .iter()
                .map(|(v4, socket)| (Interest::read(socket.as_fd()), Ready::Dns(*v4))),
        )
    }

    /// Begins a connection, with `low_port` from the first free one of [`LOW_PORTS`] from there on; what becomes of it is
    /// told by an event.
    pub fn connect(
        &mut self,
        id: u64,
        address: SocketAddr,
        device: Option<&LinkName>,
        low_port: Option<u16>,
        queue: &mut VecDeque<HttpEvent>,
    ) {
        let sources = low_port.into_iter().flat_map(low_ports);
        match sys::tcp::connect(address, device, sources) {
            Ok(stream) => {
                self.tcp.insert(
                    id,
                    Connection {
                        stream,
                        connecting: true,
                    },
                );
            }
            Err(error) => queue.push_back(HttpEvent::Failed(
                id,
                error.raw_os_error().unwrap_or(libc::EIO),
            )),
        }
    }

    /// Writes all of `bytes`. Requests are far smaller than a send buffer: a write that would block is a broken
    /// connection.
    pub fn write(&mut self, id: u64, bytes: &[u8], queue: &mut VecDeque<HttpEvent>) {
        let Some(connection) = self.tcp.get_mut(&id) else {
            return;
        };
        if connection.stream.write_all(bytes).is_err() {
            self.tcp.remove(&id);
            queue.push_back(HttpEvent::Closed(id));
        }
    }

    /// Forgets a connection.
    pub fn close(&mut self, id: u64) {
        self.tcp.remove(&id);
    }

    /// Sends a query; a lost one is sent again by its look-up.
    pub fn query(&mut self, server: SocketAddr, message: &[u8]) -> io::Result<()> {
        let v4 = server.is_ipv4();
        let socket = match self.dns.entry(v4) {
            Entry::Occupied(socket) => socket.into_mut(),
            Entry::Vacant(slot) => {
                let any = if v4 {
                    Ipv4Addr::UNSPECIFIED.into()
                } else {
                    Ipv6Addr::UNSPECIFIED.into()
                };
                slot.insert(sys::udp::bind(SocketAddr::new(any, 0), None)?)
            }
        };
        socket.send_to(message, server).map(drop)
    }

    /// Reads what is ready.
    pub fn take(&mut self, ready: Ready, queue: &mut VecDeque<HttpEvent>) {
        match ready {
            Ready::Tcp(id) => self.take_tcp(id, queue),
            Ready::Dns(v4) => {
                let Some(socket) = self.dns.get(&v4) else {
                    return;
                };
                let mut buffer = [0; MAX_DATAGRAM];
                for _ in 0..MAX_DRAIN {
                    let Ok(count) = socket.recv(&mut buffer) else {
                        break;
                    };
                    queue.push_back(HttpEvent::Dns(
                        buffer.get(..count).unwrap_or_default().to_vec(),
                    ));
                }
            }
        }
    }

    fn take_tcp(&mut self, id: u64, queue: &mut VecDeque<HttpEvent>) {
        let Some(connection) = self.tcp.get_mut(&id) else {
            return;
        };
        if connection.connecting {
            connection.connecting = false;
            queue.push_back(match sys::tcp::outcome(&connection.stream) {
                Ok(()) => HttpEvent::Connected(id),
                Err(error) => HttpEvent::Failed(id, error.raw_os_error().unwrap_or(libc::EIO)),
            });
            return;
        }
        let mut buffer = [0; READ_SIZE];
        for _ in 0..MAX_DRAIN {
            match connection.stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) if count > 0 => {
                    queue.push_back(HttpEvent::Received(
                        id,
                        buffer.get(..count).unwrap_or_default().to_vec(),
                    ));
                }
                Ok(_) | Err(_) => {
                    queue.push_back(HttpEvent::Closed(id));
                    self.tcp.remove(&id);
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_low_port_is_tried_once_from_the_drawn_one_on() {
        let ports: Vec<u16> = low_ports(1022).collect();
        assert_eq!(ports[..3], [1022, 1023, 600]);
        assert_eq!((ports.len(), ports.last()), (424, Some(&1021)));
    }
}
