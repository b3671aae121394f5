//! Messages that are not what they should be.

use proptest::prelude::{Strategy, any, prop_assert, prop_oneof, proptest};

use super::*;

#[track_caller]
fn check_refused(message: impl FnOnce(u32) -> Vec<u8>, reason: fn(&Counters) -> u32) {
    let mut line = Timeline::requesting(config());
    line.client.receive(&message(line.xid), line.now);
    assert_eq!(line.drain(), "");
    assert_eq!(line.client.state_name(), "requesting");
    assert_eq!(
        reason(line.client.counters()),
        1,
        "{:?}",
        line.client.counters()
    );
    assert_eq!(line.reply(), "bound 2001:db8::10");
}

#[test]
fn what_is_refused() {
    let reply = |xid| Server::bare(REPLY, xid);
    check_refused(|_| vec![], |counters| counters.malformed);
    check_refused(|_| vec![7, 0, 0], |counters| counters.malformed);
    check_refused(|xid| reply(xid).bytes, |counters| counters.malformed);
    let no_server = |xid| reply(xid).option(1, &DUID);
    check_refused(|xid| no_server(xid).bytes, |counters| counters.malformed);
    check_refused(
        |xid| {
            no_server(xid)
                .option(2, &[0; 131])
                .address("2001:db8::10", 100, 200)
                .bytes
        },
        |counters| counters.malformed,
    );
    check_refused(
        |xid| {
            Server::grant(REPLY, xid)
                .option(99, &[0; MAX_MESSAGE])
                .bytes
        },
        |counters| counters.malformed,
    );
    check_refused(
        |xid| Server::grant(REPLY, xid ^ 1).bytes,
        |counters| counters.foreign_exchange,
    );
    check_refused(
        |xid| {
            Server::other(REPLY, xid)
                .address("2001:db8::10", 100, 200)
                .bytes
        },
        |counters| counters.foreign_server,
    );
    check_refused(
        |xid| reply(xid).option(1, SERVER).option(2, SERVER).bytes,
        |counters| counters.foreign_client,
    );
    // An offer when none is asked for, RECONFIGURE, our own kind of message, one between relays.
    for kind in [ADVERTISE, RECONFIGURE, 3, 13, 0, 255] {
        check_refused(
            |xid| Server::grant(kind, xid).bytes,
            |counters| counters.unexpected,
        );
    }
    // The server is busy, or wants to be asked by multicast, as it was.
    for status in [1, 5, 99] {
        check_refused(
            |xid| Server::grant(REPLY, xid).status(status).bytes,
            |counters| counters.refused,
        );
    }
    check_refused(
        |xid| Server::grant(REPLY, xid).option(13, &[0]).bytes,
        |counters| counters.refused,
    );
}

#[test]
fn nothing_is_expected_where_nothing_was_asked() {
    let mut line = Timeline::bound();
    for kind in [ADVERTISE, REPLY, RECONFIGURE] {
        assert_eq!(line.receive(&Server::grant(kind, line.xid)), "");
    }
    assert_eq!(line.client.counters().unexpected, 3);
    let mut line = Timeline::new(config());
    assert_eq!(line.receive(&Server::grant(ADVERTISE, 0)), "Solicit na[]");
    assert_eq!(line.client.counters().unexpected, 1);
}

#[test]
fn truncation_at_each_offset_never_gives_a_wrong_lease() {
    let reply = |xid| {
        Server::new(REPLY, xid)
            .na(50, 80, &[ia_address("2001:db8::10", 100, 200), status(0)])
            .pd(50, 80, &[ia_prefix("2001:db8:1000::/56", 100, 200)])
            .option(23, &ip("2001:db8::53").octets())
            .option(24, b"\x04corp\x07example\0")
            .option(56, &option(1, &ip("2001:db8::123").octets()))
    };
    let mut bound = 0;
    let len = reply(0).bytes.len();
    for cut in 0..len {
        let mut line = Timeline::requesting(both());
        let whole = reply(line.xid).bytes;
        line.client.receive(&whole[..cut], line.now);
        let log = line.drain();
        if let Some(list) = log.strip_prefix("bound ") {
            bound += 1;
            let known = ["2001:db8::10", "2001:db8::10 2001:db8:1000::/56"];
            assert!(known.contains(&list), "{log}");
            assert_eq!(line.lease().validate(), Ok(()));
        }
    }
    assert!(bound > 60, "what came before the cut stands: {bound}");
}

#[test]
fn options_in_options_end_at_the_third_level() {
    // Addresses in addresses in addresses: dhcproto would follow them all the way down.
    let mut nested = Vec::new();
    for _ in 0..40 {
        let mut address = ip("2001:db8::10").octets().to_vec();
        address.extend([0, 0, 0, 100, 0, 0, 0, 200]);
        address.extend(&nested);
        nested = option(5, &address);
    }
    let mut line = Timeline::requesting(config());
    let reply = Server::new(REPLY, line.xid).na(0, 0, &[nested]);
    assert_eq!(line.receive(&reply), "bound 2001:db8::10");
}

/// One step of a hostile day.
#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    ToDeadline,
    Message {
        kind: u8,
        preference: u8,
        times: [u32; 4],
        options: Vec<u8>,
    },
    Garbage(Vec<u8>),
    FailSend,
    LinkDown,
    LinkUp,
    Decline,
    Release,
}

fn op() -> impl Strategy<Value = Op> {
    let secs = || prop_oneof![0..300u32, any::<u32>(), proptest::prelude::Just(u32::MAX)];
    let bytes = |max: usize| proptest::collection::vec(any::<u8>(), 0..max);
    let kind = prop_oneof![
        proptest::prelude::Just(ADVERTISE),
        proptest::prelude::Just(REPLY)
    ];
    prop_oneof![
        2 => (0..200_000u64).prop_map(Op::Wait),
        4 => proptest::prelude::Just(Op::ToDeadline),
        8 => (kind, any::<u8>(), [secs(), secs(), secs(), secs()], bytes(60)).prop_map(
            |(kind, preference, times, options)| Op::Message { kind, preference, times, options }
        ),
        1 => bytes(80).prop_map(Op::Garbage),
        1 => proptest::prelude::Just(Op::FailSend),
        1 => proptest::prelude::Just(Op::LinkDown),
        2 => proptest::prelude::Just(Op::LinkUp),
        1 => proptest::prelude::Just(Op::Decline),
        1 => proptest::prelude::Just(Op::Release),
    ]
}

proptest! {
    #[test]
    fn random_operations(ops in proptest::collection::vec(op(), 0..60), seed in any::<u64>()) {
        let config = if seed % 5 == 0 { config_of(Mode::Stateless) } else { both() };
        let mut line = Timeline::new(config);
        line.rng = Rng::new(seed);
        for op in ops {
            match op {
                Op::Wait(millis) => line.now = line.now + Duration::from_millis(millis),
                Op::ToDeadline => {
                    line.now = line.client.deadline().unwrap_or(line.now).max(line.now);
                }
                Op::Message { kind, preference, times: [t1, t2, preferred, valid], options } => {
                    let mut message = Server::new(kind, line.xid)
                        .option(7, &[preference])
                        .na(t1, t2, &[ia_address("2001:db8::10", preferred, valid)])
                        .prefix("2001:db8:1000::/56", preferred / 2, valid);
                    message.bytes.extend(options);
                    line.client.receive(&message.bytes, line.now);
                }
                Op::Garbage(bytes) => line.client.receive(&bytes, line.now),
                Op::FailSend => {
                    let (now, rng) = (line.now, &mut line.rng);
                    let before = line.client.clone();
                    if line.client.transmit(now, rng, |_| Err(())).is_err() {
                        let mut expired = before;
                        expired.expire(now);
                        prop_assert!(line.client.state_name() == expired.state_name());
                    }
                }
                Op::LinkDown => line.client.link_down(line.now),
                Op::LinkUp => line.client.link_up(line.now),
                Op::Decline => line.client.decline(&[ip("2001:db8::10")], line.now),
                Op::Release => line.client.release(line.now),
            }
            line.drain();
            let (client, now) = (&line.client, line.now);
            prop_assert!(client.deadline().is_none_or(|due| due > now), "{}", client.state_name());
            if let Some(lease) = client.lease(now) {
                prop_assert!(lease.first_end().is_none_or(|end| end > now));
                prop_assert!(lease.validate().is_ok(), "{:?}", lease.validate());
                prop_assert!(lease.first_end().is_none() || client.deadline().is_some());
                prop_assert!(lease.first_end().is_none() || client.deadline() <= lease.first_end());
            }
            if let Some(information) = client.information() {
                prop_assert!(information.validate().is_ok());
            }
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut line = Timeline::requesting(both());
        line.client.receive(&bytes, line.now);
        let mut message = Server::grant(REPLY, line.xid);
        message.bytes.extend(bytes);
        line.client.receive(&message.bytes, line.now);
        line.drain();
    }
}
