//! The options of a received message: our own walk over them, then dhcproto for one value at a time.
//!
//! dhcproto's own option loop ends at the first bad option and loses all that follow, joins only adjacent fragments,
//! and has debug assertions on lengths. Here every option is cut out first (RFC 2132 §2, overload §9.3, joining
//! RFC 3396 §7), lengths are checked, and a value that does not decode costs only itself.

use core::net::{IpAddr, Ipv4Addr};

use dhcproto::Decodable as _;
use dhcproto::v4::DhcpOption;

use super::lease::{LeaseRoute, MAX_DOMAINS, MAX_ROUTES, MAX_SERVERS, is_host};
use crate::value::{Hostname, Mtu, Prefix, prefix_len_from_netmask};

/// IPv6-Only Preferred, RFC 8925. dhcproto 0.15 knows it under 106, so it is decoded by hand.
pub const IPV6_ONLY_PREFERRED: u8 = 108;
/// Classless routes as some servers still send them instead of 121: the same bytes under a private code.
pub const CLASSLESS_ROUTES_MS: u8 = 249;

const PAD: u8 = 0;
const OVERLOAD: u8 = 52;
const RAPID_COMMIT: u8 = 80;
const CLASSLESS_ROUTES: u8 = 121;
const END: u8 = 255;

/// Option 26 up to this is ignored, bytes: servers send 576, the smallest datagram a host must take, by mistake, and
/// it would break IPv6 (at least 1280). dracut has the same rule.
const LARGEST_IGNORED_MTU: u16 = 576;

/// One option with its fragments joined.
struct Joined {
    code: u8,
    data: Vec<u8>,
    /// Length of the first fragment: a fixed-size option that came twice is not a split one.
    first: usize,
}

/// All options of one message.
pub struct Options {
    joined: Vec<Joined>,
    /// Options and values that were dropped.
    pub bad: u32,
}

impl Options {
    /// Walks the option field and, where option 52 says so, the `file` and then the `sname` field (RFC 3396 §5).
    pub fn walk(options: &[u8], file: &[u8], sname: &[u8]) -> Self {
        let mut all = Self {
            joined: Vec::new(),
            bad: 0,
        };
        all.walk_field(options);
        // RFC 2132 §9.3: 1 = file, 2 = sname, 3 = both.
        let overload = all.fixed::<1>(OVERLOAD).map_or(0, |[bits]| bits);
        if overload & 1 != 0 {
            all.walk_field(file);
        }
        if overload & 2 != 0 {
            all.walk_field(sname);
        }
        all
    }

    fn walk_field(&mut self, mut rest: &[u8]) {
        loop {
            match rest {
                [] | [END, ..] => return,
                [PAD, tail @ ..] => rest = tail,
                [code, len, tail @ ..] if tail.len() >= usize::from(*len) => {
                    let (data, tail) = tail.split_at(usize::from(*len));
                    match self.joined.iter_mut().find(|option| option.code == *code) {
                        Some(option) => option.data.extend_from_slice(data),
                        None => self.joined.push(Joined {
                            code: *code,
                            data: data.to_vec(),
                            first: data.len(),
                        }),
                    }
                    rest = tail;
                }
                // Cut off: what came before it stands.
                [_, ..] => {
                    self.bad = self.bad.saturating_add(1);
                    return;
                }
            }
        }
    }

    fn find(&self, code: u8) -> Option<&Joined> {
        self.joined.iter().find(|option| option.code == code)
    }

    /// The bytes of an option, fragments joined.
    pub fn raw(&self, code: u8) -> Option<&[u8]> {
        self.find(code).map(|option| option.data.as_slice())
    }

    /// An option of exactly `N` bytes. Sent twice, the first one counts.
    pub fn fixed<const N: usize>(&mut self, code: u8) -> Option<[u8; N]> {
        let option = self.find(code)?;
        let exact = option.data.len() == N || option.first == N;
        match option.data.first_chunk::<N>() {
            Some(bytes) if exact => Some(*bytes),
            _ => self.reject(),
        }
    }

    fn reject<T>(&mut self) -> Option<T> {
        self.bad = self.bad.saturating_add(1);
        None
    }

    /// Hands one option to dhcproto: cut into fragments that are adjacent, which is the one split that it joins.
    fn decode(&mut self, code: u8, as_code: u8) -> Option<DhcpOption> {
        let data = self.raw(code)?;
        let mut bytes = Vec::with_capacity(data.len() + 8);
        for fragment in data.chunks(usize::from(u8::MAX)) {
            bytes.extend_from_slice(&[as_code, fragment.len() as u8]);
            bytes.extend_from_slice(fragment);
        }
        match DhcpOption::from_bytes(&bytes) {
            Ok(option) => Some(option),
            Err(_) => self.reject(),
        }
    }

    /// A four-byte number: options 51, 58, 59, 108.
    pub fn number(&mut self, code: u8) -> Option<u32> {
        self.fixed(code).map(u32::from_be_bytes)
    }

    /// One address: options 28, 54.
    pub fn address(&mut self, code: u8) -> Option<Ipv4Addr> {
        self.fixed::<4>(code).map(Ipv4Addr::from)
    }

    /// The length of option 1. A mask with a hole and 0.0.0.0 are no masks.
    pub fn mask_len(&mut self) -> Option<u8> {
        let mask = self.address(1)?;
        match prefix_len_from_netmask(IpAddr::V4(mask)) {
            Ok(len) if len > 0 => Some(len),
            Ok(_) | Err(_) => self.reject(),
        }
    }

    /// Options 3, 6 and 42: 0.0.0.0 and other addresses that are no host's are dropped, repeats too.
    pub fn servers(&mut self, code: u8) -> Vec<Ipv4Addr> {
        let Some(
            DhcpOption::Router(list)
            | DhcpOption::DomainNameServer(list)
            | DhcpOption::NtpServers(list),
        ) = self.decode(code, code)
        else {
            return Vec::new();
        };
        let mut servers = Vec::new();
        for ip in list {
            // A name server on the machine itself is a legitimate, if odd, answer.
            if !(is_host(ip) || code == 6 && ip.is_loopback()) {
                self.bad = self.bad.saturating_add(1);
            } else if !servers.contains(&ip) && servers.len() < MAX_SERVERS {
                servers.push(ip);
            }
        }
        servers
    }

    /// Options 12 and 15. Not a host name: ignored. `localhost` is no name for a machine either.
    pub fn name(&mut self, code: u8) -> Option<Hostname> {
        let Some(DhcpOption::Hostname(text) | DhcpOption::DomainName(text)) =
            self.decode(code, code)
        else {
            return None;
        };
        match text.trim_end_matches('\0').parse::<Hostname>() {
            Ok(name) if name.name() != "localhost" => Some(name),
            Ok(_) | Err(_) => self.reject(),
        }
    }

    /// Option 119. Compression pointers go strictly backwards in the decoder, a name ends at 255 bytes; names from
    /// the first malformed one on are lost, names that are not host names are dropped one by one.
    pub fn search(&mut self) -> Vec<Hostname> {
        let Some(DhcpOption::DomainSearch(list)) = self.decode(119, 119) else {
            return Vec::new();
        };
        let mut domains = Vec::new();
        for name in list.iter().take(MAX_DOMAINS) {
            match name.to_string().parse::<Hostname>() {
                Ok(domain) if !domains.contains(&domain) => domains.push(domain),
                Ok(_) => {}
                Err(_) => self.bad = self.bad.saturating_add(1),
            }
        }
        domains
    }

    /// Option 26: below 68 invalid (RFC 2132 §5.1), up to [`LARGEST_IGNORED_MTU`] not believed.
    pub fn mtu(&mut self) -> Option<Mtu> {
        let mtu = u16::from_be_bytes(self.fixed(26)?);
        match Mtu::try_from(u32::from(mtu)) {
            Ok(usable) if mtu > LARGEST_IGNORED_MTU => Some(usable),
            Ok(_) | Err(_) => self.reject(),
        }
    }

    /// Option 80, RFC 4039.
    pub fn rapid_commit(&self) -> bool {
        self.raw(RAPID_COMMIT).is_some()
    }

    /// Option 121, else 249. A list with a malformed entry is dropped whole: half of a routing table misleads.
    pub fn classless_routes(&mut self) -> Vec<LeaseRoute> {
        for code in [CLASSLESS_ROUTES, CLASSLESS_ROUTES_MS] {
            let Some(data) = self.raw(code) else {
                continue;
            };
            if !classless_routes_are_whole(data) {
                self.bad = self.bad.saturating_add(1);
                continue;
            }
            let Some(DhcpOption::ClasslessStaticRoute(list)) = self.decode(code, CLASSLESS_ROUTES)
            else {
                continue;
            };
            let routes: Vec<_> = list
                .iter()
                .filter_map(|(net, via)| self.route(net.addr(), net.prefix_len(), *via))
                .take(MAX_ROUTES)
                .collect();
            if !routes.is_empty() {
                return routes;
            }
        }
        Vec::new()
    }

    /// Option 33. It carries no mask: a destination with host bits beyond its class is one host (RFC 2132 §5.8);
    /// 0.0.0.0 is illegal there.
    pub fn static_routes(&mut self) -> Vec<LeaseRoute> {
        let Some(DhcpOption::StaticRoutingTable(list)) = self.decode(33, 33) else {
            return Vec::new();
        };
        list.iter()
            .filter_map(|(destination, via)| {
                let class = match destination.octets()[0] {
                    0..=127 => 8,
                    128..=191 => 16,
                    192..=255 => 24,
                };
                let network = Prefix::new(IpAddr::V4(*destination), class).ok()?;
                let len = if network.network() == network {
                    class
                } else {
                    32
                };
                if destination.is_unspecified() || via.is_unspecified() {
                    return self.reject();
                }
                self.route(*destination, len, *via)
            })
            .take(MAX_ROUTES)
            .collect()
    }

    fn route(&mut self, destination: Ipv4Addr, len: u8, via: Ipv4Addr) -> Option<LeaseRoute> {
        let gateway = (!via.is_unspecified()).then_some(via);
        let leads_nowhere = destination.is_loopback() || destination.is_multicast();
        if leads_nowhere || gateway.is_some_and(|via| !is_host(via)) {
            return self.reject();
        }
        let destination = Prefix::new(IpAddr::V4(destination), len).ok()?.network();
        Some(LeaseRoute {
            destination,
            gateway,
        })
    }
}

/// Whether option 121 is a sequence of whole entries: a length of at most 32, that many bits, a router.
fn classless_routes_are_whole(mut data: &[u8]) -> bool {
    while let [len, rest @ ..] = data {
        let entry = usize::from(*len).div_ceil(8) + 4;
        match rest.get(entry..) {
            Some(rest) if *len <= 32 => data = rest,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(options: &[u8]) -> Options {
        Options::walk(options, &[], &[])
    }

    #[track_caller]
    fn check_routes(options: &[u8], expect: &str, bad: u32) {
        let mut options = walk(options);
        let text: Vec<_> = options
            .classless_routes()
            .iter()
            .chain(&options.static_routes())
            .map(|route| match route.gateway {
                Some(via) => format!("{} via {via}", route.destination),
                None => format!("{} on-link", route.destination),
            })
            .collect();
        assert_eq!((text.join(", ").as_str(), options.bad), (expect, bad));
    }

    #[test]
    fn classless_routes() {
        check_routes(&[121, 5, 0, 10, 0, 0, 1], "0.0.0.0/0 via 10.0.0.1", 0);
        check_routes(
            &[121, 14, 32, 10, 0, 0, 1, 0, 0, 0, 0, 0, 10, 0, 0, 1],
            "10.0.0.1/32 on-link, 0.0.0.0/0 via 10.0.0.1",
            0,
        );
        // Host bits that the length does not cover are cleared.
        check_routes(&[121, 6, 7, 11, 10, 0, 0, 1], "10.0.0.0/7 via 10.0.0.1", 0);
        check_routes(&[249, 5, 0, 10, 0, 0, 1], "0.0.0.0/0 via 10.0.0.1", 0);
        // 121 beats 249; a broken or empty 121 does not.
        check_routes(
            &[249, 5, 0, 10, 0, 0, 9, 121, 5, 0, 10, 0, 0, 1],
            "0.0.0.0/0 via 10.0.0.1",
            0,
        );
        check_routes(
            &[249, 5, 0, 10, 0, 0, 9, 121, 4, 0, 10, 0, 0],
            "0.0.0.0/0 via 10.0.0.9",
            1,
        );
        check_routes(
            &[121, 0, 249, 5, 0, 10, 0, 0, 9],
            "0.0.0.0/0 via 10.0.0.9",
            1,
        );
        // Trailing junk, a length of 33, a multicast router, a loopback destination.
        check_routes(&[121, 6, 0, 10, 0, 0, 1, 8], "", 1);
        check_routes(&[121, 10, 33, 1, 2, 3, 4, 5, 10, 0, 0, 1], "", 1);
        check_routes(&[121, 5, 0, 224, 0, 0, 1], "", 1);
        check_routes(&[121, 6, 8, 127, 10, 0, 0, 1], "", 1);
    }

    #[test]
    fn static_routes() {
        let option = |ip: [u8; 4]| {
            let mut bytes = vec![33, 8];
            bytes.extend(ip);
            bytes.extend([10, 0, 0, 1]);
            bytes
        };
        check_routes(&option([10, 0, 0, 0]), "10.0.0.0/8 via 10.0.0.1", 0);
        check_routes(&option([172, 16, 0, 0]), "172.16.0.0/16 via 10.0.0.1", 0);
        check_routes(&option([192, 0, 2, 0]), "192.0.2.0/24 via 10.0.0.1", 0);
        check_routes(&option([192, 0, 2, 7]), "192.0.2.7/32 via 10.0.0.1", 0);
        check_routes(&option([0, 0, 0, 0]), "", 1);
        check_routes(&[33, 7, 10, 0, 0, 0, 10, 0, 0], "", 1);
    }

    #[test]
    fn fragments_are_joined_across_other_options_and_fields() {
        let mut options = Options::walk(
            &[121, 2, 0, 10, 52, 1, 3, 12, 1, b'w', 121, 1, 0, 255, 99],
            &[121, 1, 0, 0, 0, 12, 2, b'e', b'b'],
            &[121, 1, 1, 12, 1, b'1', 255, 12, 1, b'x'],
        );
        assert_eq!(options.classless_routes().len(), 1);
        assert_eq!(options.name(12).unwrap().to_string(), "web1");
        assert_eq!(options.bad, 0);
    }

    #[test]
    fn a_long_option_is_joined() {
        // 60 routes of 5 bytes in three fragments, cut inside an entry, another option in between.
        let data: Vec<u8> = (0..60).flat_map(|i| [0, 10, 0, 0, i + 1]).collect();
        let mut bytes = Vec::new();
        for fragment in data.chunks(101) {
            bytes.extend([121, fragment.len() as u8]);
            bytes.extend(fragment);
            bytes.extend([12, 0]);
        }
        assert_eq!(walk(&bytes).classless_routes().len(), 60);
    }

    #[test]
    fn without_overload_the_other_fields_are_text() {
        let mut options = Options::walk(&[53, 1, 5], &[12, 1, b'x'], &[12, 1, b'y']);
        assert_eq!(options.name(12), None);
        let mut options = Options::walk(&[52, 1, 2], &[12, 1, b'x'], &[12, 1, b'y']);
        assert_eq!(options.name(12).unwrap().name(), "y");
    }

    #[test]
    fn a_bad_option_costs_only_itself() {
        let mut options = walk(&[
            12, 2, 0xff, 0xfe, 6, 3, 1, 2, 3, 1, 3, 255, 255, 255, 51, 4, 0, 0, 0, 9, 54, 4, 10, 0,
        ]);
        assert_eq!(options.name(12), None);
        assert_eq!(options.servers(6), Vec::<Ipv4Addr>::new());
        assert_eq!(options.mask_len(), None);
        assert_eq!(options.number(51), Some(9));
        assert_eq!(options.address(54), None);
        assert_eq!(
            options.bad, 4,
            "the one cut off, the name, the servers, the mask"
        );
    }

    #[test]
    fn a_repeated_fixed_option_is_not_a_split_one() {
        let mut options = walk(&[
            51, 4, 0, 0, 0, 9, 51, 4, 0, 0, 0, 7, 54, 2, 10, 0, 54, 2, 0, 1,
        ]);
        assert_eq!(options.number(51), Some(9));
        assert_eq!(options.address(54), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(options.bad, 0);
    }

    #[test]
    fn servers() {
        #[track_caller]
        fn check(code: u8, data: &[u8], expect: &[[u8; 4]], bad: u32) {
            let mut bytes = vec![code, data.len() as u8];
            bytes.extend(data);
            let mut options = walk(&bytes);
            let expect: Vec<_> = expect.iter().map(|ip| Ipv4Addr::from(*ip)).collect();
            assert_eq!((options.servers(code), options.bad), (expect, bad));
        }
        check(6, &[10, 0, 0, 53, 0, 0, 0, 0], &[[10, 0, 0, 53]], 1);
        check(
            6,
            &[127, 0, 0, 53, 10, 0, 0, 53],
            &[[127, 0, 0, 53], [10, 0, 0, 53]],
            0,
        );
        check(6, &[10, 0, 0, 53, 10, 0, 0, 53], &[[10, 0, 0, 53]], 0);
        check(3, &[127, 0, 0, 1, 224, 0, 0, 1, 255, 255, 255, 255], &[], 3);
        check(3, &[], &[], 1);
        check(42, &[10, 0, 0, 123], &[[10, 0, 0, 123]], 0);
        check(42, &[10, 0, 0], &[], 1);
    }

    #[test]
    fn masks_names_and_mtus() {
        #[track_caller]
        fn mask(mask: [u8; 4], expect: Option<u8>) {
            let mut bytes = vec![1, 4];
            bytes.extend(mask);
            assert_eq!(walk(&bytes).mask_len(), expect);
        }
        mask([255, 255, 254, 0], Some(23));
        mask([255, 255, 255, 255], Some(32));
        mask([255, 0, 255, 0], None);
        mask([0, 0, 0, 0], None);

        #[track_caller]
        fn name(text: &str, expect: Option<&str>) {
            let mut bytes = vec![12, text.len() as u8];
            bytes.extend(text.bytes());
            let name = walk(&bytes).name(12).map(|name| name.to_string());
            assert_eq!(name.as_deref(), expect);
        }
        name("web1", Some("web1"));
        name("web1.corp.example\0", Some("web1.corp.example"));
        name("localhost", None);
        name("localhost.localdomain", None);
        name("$(reboot)", None);
        name("web_1", None);
        name("", None);

        #[track_caller]
        fn mtu(mtu: u16, expect: Option<u32>) {
            let mut bytes = vec![26, 2];
            bytes.extend(mtu.to_be_bytes());
            assert_eq!(walk(&bytes).mtu().map(Mtu::bytes), expect);
        }
        mtu(1500, Some(1500));
        mtu(9000, Some(9000));
        mtu(577, Some(577));
        mtu(576, None);
        mtu(67, None);
        mtu(0, None);
    }

    #[test]
    fn search_domains() {
        #[track_caller]
        fn check(data: &[u8], expect: &[&str]) {
            let mut bytes = vec![119, data.len() as u8];
            bytes.extend(data);
            let domains: Vec<_> = walk(&bytes)
                .search()
                .iter()
                .map(Hostname::to_string)
                .collect();
            assert_eq!(domains, expect);
        }
        check(b"\x04corp\x07example\0", &["corp.example"]);
        // The second name ends in the first one's tail (RFC 3397 §2).
        check(
            b"\x04corp\x07example\0\x03lab\xc0\x05",
            &["corp.example", "lab.example"],
        );
        check(b"\x01a\0\x01a\0", &["a"]);
        check(b"\x05a_b.c\0\x01d\0", &["d"]);
        // A pointer to itself, forwards, past the end; a label past the end; a name without an end; a loop of two.
        check(b"\x01a\0\xc0\x03", &["a"]);
        check(b"\xc0\x02\x01a\0", &[]);
        check(b"\x01a\xc0\xff", &[]);
        check(b"\x3fa", &[]);
        check(b"\x01a", &[]);
        check(b"\x01a\xc0\x04\x01b\xc0\x00", &[]);
        check(&[1; 255], &[]);
    }
}
