//! The conversation with nf_tables: our table to the kernel in one batch, and what it has of it.
//!
//! Most machines ask for the firewall once and change it never, and what they do not use shall cost no memory: a socket is
//! opened for a conversation, and closed after it. That of a change stays until nothing is left to do: closing one waits for
//! what the kernel has still to free, 10 ms of a grace period (`nft_rcv_nl_event`, net/netfilter/nf_tables_api.c).

use core::fmt;
use std::io;

use super::rtnetlink::RtnetlinkError;
use crate::state::FirewallOp;
use crate::state::nft::TableStatus;
use crate::sys::netlink::Requests;
use crate::wire::nft::{self, Encoded, Objection, Reading};
use crate::wire::{Progress, WireError};

/// Looks at rules that others change meanwhile: after so many what was seen last has to do. The notices of those changes ask
/// for the next look, where they concern us.
const MAX_LOOKS: usize = 4;

/// Why the table was not replaced. What was in force before is so still.
#[derive(Debug)]
pub enum NftablesError {
    /// It has no message.
    Wire(WireError),
    /// The kernel said no; with what was asked for, in words.
    Refused(Box<Objection>, String),
    /// The socket failed, or the answer was lost: whether it happened shows in the next look.
    Socket(io::Error),
}

impl NftablesError {
    /// Positive `errno`. ERESTART: the rules are no longer those that the change was planned for.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused(objection, _) => Some(objection.refusal.errno),
            Self::Socket(error) => error.raw_os_error(),
            Self::Wire(_) => None,
        }
    }
}

impl fmt::Display for NftablesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::Refused(_, words) => f.write_str(words),
            Self::Socket(error) => write!(f, "netlink: {error}"),
        }
    }
}

impl std::error::Error for NftablesError {}

/// The sequence numbers, and what stays open.
#[derive(Default)]
pub struct Nftables {
    seq: u32,
    /// That of the last change.
    socket: Option<Requests>,
}

impl Nftables {
    /// Puts `op` in force, as a whole or not at all.
    pub fn apply(&mut self, op: &FirewallOp) -> Result<(), NftablesError> {
        let batch = nft::encode(op, self.seq.wrapping_add(1)).map_err(NftablesError::Wire)?;
        self.seq = batch.last_seq();
        match self.exchange(&batch).map_err(NftablesError::Socket)? {
            Ok(()) => Ok(()),
            Err(objection) => {
                let words = objection.about(op);
                Err(NftablesError::Refused(Box::new(objection), words))
            }
        }
    }

    fn exchange(&mut self, batch: &Encoded) -> io::Result<Result<(), Objection>> {
        let mut socket = self.open()?;
        let answer = Self::answer(&mut socket, batch);
        // After a refusal more of them may wait in it.
        self.socket = matches!(answer, Ok(Ok(()))).then_some(socket);
        answer
    }

    fn answer(socket: &mut Requests, batch: &Encoded) -> io::Result<Result<(), Objection>> {
        socket.send_whole(&batch.bytes)?;
        loop {
            match socket.receive() {
                // Every message that is wrong has its answer: more than fit, and the first of them is there.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                datagram => {
                    if let Some(answer) = batch.receive(datagram?) {
                        return Ok(answer);
                    }
                }
            }
        }
    }

    /// Our table, `None` where there is none, and the generation of the rules. A kernel without nf_tables, or one that does
    /// not tell us, has neither; any other failure says nothing of what is in force.
    pub fn table(&mut self) -> Result<(Option<TableStatus>, Option<u32>), RtnetlinkError> {
        let stays = self.socket.is_some();
        let looked = self.open().map_err(RtnetlinkError::Socket);
        let looked = looked.and_then(|mut socket| {
            let mut attempt = 1;
            let seen = loop {
                match self.look(&mut socket)?.finish() {
                    Ok(seen) => break seen,
                    Err(seen) if attempt == MAX_LOOKS => break seen,
                    Err(_) => attempt += 1,
                }
            };
            self.socket = stays.then_some(socket);
            Ok(seen)
        });
        match looked {
            Err(error) if is_none(&error) => {
                log::debug!("nf_tables: {error}");
                Ok((None, None))
            }
            looked => looked,
        }
    }

    fn look(&mut self, socket: &mut Requests) -> Result<Reading, RtnetlinkError> {
        let mut reading = Reading::default();
        let mut parts = Reading::parts();
        while let Some(part) = parts.pop_front() {
            self.seq = self.seq.wrapping_add(1);
            let request = reading.ask(&part, self.seq);
            socket.send(&request).map_err(RtnetlinkError::Socket)?;
            let progress = loop {
                let datagram = socket.receive().map_err(RtnetlinkError::Socket)?;
                match reading.receive(datagram) {
                    Progress::More => {}
                    progress => break progress,
                }
            };
            match progress {
                Progress::Failed(refusal) => match reading.refused(&part, refusal.errno) {
                    Some(rest) => parts = rest,
                    None => return Err(RtnetlinkError::Refused(refusal)),
                },
                progress => {
                    let interrupted = progress == Progress::Interrupted;
                    for next in reading.answered(&part, interrupted).into_iter().rev() {
                        parts.push_front(next);
                    }
                }
            }
        }
        Ok(reading)
    }

    /// The port of the socket that stays: notices with it tell of what we did ourselves. Once that is closed, the kernel gives
    /// the port to whoever asks next with our process number, which somebody in another PID namespace may have.
    pub fn port(&self) -> Option<u32> {
        self.socket.as_ref().map(Requests::port)
    }

    /// Nothing is left to do: time to close what stays.
    pub fn rest(&mut self) {
        self.socket = None;
    }

    fn open(&mut self) -> io::Result<Requests> {
        if let Some(socket) = self.socket.take() {
            return Ok(socket);
        }
        Requests::open_netfilter()
    }
}

/// Whether a look failed because there is nothing to see: a kernel without nf_tables (EINVAL: nfnetlink alone is there,
/// `nfnetlink_rcv_msg`), or not for us.
fn is_none(error: &RtnetlinkError) -> bool {
    const NOT_FOR_US: [i32; 2] = [libc::EPERM, libc::EACCES];
    const NO_PROTOCOL: [i32; 3] = [
        libc::EPROTONOSUPPORT,
        libc::EAFNOSUPPORT,
        libc::ESOCKTNOSUPPORT,
    ];
    const NO_SUBSYSTEM: [i32; 2] = [libc::EINVAL, libc::EOPNOTSUPP];
    match error {
        RtnetlinkError::Refused(refusal) => {
            NO_SUBSYSTEM.contains(&refusal.errno) || NOT_FOR_US.contains(&refusal.errno)
        }
        RtnetlinkError::Socket(error) => error
            .raw_os_error()
            .is_some_and(|errno| NO_PROTOCOL.contains(&errno) || NOT_FOR_US.contains(&errno)),
        RtnetlinkError::Wire(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Refusal;

    #[test]
    fn only_what_says_that_there_is_none_is_none() {
        let socket = |errno| RtnetlinkError::Socket(io::Error::from_raw_os_error(errno));
        let refused = |errno| {
            RtnetlinkError::Refused(Refusal {
                errno,
                text: String::new(),
                offset: None,
            })
        };
        for errno in [libc::EPROTONOSUPPORT, libc::EAFNOSUPPORT, libc::EPERM] {
            assert!(is_none(&socket(errno)), "{errno}");
        }
        for errno in [libc::EINVAL, libc::EOPNOTSUPP, libc::EPERM] {
            assert!(is_none(&refused(errno)), "{errno}");
        }
        for errno in [libc::EAGAIN, libc::ENOBUFS, libc::ENOMEM, libc::EMFILE] {
            assert!(!is_none(&socket(errno)), "{errno}");
            assert!(!is_none(&refused(errno)), "{errno}");
        }
        assert!(!is_none(&socket(libc::EINVAL)));
    }
}
