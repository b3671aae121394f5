//! Who listens on the ports that packets ask for: TCP that answers by the kernel alone, UDP that sends back what comes.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The port at which a datagram asks whether all that came before it has been sent back.
pub const FENCE: u16 = 9;

/// The port at which a connection asks whether all that was sent before it has arrived.
pub const MARKER: u16 = 9;

/// Sockets of both families on these ports, and on [`FENCE`] and [`MARKER`].
pub struct Listeners {
    tcp: Vec<TcpListener>,
    /// The fence last.
    udp: Vec<UdpSocket>,
}

impl Listeners {
    /// In the network of the calling thread.
    #[track_caller]
    pub fn open(tcp: &[u16], udp: &[u16]) -> Self {
        let at = |port: &u16| SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port));
        let tcp = tcp.iter().chain(&[MARKER]);
        let udp = udp.iter().chain(&[FENCE]);
        let datagrams = |port: &u16| {
            let socket = UdpSocket::bind(at(port)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        Self {
            tcp: tcp
                .map(|port| TcpListener::bind(at(port)).unwrap())
                .collect(),
            udp: udp.map(datagrams).collect(),
        }
    }

    /// Sends back datagrams until `stop` says something or is closed.
    pub fn serve(&self, stop: impl AsFd) {
        super::probe::stay();
        let mut waiting: Vec<PollFd> = self
            .udp
            .iter()
            .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
            .collect();
        waiting.push(PollFd::new(stop.as_fd(), PollFlags::POLLIN));
        loop {
            if poll(&mut waiting, PollTimeout::NONE).is_err() {
                continue;
            }
            if waiting.last().and_then(PollFd::any) == Some(true) {
                return;
            }
            // Once around for what came before the fence, and only then the fence: what asks there has waited for the others
            // to be in their sockets. One that comes meanwhile is for the next time around.
            let (fence, others) = self.udp.split_last().unwrap();
            let mut asked = Vec::new();
            receive(fence, |data, from| asked.push((data.to_vec(), from)));
            for socket in others {
                receive(socket, |data, from| send(socket, data, from));
            }
            asked
                .iter()
                .for_each(|(data, from)| send(fence, data, *from));
        }
    }

    /// How many of them there are.
    pub fn count(&self) -> usize {
        self.tcp.len() + self.udp.len()
    }

    /// [`Listeners::serve`] in a thread.
    pub fn start(self) -> Service {
        let (stop, stopped) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || self.serve(stopped));
        Service {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

/// Listeners that serve until this is dropped.
pub struct Service {
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has printed itself.
            let _ = thread.join();
        }
    }
}

fn receive(socket: &UdpSocket, mut each: impl FnMut(&[u8], SocketAddr)) {
    let mut buffer = [0; 2048];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => each(&buffer[..length], from),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // An error that somebody sent about an answer: told once.
            Err(_) => {}
        }
    }
}

/// Nobody is told of an answer that cannot be sent: it is missed where it should come.
fn send(socket: &UdpSocket, data: &[u8], to: SocketAddr) {
    let _ = socket.send_to(data, to);
}
