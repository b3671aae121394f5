//! [`Client`]: one that asks the service behind a shared address over TCP, again and again, and writes down which machine
//! answered.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use super::Observer;
use super::Seen;
use super::Station;
use crate::Result;
use crate::peer::stop::PeerThread;
use crate::peer::stop::StopSignal;
use crate::peer::stop::Woken;

/// How long one try may take, to connect and again to be answered: then there is a new one.
const TRY: Duration = Duration::from_millis(500);

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest answer, bytes: a head and a name.
const ANSWER_MAX: u64 = 4096;

/// A running client; it ends on drop.
#[derive(Debug)]
pub struct Client {
    _thread: PeerThread,
}

impl Client {
    /// Asks `GET /name` of `service` from `station`; what comes is written down by `observer`, as [`Seen::Served`].
    ///
    /// # Errors
    /// The kernel refuses the thread.
    pub fn start(station: &Station, service: SocketAddr, observer: &Observer) -> Result<Self> {
        let recorder = observer.recorder();
        // A thread is born where its parent is.
        let thread = station.namespace.enter(|| {
            PeerThread::start(move |stop: StopSignal| {
                while let Ok(Woken::Timeout) = stop.wait_any(&[], Some(PAUSE)) {
                    if let Ok(by) = request(service) {
                        recorder.push(Seen::Served { by });
                    }
                }
            })
        })?;
        Ok(Self { _thread: thread? })
    }
}

/// The body of one answer, which is a name.
fn request(service: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&service, TRY)?;
    stream.set_read_timeout(Some(TRY))?;
    stream.set_write_timeout(Some(TRY))?;
    stream.write_all(b"GET /name HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
    let name = answer
        .split_once("\r\n\r\n")
        .map_or("", |(_, body)| body.trim());
    if name.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(name.to_owned())
}
