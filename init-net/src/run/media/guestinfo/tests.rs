//! A host that follows a script.

use super::*;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    NoChannel,
    NoMessage,
    NoReply,
    CutReply,
    LongReply,
    /// So many messages are forgotten half way.
    Forgets(usize),
}

/// A host with one channel at a time.
struct Host {
    fault: Fault,
    values: Vec<(&'static str, &'static [u8])>,
    open: bool,
    expected: usize,
    message: Vec<u8>,
    reply: Vec<u8>,
    /// Bytes of the reply that are taken.
    taken: usize,
    channels: usize,
    closed: usize,
}

const NUMBER: u32 = 5;
const COOKIES: [u32; 2] = [0x1234_5678, 0x9abc_def0];

impl Host {
    fn new(fault: Fault, values: &[(&'static str, &'static [u8])]) -> Self {
        Self {
            fault,
            values: values.to_vec(),
            open: false,
            expected: 0,
            message: Vec::new(),
            reply: Vec::new(),
            taken: 0,
            channels: 0,
            closed: 0,
        }
    }

    fn answer(&self) -> Vec<u8> {
        let message = String::from_utf8(self.message.clone()).unwrap();
        let name = message.strip_prefix("info-get guestinfo.").unwrap();
        match self.values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => [b"1 ", *value].concat(),
            None => b"0 No value found".to_vec(),
        }
    }
}

impl Backdoor for Host {
    fn call(&mut self, registers: Registers) -> Registers {
        assert_eq!(registers.cx & 0xffff, 0x1e);
        let what = registers.cx >> 16;
        let mut answer = registers;
        let mut status = 1;
        if what != 0 {
            assert!(self.open, "a call without a channel");
            assert_eq!(registers.dx >> 16, NUMBER);
            assert_eq!([registers.si, registers.di], COOKIES);
        }
        match what {
            0 => {
                assert!(!self.open, "two channels at once");
                assert_eq!(registers.bx, 0xc943_5052);
                self.open = self.fault != Fault::NoChannel;
                status = u32::from(self.open);
                self.channels += 1;
                answer.dx = NUMBER << 16;
                [answer.si, answer.di] = COOKIES;
            }
            1 => {
                status = u32::from(self.fault != Fault::NoMessage);
                self.expected = registers.bx as usize;
                self.message.clear();
            }
            2 => {
                if let Fault::Forgets(left) = self.fault
                    && left > 0
                {
                    self.fault = Fault::Forgets(left - 1);
                    status = 0x10;
                }
                let left = self.expected - self.message.len();
                assert!(left > 0, "more than was announced");
                let word = registers.bx.to_le_bytes();
                self.message.extend(&word[..left.min(4)]);
                if self.message.len() == self.expected {
                    self.reply = self.answer();
                    self.taken = 0;
                }
            }
            3 => {
                assert_eq!(self.message.len(), self.expected);
                status |= if self.fault == Fault::NoReply { 0 } else { 2 };
                answer.bx = match self.fault {
                    Fault::LongReply => 4 * 1024 * 1024 + 3,
                    _ => self.reply.len() as u32,
                };
                answer.dx = 1 << 16;
            }
            4 => {
                assert_eq!(registers.bx, 1);
                let rest = &self.reply[self.taken..];
                let mut word = [0xee; 4];
                let length = rest.len().min(4);
                word[..length].copy_from_slice(&rest[..length]);
                self.taken += length;
                answer.bx = u32::from_le_bytes(word);
                answer.dx = 2 << 16;
                if self.fault == Fault::CutReply && self.taken > 4 {
                    status = 0;
                }
            }
            5 => {
                assert_eq!(registers.bx, 1);
                assert_eq!(self.taken, self.reply.len());
            }
            6 => {
                self.open = false;
                self.closed += 1;
            }
            _ => panic!("{what}"),
        }
        answer.cx = status << 16;
        answer
    }
}

const VALUES: [(&str, &[u8]); 3] = [
    ("metadata", b"aW5zdGFuY2U6IDE="),
    ("userdata", b"#cloud-config\n"),
    ("empty", b""),
];

#[test]
fn what_is_set_is_read() {
    let mut host = Host::new(Fault::None, &VALUES);
    let names = ["metadata", "userdata", "vendordata", "empty"];
    let bodies = read_from(&mut host, &names);
    let expect = [
        ("guestinfo/metadata".to_owned(), VALUES[0].1.to_vec()),
        ("guestinfo/userdata".to_owned(), VALUES[1].1.to_vec()),
        ("guestinfo/empty".to_owned(), Vec::new()),
    ];
    assert_eq!(bodies, expect.into());
    assert_eq!([host.channels, host.closed], [4, 4]);
}

#[test]
fn a_host_that_forgets_is_asked_again() {
    let mut host = Host::new(Fault::Forgets(2), &VALUES);
    assert_eq!(get(&mut host, "metadata").unwrap().unwrap(), VALUES[0].1);
    assert_eq!([host.channels, host.closed], [3, 3]);
    let mut host = Host::new(Fault::Forgets(9), &VALUES);
    assert!(get(&mut host, "metadata").is_err());
    assert_eq!(host.channels, 3);
}

#[test]
fn a_host_that_fails() {
    let faults = [
        Fault::NoChannel,
        Fault::NoMessage,
        Fault::NoReply,
        Fault::CutReply,
        Fault::LongReply,
    ];
    for fault in faults {
        let mut host = Host::new(fault, &VALUES);
        assert!(get(&mut host, "metadata").is_err());
        assert!(!host.open, "a channel is left open");
    }
}
