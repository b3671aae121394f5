//! rtnetlink, as few bytes as it takes.

use std::mem::zeroed;

use crate::check;

/// Index and hardware address.
pub fn eth0() -> (i32, [u8; 6]) {
    // SAFETY: ioctl(2) fills the structure it is given; the union's fields are read as the request says they are.
    unsafe {
        let socket = check(libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0));
        let mut request: libc::ifreq = zeroed();
        libc::strcpy(request.ifr_name.as_mut_ptr(), c"eth0".as_ptr());
        check(libc::ioctl(socket, libc::SIOCGIFINDEX, &raw mut request));
        let index = request.ifr_ifru.ifru_ifindex;
        check(libc::ioctl(socket, libc::SIOCGIFHWADDR, &raw mut request));
        let mac = request.ifr_ifru.ifru_hwaddr.sa_data;
        (index, std::array::from_fn(|place| mac[place] as u8))
    }
}

pub fn netlink() -> i32 {
    // SAFETY: takes no pointers.
    unsafe {
        check(libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            libc::NETLINK_ROUTE,
        ))
    }
}

pub fn message(kind: u16, flags: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(((flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

pub fn link_up(index: i32) -> Vec<u8> {
    let up = (libc::IFF_UP as u32).to_ne_bytes();
    [[0; 4], index.to_ne_bytes(), up, up].concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    [&8u16.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
}

pub fn address(index: i32, address: &[u8], length: u8) -> Vec<u8> {
    let mut body = vec![libc::AF_INET as u8, length, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend(attribute(libc::IFA_LOCAL, address));
    body
}

pub fn route(index: i32, destination: &[u8], length: u8, gateway: &[u8]) -> Vec<u8> {
    let mut body = vec![
        libc::AF_INET as u8,
        length,
        0,
        0,
        libc::RT_TABLE_MAIN,
        libc::RTPROT_STATIC,
        0,
        libc::RTN_UNICAST,
        0,
        0,
        0,
        0,
    ];
    if !destination.is_empty() {
        body.extend(attribute(libc::RTA_DST, destination));
    }
    body.extend(attribute(libc::RTA_GATEWAY, gateway));
    body.extend(attribute(libc::RTA_OIF, &index.to_ne_bytes()));
    body
}

/// One send(2), and the kernel's word: on the last message, or on the first that it refuses.
pub fn send(netlink: i32, messages: &[Vec<u8>]) {
    let mut batch = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let start = batch.len();
        batch.extend(message);
        if place + 1 < messages.len() {
            batch[start + 6..start + 8].copy_from_slice(&without_ack(message));
        }
    }
    let mut answer = [0u8; 4096];
    // SAFETY: both buffers have the lengths given.
    let length = unsafe {
        check(libc::send(netlink, batch.as_ptr().cast(), batch.len(), 0) as i32);
        check(libc::recv(netlink, answer.as_mut_ptr().cast(), answer.len(), 0) as i32)
    };
    let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    assert!(length >= 20 && error == 0, "netlink error {error}");
}

fn without_ack(message: &[u8]) -> [u8; 2] {
    (u16::from_ne_bytes([message[6], message[7]]) & !(libc::NLM_F_ACK as u16)).to_ne_bytes()
}
