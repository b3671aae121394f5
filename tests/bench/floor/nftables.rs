//! A firewall as one batch of nf_tables messages: a table, a chain, and rules of one subnet and one port each, or one
//! rule with a set of subnets.

use crate::check;

/// Message types, attributes and values of include/uapi/linux/netfilter/nf_tables.h.
const NEWTABLE: u16 = 0;
const NEWCHAIN: u16 = 3;
const NEWRULE: u16 = 6;
const NEWSET: u16 = 9;
const NEWSETELEM: u16 = 12;
const NESTED: u16 = 1 << 15;
const REG_VERDICT: u32 = 0;
const REG_1: u32 = 1;
const CMP_EQ: u32 = 0;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const PAYLOAD_NETWORK: u32 = 1;
const PAYLOAD_TRANSPORT: u32 = 2;
const SET_INTERVAL: u32 = 4;
const ELEMENT_INTERVAL_END: u32 = 1;
const NF_ACCEPT: u32 = 1;
const TYPE_IPV4: u32 = 7;
/// Hook and priority of the chain.
const LOCAL_IN: u32 = 1;
const PRIORITY: i32 = -140;
/// Elements of one message: its list of them is an attribute, of at most 64 KiB.
const ELEMENTS: usize = 1000;
/// Room in the socket for the whole batch, bytes.
const SEND_BUFFER: libc::c_int = 16 << 20;
const TABLE: &[u8] = b"bench\0";
const CHAIN: &[u8] = b"input\0";
const SET: &[u8] = b"subnets\0";

/// Rules of one subnet and one port each.
pub fn rules(count: usize) {
    perform(|batch| {
        for number in 0..count {
            let port = 1024 + number as u16;
            let [_, a, b, _] = crate::subnet(number);
            let expressions = [
                meta(META_NFPROTO),
                compare(&[libc::AF_INET as u8]),
                payload(PAYLOAD_NETWORK, 12, 3),
                compare(&[10, a, b]),
                meta(META_L4PROTO),
                compare(&[libc::IPPROTO_TCP as u8]),
                payload(PAYLOAD_TRANSPORT, 2, 2),
                compare(&port.to_be_bytes()),
            ];
            rule(batch, &expressions.concat());
        }
    });
}

/// One rule with a set of this many subnets.
pub fn set(count: usize) {
    perform(|batch| {
        let head = [attribute(1, TABLE), attribute(2, SET)].concat();
        let about = [
            number(3, SET_INTERVAL),
            number(4, TYPE_IPV4),
            number(5, 4),
            number(10, 1),
        ];
        batch.message(NEWSET, &[head.clone(), about.concat()].concat());
        let numbers: Vec<usize> = (0..count).collect();
        for numbers in numbers.chunks(ELEMENTS) {
            let elements = numbers.iter().flat_map(|&number| {
                let first = crate::subnet(number);
                let after = (u32::from_be_bytes(first) + 256).to_be_bytes();
                let key = |address: &[u8]| nested(1, &attribute(1, address));
                let end = [
                    crate::nftables::number(3, ELEMENT_INTERVAL_END),
                    key(&after),
                ]
                .concat();
                [nested(1, &key(&first)), nested(1, &end)].concat()
            });
            let elements: Vec<u8> = elements.collect();
            batch.message(NEWSETELEM, &[&head[..], &nested(3, &elements)].concat());
        }
        let lookup = [attribute(1, SET), number(2, REG_1)].concat();
        let expressions = [
            meta(META_NFPROTO),
            compare(&[libc::AF_INET as u8]),
            payload(PAYLOAD_NETWORK, 12, 4),
            expression(b"lookup\0", &lookup),
        ];
        rule(batch, &expressions.concat());
    });
}

/// Makes the batch, commits it, and prints how long both took.
fn perform(fill: impl FnOnce(&mut Batch)) {
    // SAFETY: takes no pointers.
    let netlink = unsafe {
        check(libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            libc::NETLINK_NETFILTER,
        ))
    };
    // SAFETY: the option is an int that lives through the call.
    unsafe {
        let size = size_of::<libc::c_int>() as u32;
        let (buffer, level) = (SEND_BUFFER, libc::SOL_SOCKET);
        let option = libc::SO_SNDBUFFORCE;
        check(libc::setsockopt(
            netlink,
            level,
            option,
            (&raw const buffer).cast(),
            size,
        ));
    }
    let start = now();
    let mut batch = Batch {
        bytes: Vec::new(),
        last: 0,
    };
    batch.edge(libc::NFNL_MSG_BATCH_BEGIN as u16);
    batch.message(NEWTABLE, &attribute(1, TABLE));
    let hook = [number(1, LOCAL_IN), number(2, PRIORITY as u32)].concat();
    let chain = [
        attribute(1, TABLE),
        attribute(3, CHAIN),
        nested(4, &hook),
        number(5, NF_ACCEPT),
        attribute(7, b"filter\0"),
    ];
    batch.message(NEWCHAIN, &chain.concat());
    fill(&mut batch);
    batch.acknowledge_last();
    batch.edge(libc::NFNL_MSG_BATCH_END as u16);
    let mut answer = [0u8; 4096];
    // SAFETY: both buffers have the lengths given.
    let length = unsafe {
        check(libc::send(netlink, batch.bytes.as_ptr().cast(), batch.bytes.len(), 0) as i32);
        check(libc::recv(netlink, answer.as_mut_ptr().cast(), answer.len(), 0) as i32)
    };
    let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    assert!(length >= 20 && error == 0, "netlink error {error}");
    println!("batch {}", now() - start);
}

/// ns of CLOCK_MONOTONIC.
fn now() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure lives through the call.
    unsafe { check(libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time)) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

struct Batch {
    bytes: Vec<u8>,
    /// Where the last message starts.
    last: usize,
}

impl Batch {
    fn edge(&mut self, kind: u16) {
        // The subsystem, in network order, is in res_id of struct nfgenmsg.
        self.push(kind, 0, 0, libc::NFNL_SUBSYS_NFTABLES as u16, &[]);
    }

    fn message(&mut self, kind: u16, body: &[u8]) {
        let kind = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8 | kind;
        let flags = (libc::NLM_F_CREATE | libc::NLM_F_APPEND) as u16;
        self.push(kind, flags, libc::NFPROTO_INET as u8, 0, body);
    }

    fn push(&mut self, kind: u16, flags: u16, family: u8, resource: u16, body: &[u8]) {
        self.last = self.bytes.len();
        let flags = flags | libc::NLM_F_REQUEST as u16;
        self.bytes.extend((20 + body.len() as u32).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend([0; 8]);
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
        self.bytes.extend(body);
    }

    fn acknowledge_last(&mut self) {
        let at = self.last + 6;
        let flags = u16::from_ne_bytes([self.bytes[at], self.bytes[at + 1]]);
        let flags = flags | libc::NLM_F_ACK as u16;
        self.bytes[at..at + 2].copy_from_slice(&flags.to_ne_bytes());
    }
}

fn rule(batch: &mut Batch, expressions: &[u8]) {
    let accept = nested(2, &number(1, NF_ACCEPT));
    let verdict = [number(1, REG_VERDICT), nested(2, &accept)].concat();
    let ends = [
        expression(b"counter\0", &[]),
        expression(b"immediate\0", &verdict),
    ]
    .concat();
    let body = [
        attribute(1, TABLE),
        attribute(2, CHAIN),
        nested(4, &[expressions, &ends].concat()),
    ];
    batch.message(NEWRULE, &body.concat());
}

fn meta(key: u32) -> Vec<u8> {
    expression(b"meta\0", &[number(2, key), number(1, REG_1)].concat())
}

fn payload(base: u32, offset: u32, length: u32) -> Vec<u8> {
    let about = [
        number(1, REG_1),
        number(2, base),
        number(3, offset),
        number(4, length),
    ];
    expression(b"payload\0", &about.concat())
}

fn compare(value: &[u8]) -> Vec<u8> {
    let about = [
        number(1, REG_1),
        number(2, CMP_EQ),
        nested(3, &attribute(1, value)),
    ];
    expression(b"cmp\0", &about.concat())
}

/// One of a rule's list.
fn expression(name: &[u8], data: &[u8]) -> Vec<u8> {
    nested(1, &[attribute(1, name), nested(2, data)].concat())
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, value)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
