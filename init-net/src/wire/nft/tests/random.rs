//! Random tables of all that this program writes, in the form that the kernel shows it again. The test of real kernels
//! includes this file as well: what it names is what the file above it has in scope.

use super::*;

/// Words of all kinds.
const NAMES: [&str; 5] = ["ssh", "neighbour discovery", "10.0.0.0/8", "ü", "a-b_c.d"];

fn pick<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.below(all.len() as u64) as usize]
}

fn yes(rng: &mut Rng) -> bool {
    rng.below(2) == 1
}

fn comment(rng: &mut Rng) -> Option<String> {
    yes(rng).then(|| format!("{} {}", pick(rng, &NAMES), rng.below(100)))
}

fn bytes(rng: &mut Rng, count: usize) -> Vec<u8> {
    // Few different ones: values that are close to each other, and the ends.
    (0..count)
        .map(|_| pick(rng, &[0, 1, 7, 10, 127, 128, 254, 255]))
        .collect()
}

fn datum(rng: &mut Rng, len: usize) -> Datum {
    Datum::new(&bytes(rng, len)).unwrap()
}

fn ordered(a: Datum, b: Datum) -> (Datum, Datum) {
    (a.min(b), a.max(b))
}

fn value_of(rng: &mut Rng, kind: KeyType) -> Datum {
    match kind {
        KeyType::Ifname => Datum::link(&format!("eth{}", rng.below(40))).unwrap(),
        kind => datum(rng, kind.len()),
    }
}

/// A set. Its elements are in order and apart from each other.
pub fn set(rng: &mut Rng, name: &str, key: &[KeyType], interval: bool, most: u64) -> Set {
    let wanted = rng.below(most + 1);
    let mut elements: Vec<Element> = Vec::new();
    for _ in 0..wanted {
        let parts: Vec<(Datum, Datum)> = key
            .iter()
            .map(|kind| {
                let (a, b) = (value_of(rng, *kind), value_of(rng, *kind));
                if interval && *kind != KeyType::Ifname && yes(rng) {
                    ordered(a, b)
                } else {
                    (a, a)
                }
            })
            .collect();
        let (first, last) = match parts[..] {
            [one] => one,
            _ => {
                let firsts: Vec<Datum> = parts.iter().map(|part| part.0).collect();
                let lasts: Vec<Datum> = parts.iter().map(|part| part.1).collect();
                (
                    Datum::concat(&firsts).unwrap(),
                    Datum::concat(&lasts).unwrap(),
                )
            }
        };
        // In one dimension they are apart when neither overlaps; in many, when their first parts are.
        let part = |datum: &Datum| Datum::new(&datum.bytes()[..key[0].len()]).unwrap();
        let (low, high) = (part(&first), part(&last));
        let apart = |one: &Element| part(&one.last) < low || high < part(&one.first);
        if elements.iter().all(apart) {
            elements.push(Element {
                first,
                last,
                comment: comment(rng).map(String::into_boxed_str),
            });
        }
    }
    elements.sort_by_key(|one| one.first);
    Set {
        name: name.to_owned(),
        key: key.to_vec(),
        interval,
        counter: yes(rng),
        elements,
    }
}

fn sets(rng: &mut Rng) -> Vec<Set> {
    use KeyType::*;
    let keys: [(&[KeyType], bool); 13] = [
        (&[Ipv4Addr], false),
        (&[Ipv4Addr], true),
        (&[Ipv6Addr], true),
        (&[InetService], true),
        (&[InetService], false),
        (&[InetProto], false),
        (&[IcmpType], false),
        (&[Icmpv6Type], true),
        (&[Ifname], false),
        (&[Ipv4Addr, InetService], true),
        (&[Ipv6Addr, InetProto, InetService], true),
        (&[Ipv6Addr, InetService], false),
        (&[InetProto, InetService], true),
    ];
    let mut all = Vec::new();
    for (index, (key, interval)) in keys.into_iter().enumerate() {
        if yes(rng) {
            all.push(set(rng, &format!("set-{index}"), key, interval, 12));
        }
    }
    all
}

fn fields_of(key: &[KeyType], rng: &mut Rng) -> Vec<Field> {
    let field = |kind: &KeyType, rng: &mut Rng| match kind {
        KeyType::Ipv4Addr if yes(rng) => Field::Daddr(Family::Inet4),
        KeyType::Ipv4Addr => Field::Saddr(Family::Inet4),
        KeyType::Ipv6Addr if yes(rng) => Field::Daddr(Family::Inet6),
        KeyType::Ipv6Addr => Field::Saddr(Family::Inet6),
        KeyType::InetProto => Field::L4Proto,
        KeyType::InetService if yes(rng) => Field::Sport,
        KeyType::InetService => Field::Dport,
        KeyType::IcmpType => Field::IcmpType(Family::Inet4),
        KeyType::Icmpv6Type => Field::IcmpType(Family::Inet6),
        KeyType::Ifname => Field::Iifname,
    };
    key.iter().map(|kind| field(kind, rng)).collect()
}

fn test(rng: &mut Rng, len: usize) -> Test {
    let (a, b) = (datum(rng, len), datum(rng, len));
    let (low, high) = ordered(a, b);
    match rng.below(4) {
        0 => Test::Eq(a),
        1 => Test::Ne(a),
        2 => Test::Between(low, high),
        // The kernel takes none that is a single value.
        _ if low < high => Test::Outside(low, high),
        _ => Test::Ne(a),
    }
}

fn inside(rng: &mut Rng, family: Family) -> Test {
    let (address, full) = match family {
        Family::Inet4 => {
            let bytes: [u8; 4] = bytes(rng, 4).try_into().unwrap();
            (IpAddr::from(bytes), 32)
        }
        Family::Inet6 => {
            let bytes: [u8; 16] = bytes(rng, 16).try_into().unwrap();
            (IpAddr::from(bytes), 128)
        }
    };
    // A whole address is a single value.
    let prefix = Prefix::new(address, rng.below(full) as u8)
        .unwrap()
        .network();
    if yes(rng) {
        Test::Inside(prefix)
    } else {
        Test::NotInside(prefix)
    }
}

fn is(field: Field, test: Test) -> Match {
    Match::Is { field, test }
}

fn matches(rng: &mut Rng, sets: &[Set]) -> Vec<Match> {
    let mut all = Vec::new();
    if yes(rng) {
        let name = pick(rng, &["lo", "eth0", "fifteen-letters"]);
        let whole = Datum::link(name).unwrap();
        let starts = Datum::new(b"eth").unwrap();
        let test = match rng.below(3) {
            0 => Test::Eq(whole),
            1 => Test::Ne(whole),
            _ => Test::Eq(starts),
        };
        all.push(is(pick(rng, &[Field::Iifname, Field::Oifname]), test));
    }
    if yes(rng) {
        let bits = pick(rng, &[ct::ESTABLISHED | ct::RELATED, ct::NEW, ct::INVALID]);
        all.push(is(Field::CtState, Test::AnyOf(bits)));
    }
    if yes(rng) {
        let tests = [Test::AnyOf(ct::DNAT), Test::NoneOf(ct::DNAT)];
        all.push(is(Field::CtStatus, pick(rng, &tests)));
    }
    if yes(rng) {
        let local = Datum::word(2);
        let test = pick(rng, &[Test::Eq(local), Test::Ne(local)]);
        all.push(is(Field::DaddrType, test));
    }
    let family = pick(rng, &[Family::Inet4, Family::Inet6]);
    let number = if family == Family::Inet4 { 2 } else { 10 };
    all.push(is(Field::NfProto, Test::Eq(Datum::byte(number))));
    if yes(rng) {
        let field = pick(rng, &[Field::Saddr(family), Field::Daddr(family)]);
        let len = if family == Family::Inet4 { 4 } else { 16 };
        let test = if yes(rng) {
            inside(rng, family)
        } else {
            test(rng, len)
        };
        all.push(is(field, test));
    }
    if yes(rng) {
        all.push(is(Field::HopLimit(family), test(rng, 1)));
    }
    match rng.below(3) {
        0 => {
            let icmp = if family == Family::Inet4 { 1 } else { 58 };
            all.push(is(Field::L4Proto, Test::Eq(Datum::byte(icmp))));
            all.push(is(Field::IcmpType(family), test(rng, 1)));
            if yes(rng) {
                all.push(is(Field::IcmpCode(family), test(rng, 1)));
            }
        }
        1 => {
            all.push(is(
                Field::L4Proto,
                Test::Eq(Datum::byte(pick(rng, &[6, 17]))),
            ));
            let field = pick(rng, &[Field::Sport, Field::Dport]);
            all.push(is(field, test(rng, 2)));
        }
        _ => {}
    }
    let fitting: Vec<&Set> = sets
        .iter()
        .filter(|set| match set.key[0] {
            KeyType::IcmpType => family == Family::Inet4,
            KeyType::Icmpv6Type => family == Family::Inet6,
            _ => true,
        })
        .collect();
    if !fitting.is_empty() && yes(rng) {
        let set = pick(rng, &fitting);
        all.push(Match::In {
            fields: fields_of(&set.key, rng),
            set: set.name.clone(),
            not: yes(rng),
        });
    }
    all
}

fn rule(rng: &mut Rng, sets: &[Set], deeper: &[String]) -> Rule {
    let verdict = match rng.below(8) {
        0 => Verdict::Drop,
        1 => Verdict::Return,
        2 => Verdict::Continue,
        3 => Verdict::Reject(Reject::TcpReset),
        4 => Verdict::Reject(pick(
            rng,
            &[Reject::PortUnreachable, Reject::AdminProhibited],
        )),
        5 if !deeper.is_empty() => {
            let index = rng.below(deeper.len() as u64) as usize;
            Verdict::Jump(deeper[index].clone())
        }
        _ => Verdict::Accept,
    };
    let mut matches = matches(rng, sets);
    if verdict == Verdict::Reject(Reject::TcpReset) {
        // The kernel wants nothing before it, nft(8) does.
        let is_icmp = |one: &Match| {
            matches!(
                one,
                Match::Is {
                    field: Field::L4Proto | Field::IcmpType(_) | Field::IcmpCode(_),
                    ..
                }
            )
        };
        matches.retain(|one| !is_icmp(one));
        matches.push(is(Field::L4Proto, Test::Eq(Datum::byte(6))));
    }
    Rule {
        matches,
        limit: yes(rng).then(|| Limit {
            rate: rng.below(1000) + 1,
            unit: pick(rng, &[1, 60, 3600, 86_400]),
            burst: rng.below(100) as u32 + 1,
        }),
        counter: yes(rng),
        log: yes(rng).then(|| Log {
            prefix: format!("{} ", pick(rng, &["drop", "a: b"])),
        }),
        verdict,
        comment: comment(rng),
    }
}

/// A whole table.
pub fn table(rng: &mut Rng) -> Table {
    let sets = sets(rng);
    let mut chains: Vec<Chain> = Vec::new();
    let count = 1 + rng.below(4);
    for index in 0..count {
        let deeper: Vec<String> = chains
            .iter()
            .filter(|chain| chain.base.is_none())
            .map(|chain| chain.name.clone())
            .collect();
        let hook = pick(rng, &[Hook::Input, Hook::Prerouting, Hook::Output]);
        let base = (index + 1 == count || yes(rng)).then(|| Base {
            // `reject` is for packets to, through and from this machine, and before routing.
            hook,
            priority: rng.below(400) as i32 - 200,
            policy: pick(rng, &[Policy::Drop, Policy::Accept]),
        });
        chains.push(Chain {
            name: format!("chain-{index}"),
            base,
            rules: (0..rng.below(8))
                .map(|_| rule(rng, &sets, &deeper))
                .collect(),
        });
    }
    Table { sets, chains }
}
