//! VMware's guest info: RPC messages through the backdoor, four bytes a call. Source: open-vm-tools, `lib/message/message.c`
//! and `lib/include/guest_msg_def.h`.

#[cfg(test)]
mod tests;

use std::io;

use super::{MAX_FILE, MAX_MEDIUM};
use crate::config::platform::Bodies;
use crate::sys::vmware::{Backdoor, Registers};

/// The command for messages; what is to be done stands above it.
const MESSAGE: u32 = 0x1e;
const OPEN: u32 = 0;
const SEND_SIZE: u32 = 1;
const SEND_DATA: u32 = 2;
const RECEIVE_SIZE: u32 = 3;
const RECEIVE_DATA: u32 = 4;
const RECEIVE_STATUS: u32 = 5;
const CLOSE: u32 = 6;

/// `RPCI`, and the flag that asks for cookies.
const PROTOCOL: u32 = 0x4943_5052;
const WITH_COOKIES: u32 = 0x8000_0000;

/// What the host says of a call, in the upper half of ECX.
const SUCCESS: u32 = 0x1;
const HAS_REPLY: u32 = 0x2;
/// The host forgot the message: it was saved and restored meanwhile.
const CHECKPOINT: u32 = 0x10;

/// How often a message is begun anew after that.
const ATTEMPTS: usize = 3;

/// Longest reply, bytes: a value, and `1 ` in front.
const MAX_REPLY: usize = MAX_FILE + 2;

/// What `names` are set to, each under `guestinfo/` and its name.
pub fn read(names: &[&str]) -> Bodies {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return read_from(&mut crate::sys::vmware::Hypervisor::assume(), names);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return {
        let _ = names;
        Bodies::new()
    };
}

fn read_from(backdoor: &mut impl Backdoor, names: &[&str]) -> Bodies {
    let mut bodies = Bodies::new();
    let mut left = MAX_MEDIUM;
    for name in names {
        match get(backdoor, name) {
            Ok(Some(value)) if value.len() <= left => {
                left -= value.len();
                bodies.insert(format!("guestinfo/{name}"), value);
            }
            Ok(None) => {}
            Ok(Some(_)) => log::warn!("media: guestinfo.{name} is left out: too much in all"),
            Err(error) => log::warn!("media: guestinfo.{name}: {error}"),
        }
    }
    bodies
}

/// The value of `guestinfo.NAME`; `None`: it is not set.
fn get(backdoor: &mut impl Backdoor, name: &str) -> io::Result<Option<Vec<u8>>> {
    let command = format!("info-get guestinfo.{name}");
    for _ in 0..ATTEMPTS {
        let mut channel = Channel::open(backdoor)?;
        let reply = channel.ask(command.as_bytes());
        channel.close();
        match reply {
            Ok(reply) => {
                // `1 value`, or `0 No value found`.
                return Ok(reply.strip_prefix(b"1 ").map(<[u8]>::to_owned));
            }
            Err(Refusal::Forgotten) => {}
            Err(Refusal::Failed(what)) => return Err(io::Error::other(what)),
            Err(Refusal::TooLong) => return Err(io::ErrorKind::FileTooLarge.into()),
        }
    }
    Err(io::Error::other("the host forgot the message each time"))
}

/// Why there is no reply.
#[derive(Debug)]
enum Refusal {
    /// To be begun anew.
    Forgotten,
    Failed(&'static str),
    TooLong,
}

/// A channel for messages.
struct Channel<'a, B> {
    backdoor: &'a mut B,
    number: u32,
    cookies: [u32; 2],
}

impl<'a, B: Backdoor> Channel<'a, B> {
    fn open(backdoor: &'a mut B) -> io::Result<Self> {
        let answer = backdoor.call(Registers {
            bx: PROTOCOL | WITH_COOKIES,
            cx: OPEN << 16 | MESSAGE,
            ..Registers::default()
        });
        if answer.cx >> 16 & SUCCESS == 0 {
            return Err(io::Error::other("the host opens no channel"));
        }
        Ok(Self {
            number: answer.dx >> 16,
            cookies: [answer.si, answer.di],
            backdoor,
        })
    }

    fn call(&mut self, what: u32, argument: u32) -> Registers {
        let [si, di] = self.cookies;
        self.backdoor.call(Registers {
            bx: argument,
            cx: what << 16 | MESSAGE,
            dx: self.number << 16,
            si,
            di,
            ax: 0,
        })
    }

    /// The answer of a call that has to succeed.
    fn must(
        &mut self,
        what: u32,
        argument: u32,
        failed: &'static str,
    ) -> Result<Registers, Refusal> {
        let answer = self.call(what, argument);
        match answer.cx >> 16 {
            status if status & SUCCESS != 0 => Ok(answer),
            status if status & CHECKPOINT != 0 => Err(Refusal::Forgotten),
            _ => Err(Refusal::Failed(failed)),
        }
    }

    fn ask(&mut self, message: &[u8]) -> Result<Vec<u8>, Refusal> {
        let length = u32::try_from(message.len()).map_err(|_| Refusal::TooLong)?;
        self.must(SEND_SIZE, length, "the host takes no message")?;
        for chunk in message.chunks(4) {
            let mut word = [0; 4];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            let word = u32::from_le_bytes(word);
            self.must(SEND_DATA, word, "the host takes no more of a message")?;
        }
        let answer = self.must(RECEIVE_SIZE, 0, "the host has no reply")?;
        if answer.cx >> 16 & HAS_REPLY == 0 || answer.dx >> 16 != SEND_SIZE {
            return Err(Refusal::Failed("the host has no reply"));
        }
        let length = usize::try_from(answer.bx).map_err(|_| Refusal::TooLong)?;
        if length > MAX_REPLY {
            return Err(Refusal::TooLong);
        }
        let mut reply = Vec::with_capacity(length);
        while reply.len() < length {
            let answer = self.must(RECEIVE_DATA, SUCCESS, "the host ends a reply early")?;
            if answer.dx >> 16 != SEND_DATA {
                return Err(Refusal::Failed("the host ends a reply early"));
            }
            let word = answer.bx.to_le_bytes();
            reply.extend(word.iter().take(length - reply.len()));
        }
        self.must(RECEIVE_STATUS, SUCCESS, "the host does not end a reply")?;
        Ok(reply)
    }

    fn close(mut self) {
        self.call(CLOSE, 0);
    }
}
