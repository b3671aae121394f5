//! The way of a lease, state by state.

use super::*;

const BOUND: &str = "bound 2001:db8::10";
const RENEWED: &str = "renewed 2001:db8::10";

// --- Getting one ------------------------------------------------------------------------------------------------

#[test]
fn solicit_advertise_request_reply() {
    let mut line = Timeline::new(config());
    assert_eq!(line.drain(), "Solicit na[]", "at once");
    let offer = Server::grant(ADVERTISE, line.xid);
    assert_eq!(line.receive(&offer), "", "others may offer more");
    let solicit = line.xid;
    assert_eq!(line.until(1002), "Request na[2001:db8::10] of 1");
    assert_ne!(line.xid, solicit, "an exchange of its own");
    let request = line.sent_at[1] - line.sent_at[0];
    assert!((1.0..=1.11).contains(&request.as_secs_f64()), "{request:?}");
    assert_eq!(line.reply(), BOUND);
    let requested_at = line.sent_at[1];
    let lease = line.lease();
    assert_eq!(lease.validate(), Ok(()));
    assert_eq!(lease.acquired_at, requested_at);
    assert_eq!(lease.server_duid, SERVER);
    let after = |secs| Some(requested_at + Duration::from_secs(secs));
    assert_eq!(lease.renew_at, after(50));
    assert_eq!(lease.rebind_at, after(80));
    assert_eq!(lease.addresses[0].preferred_until, after(100));
    assert_eq!(lease.expires_at(), after(200));
    assert_eq!(line.client.deadline(), lease.renew_at);
    assert_eq!(*line.client.counters(), Counters::default());
}

#[test]
fn the_best_offer_of_the_first_second_is_asked_for() {
    /// The preferences of server 1 and 2, and what each offers; the one that is asked.
    #[track_caller]
    fn check(first: (u8, &str), second: (u8, &str), expect: &str) {
        let mut line = Timeline::soliciting(both());
        for (server, (preference, what)) in [(SERVER, first), (OTHER_SERVER, second)] {
            let mut offer = Server::bare(ADVERTISE, line.xid)
                .option(1, &DUID)
                .option(2, server)
                .option(7, &[preference]);
            if what.contains('a') {
                offer = offer.address("2001:db8::10", 100, 200);
            }
            if what.contains('p') {
                offer = offer.prefix("2001:db8:1000::/56", 100, 200);
            }
            line.receive(&offer);
        }
        line.until(1002);
        let log = describe(&line.payload);
        assert!(log.ends_with(expect), "{log}");
    }
    check((0, "ap"), (0, "ap"), "of 1");
    check((0, "ap"), (1, "ap"), "of 2");
    check((2, "ap"), (1, "ap"), "of 1");
    // One that has all comes before one that is preferred; 255 ends the search.
    check((9, "a"), (0, "ap"), "of 2");
    check((0, "ap"), (9, "p"), "of 1");
    check((255, "a"), (0, "ap"), "of 1");
    check((0, "ap"), (255, "a"), "of 2");
}

#[test]
fn preference_255_ends_the_search() {
    let mut line = Timeline::soliciting(config());
    let offer = Server::grant(ADVERTISE, line.xid).option(7, &[255]);
    assert_eq!(line.receive(&offer), "Request na[2001:db8::10] of 1");
    // A preference of two bytes is none.
    let mut line = Timeline::soliciting(config());
    let offer = Server::grant(ADVERTISE, line.xid).option(7, &[255, 255]);
    assert_eq!(line.receive(&offer), "");
    assert_eq!(line.client.counters().bad_option, 1);
}

#[test]
fn after_the_first_second_the_first_offer_is_taken() {
    let mut line = Timeline::new(config());
    assert_eq!(line.until(1005), "Solicit na[]; Solicit na[]; Solicit na[]");
    let offer = Server::grant(ADVERTISE, line.xid);
    assert_eq!(line.receive(&offer), "Request na[2001:db8::10] of 1");
    assert_eq!(line.reply(), BOUND);
}

#[test]
fn silence_is_met_with_growing_pauses_and_one_transaction() {
    let mut line = Timeline::new(config());
    line.drain();
    let first = line.xid;
    let log = line.until(1000 + 40_000);
    assert!(
        log.split("; ").all(|entry| entry == "Solicit na[]"),
        "{log}"
    );
    assert_eq!(line.xid, first);
    let waits = line.waits();
    assert!((1.0..=1.11).contains(&waits[0]), "{waits:?}");
    for pair in waits.windows(2) {
        let (grows, capped) = (pair[1] / pair[0], (3240.0..=3960.0).contains(&pair[1]));
        assert!((1.9..=2.1).contains(&grows) || capped, "{waits:?}");
    }
    assert!(waits.len() > 15 && waits.last().is_some_and(|wait| *wait >= 3240.0));
}

#[test]
fn the_elapsed_time_counts_from_the_first_message_of_an_exchange() {
    let elapsed = |line: &Timeline| {
        let message = Message::from_bytes(&line.payload).unwrap();
        match message.opts().get(OptionCode::ElapsedTime) {
            Some(DhcpOption::ElapsedTime(hundredths)) => *hundredths,
            other => panic!("{other:?}"),
        }
    };
    let mut line = Timeline::new(config());
    line.drain();
    assert_eq!(elapsed(&line), 0);
    line.until(1002);
    let first = elapsed(&line);
    assert!((100..=110).contains(&first), "{first}");
    line.until(3000);
    assert_eq!(elapsed(&line), u16::MAX, "it stops at its maximum");
    let offer = Server::grant(ADVERTISE, line.xid);
    line.receive(&offer);
    assert_eq!(elapsed(&line), 0, "a REQUEST begins anew");
}

#[test]
fn rapid_commit() {
    let commit = |line: &Timeline| Server::grant(REPLY, line.xid).option(14, &[]);
    let mut line = Timeline::soliciting(config());
    let plain = Server::grant(REPLY, line.xid);
    assert_eq!(line.receive(&plain), "", "it has to say so");
    assert_eq!(line.client.counters().unexpected, 1);
    assert_eq!(line.receive(&commit(&line)), BOUND);

    // An offer that came before does not matter.
    let mut line = Timeline::soliciting(config());
    line.receive(&Server::other(ADVERTISE, line.xid).address("2001:db8::20", 100, 200));
    assert_eq!(line.receive(&commit(&line)), BOUND);
    assert_eq!(line.until(1040), "");

    let without = Config {
        rapid_commit: false,
        ..config()
    };
    let mut line = Timeline::soliciting(without);
    assert_eq!(line.receive(&commit(&line)), "", "nobody offered that");
    // One that grants nothing leaves the way open for others.
    let mut line = Timeline::soliciting(config());
    let nothing = Server::new(REPLY, line.xid)
        .option(14, &[])
        .na(0, 0, &[status(2)]);
    assert_eq!(line.receive(&nothing), "");
    assert_eq!(line.client.counters().refused, 1);
    assert_eq!(line.receive(&commit(&line)), BOUND);
}

#[test]
fn an_answer_that_comes_after_its_own_end_is_none() {
    let mut line = Timeline::new(config());
    line.until(1050);
    let sent = *line.sent_at.last().unwrap();
    assert!(line.now.saturating_since(sent) > Duration::from_secs(10));
    let late = Server::new(REPLY, line.xid).option(14, &[]);
    assert_eq!(line.receive(&late.address("2001:db8::10", 10, 10)), "");
    assert_eq!(line.client.counters().refused, 1);
}

#[test]
fn addresses_and_a_prefix_in_one_exchange() {
    let mut line = Timeline::new(both());
    assert_eq!(line.drain(), "Solicit na[] pd[::/56]");
    let offer = line.both(ADVERTISE).option(7, &[255]);
    let request = "Request na[2001:db8::10] pd[2001:db8:1000::/56] of 1";
    assert_eq!(line.receive(&offer), request);
    let reply = Server::new(REPLY, line.xid)
        .na(
            30,
            60,
            &[
                ia_address("2001:db8::10", 100, 200),
                ia_address("2001:db8::11", 90, 190),
            ],
        )
        .pd(40, 50, &[ia_prefix("2001:db8:1000::/56", 300, 400)]);
    assert_eq!(
        line.receive(&reply),
        "bound 2001:db8::10 2001:db8::11 2001:db8:1000::/56"
    );
    let lease = line.lease();
    assert_eq!(lease.renew_at, Some(at(1030)), "the earlier T1");
    assert_eq!(lease.rebind_at, Some(at(1050)), "the earlier T2");
    assert_eq!(lease.prefixes[0].preferred_until, Some(at(1300)));
    assert_eq!(lease.expires_at(), Some(at(1400)));
    let renew = "Renew na[2001:db8::10 2001:db8::11] pd[2001:db8:1000::/56] of 1";
    assert_eq!(line.until(1031), renew);
}

#[test]
fn a_prefix_alone() {
    let hint = "::/0".parse().unwrap();
    let mut line = Timeline::new(config_of(Mode::Prefixes { hint }));
    assert_eq!(line.drain(), "Solicit pd[]");
    let offer = Server::new(ADVERTISE, line.xid)
        .prefix("2001:db8:1000::/56", 100, 200)
        .address("2001:db8::10", 100, 200)
        .option(7, &[255]);
    assert_eq!(line.receive(&offer), "Request pd[2001:db8:1000::/56] of 1");
    let reply = Server::new(REPLY, line.xid)
        .prefix("2001:db8:1000::1/56", 100, 200)
        .address("2001:db8::10", 100, 200);
    let bound = "bound 2001:db8:1000::/56";
    assert_eq!(
        line.receive(&reply),
        bound,
        "no address was asked for; host bits do not count"
    );
}

#[test]
fn half_of_what_was_asked_for_is_used_and_the_rest_asked_for_at_t1() {
    let mut line = Timeline::requesting(both());
    let reply = Server::grant(REPLY, line.xid).pd(0, 0, &[status(6)]);
    assert_eq!(line.receive(&reply), BOUND);
    assert_eq!(line.until(1051), "Renew na[2001:db8::10] pd[::/56] of 1");
    assert_eq!(line.reply(), "bound 2001:db8::10 2001:db8:1000::/56");
}

#[test]
fn a_request_without_answer_is_given_up() {
    let mut line = Timeline::requesting(config());
    let log = line.until(1036);
    let request = "Request na[2001:db8::10] of 1";
    let expect = [request, request, request, request, "Solicit na[]"].join("; ");
    assert!(log.starts_with(&expect), "{log}");
}

#[test]
fn an_offer_of_nothing_is_no_offer() {
    #[track_caller]
    fn check(offer: impl FnOnce(Server) -> Server) {
        let mut line = Timeline::soliciting(config());
        let offer = offer(Server::new(ADVERTISE, line.xid).option(7, &[255]));
        assert_eq!(line.receive(&offer), "");
        assert_eq!(line.client.counters().refused, 1);
        let good = Server::grant(ADVERTISE, line.xid).option(7, &[255]);
        assert_eq!(line.receive(&good), "Request na[2001:db8::10] of 1");
    }
    check(|server| server);
    check(|server| server.na(0, 0, &[status(2)]));
    check(|server| server.na(0, 0, &[]));
    check(|server| server.status(2));
    check(|server| server.address("2001:db8::10", 100, 200).status(1));
    check(|server| server.na(0, 0, &[status(2), ia_address("2001:db8::10", 100, 200)]));
    check(|server| server.prefix("2001:db8:1000::/56", 100, 200));
    check(|server| server.address("2001:db8::10", 0, 0));
}

#[test]
fn servers_may_change_the_longest_pause() {
    let longest = |code: u16, secs: u32, config: Config, until: u64| {
        let mut line = Timeline::new(config);
        line.drain();
        let kind = if code == 82 { ADVERTISE } else { REPLY };
        let refusal = Server::new(kind, line.xid).status(2);
        line.receive(&refusal.option(code, &secs.to_be_bytes()));
        line.until(1000 + until);
        line.waits().into_iter().fold(0.0, f64::max)
    };
    let stateless = || config_of(Mode::Stateless);
    for (code, config) in [(82, config()), (83, stateless())] {
        let capped = longest(code, 60, config.clone(), 2000);
        assert!((54.0..=66.0).contains(&capped), "{capped}");
        for out_of_range in [59, 86_401] {
            let waits = longest(code, out_of_range, config.clone(), 20_000);
            assert!((3240.0..=3960.0).contains(&waits), "{waits}");
        }
    }
}

// --- Holding it -------------------------------------------------------------------------------------------------

#[test]
fn renewal_then_rebinding_then_the_end() {
    let mut line = Timeline::bound();
    assert_eq!(line.until(1049), "");
    let renew = "Renew na[2001:db8::10] of 1";
    assert_eq!(line.until(1079), [renew; 2].join("; "), "at 50 and 60 s");
    let renewals = line.xid;
    let rebind = "Rebind na[2001:db8::10]";
    let log = line.until(1199);
    assert_eq!(log, [rebind; 4].join("; "), "at 80, 90, 110 and 150 s");
    assert_ne!(line.xid, renewals);
    assert!(line.client.lease(line.now).is_some());
    assert_eq!(line.until(1200), "Solicit na[]; lost Expired");
    assert!(line.client.lease(line.now).is_none());
}

#[test]
fn a_renewal_counts_from_its_request() {
    for (mut line, sent) in [(Timeline::renewing(), 1050), (Timeline::rebinding(), 1080)] {
        assert_eq!(line.reply(), RENEWED);
        assert_eq!(line.lease().acquired_at, at(sent));
        assert_eq!(line.lease().expires_at(), Some(at(sent + 200)));
        assert_eq!(line.client.deadline(), Some(at(sent + 50)));
    }
}

#[test]
fn a_renewal_with_other_facts_is_a_new_lease() {
    let mut line = Timeline::renewing();
    let dns = ip("2001:db8::53").octets();
    assert_eq!(
        line.receive(&Server::grant(REPLY, line.xid).option(23, &dns)),
        BOUND
    );
    assert_eq!(line.lease().facts.dns, [ip("2001:db8::53")]);
}

#[test]
fn rebinding_takes_the_answer_of_any_server_and_renewing_only_that_of_its_own() {
    let other = |line: &Timeline| Server::other(REPLY, line.xid).address("2001:db8::10", 100, 200);
    let mut line = Timeline::renewing();
    assert_eq!(line.receive(&other(&line)), "");
    assert_eq!(line.client.counters().foreign_server, 1);
    let mut line = Timeline::rebinding();
    assert_eq!(line.receive(&other(&line)), RENEWED);
    assert_eq!(line.lease().server_duid, OTHER_SERVER);
    assert_eq!(line.until(1131), "Renew na[2001:db8::10] of 2");
}

#[test]
fn what_a_renewal_leaves_out_stays_and_what_it_ends_goes() {
    let two = |line: &Timeline| {
        let nested = [
            ia_address("2001:db8::10", 100, 200),
            ia_address("2001:db8::11", 100, 200),
        ];
        Server::new(REPLY, line.xid).na(0, 0, &nested)
    };
    let mut line = Timeline::renewing();
    assert_eq!(line.receive(&two(&line)), "bound 2001:db8::10 2001:db8::11");
    line.until(1101);
    assert_eq!(line.client.state_name(), "renewing");
    assert_eq!(line.reply(), "renewed 2001:db8::10 2001:db8::11");
    let ends: Vec<_> = line
        .lease()
        .addresses
        .iter()
        .map(|leased| leased.valid_until)
        .collect();
    assert_eq!(ends, [Some(at(1300)), Some(at(1250))]);
    line.until(1151);
    let reply = Server::new(REPLY, line.xid).na(0, 0, &[ia_address("2001:db8::11", 0, 0)]);
    assert_eq!(line.receive(&reply), BOUND);
    assert_eq!(
        line.lease().renew_at,
        Some(at(1175)),
        "half of the 50 s that are left"
    );
}

#[test]
fn parts_of_a_lease_end_on_their_own() {
    let mut line = Timeline::requesting(config());
    let nested = [
        ia_address("2001:db8::10", 100, 100),
        ia_address("2001:db8::11", 150, 300),
    ];
    line.receive(&Server::new(REPLY, line.xid).na(400, 400, &nested));
    assert_eq!(
        line.lease().renew_at,
        Some(at(1050)),
        "not after the first end"
    );
    let log = line.until(1100);
    assert!(log.ends_with("bound 2001:db8::11"), "{log}");
    let log = line.until(1300);
    assert!(log.contains("Rebind na[2001:db8::11]"), "{log}");
    assert!(log.ends_with("lost Expired"), "{log}");
}

#[test]
fn a_renewal_that_extends_nothing_is_no_answer() {
    #[track_caller]
    fn check(reply: impl FnOnce(Server) -> Server) {
        let mut line = Timeline::renewing();
        let reply = reply(Server::new(REPLY, line.xid));
        assert_eq!(line.receive(&reply), "");
        assert_eq!(line.client.state_name(), "renewing");
        assert_eq!(line.client.counters().refused, 1);
    }
    check(|server| server);
    check(|server| server.na(0, 0, &[]));
    check(|server| server.na(0, 0, &[status(2)]));
    check(|server| server.address("2001:db8::10", 100, 200).status(1));
    check(|server| server.address("2001:db8::10", 100, 200).status(5));
    check(|server| server.na(0, 0, &[status(1), ia_address("2001:db8::10", 100, 200)]));
    check(|server| server.na(0, 0, &[ia_address("2001:db8::10", 201, 200)]));
    check(|server| server.na(60, 50, &[ia_address("2001:db8::10", 100, 200)]));
    check(|server| server.association(4, 0, 0, &[ia_address("2001:db8::10", 100, 200)]));
}

#[test]
fn a_lease_that_the_server_takes_back_is_lost() {
    for mut line in [Timeline::renewing(), Timeline::rebinding()] {
        let reply = Server::new(REPLY, line.xid).address("2001:db8::10", 0, 0);
        assert_eq!(line.receive(&reply), "Solicit na[]; lost Refused");
    }
}

#[test]
fn infinite_times_need_nothing() {
    let mut line = Timeline::requesting(config());
    let never = u32::MAX;
    let forever = Server::new(REPLY, line.xid).address("2001:db8::10", never, never);
    assert_eq!(line.receive(&forever), BOUND);
    assert_eq!(line.client.deadline(), None);
    assert_eq!(line.until(1_000_000_000), "");
    assert_eq!(line.lease().expires_at(), None);
    assert_eq!(line.lease().validate(), Ok(()));
}

#[test]
fn lifetimes_of_seconds_are_not_believed() {
    let mut line = Timeline::soliciting(config());
    let offer = Server::new(ADVERTISE, line.xid).address("2001:db8::10", 9, 9);
    assert_eq!(line.receive(&offer.option(7, &[255])), "");
    let offer = Server::new(ADVERTISE, line.xid).address("2001:db8::10", 10, 10);
    assert_eq!(
        line.receive(&offer.option(7, &[255])),
        "Request na[2001:db8::10] of 1"
    );
    let reply = Server::new(REPLY, line.xid).na(1, 2, &[ia_address("2001:db8::10", 10, 10)]);
    assert_eq!(line.receive(&reply), BOUND);
    assert_eq!(line.lease().renew_at, Some(at(1005)));
}

#[test]
fn after_a_long_sleep_only_the_end_counts() {
    let mut line = Timeline::bound();
    line.now = at(1190);
    assert_eq!(line.drain(), "Rebind na[2001:db8::10]", "past T2");
    let mut line = Timeline::bound();
    line.now = at(5000);
    assert!(line.client.lease(line.now).is_none());
    assert_eq!(line.drain(), "Solicit na[]; lost Expired");
}

// --- NoBinding, NotOnLink ---------------------------------------------------------------------------------------

#[test]
fn a_server_that_forgot_the_lease_makes_it_anew_while_it_stays_in_use() {
    for mut line in [Timeline::renewing(), Timeline::rebinding()] {
        let forgot = Server::new(REPLY, line.xid).na(0, 0, &[status(3)]);
        assert_eq!(line.receive(&forgot), "Request na[2001:db8::10] of 1");
        assert!(line.client.lease(line.now).is_some());
        assert_eq!(line.reply(), RENEWED);
        assert_eq!(line.client.state_name(), "bound");
    }
    let mut line = Timeline::renewing();
    line.receive(&Server::new(REPLY, line.xid).status(3));
    let another = Server::new(REPLY, line.xid).address("2001:db8::20", 100, 200);
    assert_eq!(line.receive(&another), "bound 2001:db8::20");
}

#[test]
fn a_forgotten_lease_that_is_not_made_anew() {
    let forgotten = || {
        let mut line = Timeline::renewing();
        line.receive(&Server::new(REPLY, line.xid).na(0, 0, &[status(3)]));
        line
    };
    for refusal in [2, 3] {
        let mut line = forgotten();
        let no = Server::new(REPLY, line.xid).na(0, 0, &[status(refusal)]);
        assert_eq!(line.receive(&no), "Solicit na[]; lost Refused");
    }
    let mut line = forgotten();
    let log = line.until(1090);
    assert!(log.ends_with("Rebind na[2001:db8::10]"), "{log}");
    let log = line.until(1200);
    assert!(log.ends_with("lost Expired"), "{log}");
}

#[test]
fn a_forgotten_lease_ends_part_by_part() {
    let mut line = Timeline::requesting(config());
    let nested = [
        ia_address("2001:db8::10", 100, 100),
        ia_address("2001:db8::11", 150, 300),
    ];
    line.receive(&Server::new(REPLY, line.xid).na(90, 95, &nested));
    line.until(1091);
    line.receive(&Server::new(REPLY, line.xid).na(0, 0, &[status(3)]));
    let log = line.until(1101);
    assert!(log.contains("bound 2001:db8::11"), "{log}");
    assert_eq!(line.client.state_name(), "requesting");
    assert_eq!(list(line.lease()), "2001:db8::11");
}

#[test]
fn not_on_link_starts_over() {
    let mut line = Timeline::requesting(config());
    let no = Server::new(REPLY, line.xid).status(4);
    assert_eq!(line.receive(&no), "Solicit na[]");
    let mut line = Timeline::requesting(config());
    let no = Server::new(REPLY, line.xid).na(0, 0, &[status(4)]);
    assert_eq!(line.receive(&no), "Solicit na[]");
    let mut line = Timeline::rebinding();
    let no = Server::new(REPLY, line.xid).na(0, 0, &[status(4)]);
    assert_eq!(line.receive(&no), "Solicit na[]; lost NotOnLink");
}

#[test]
fn a_server_that_always_says_no_is_asked_less_and_less() {
    let mut line = Timeline::new(config());
    line.drain();
    for _ in 0..9 {
        line.receive(&Server::grant(ADVERTISE, line.xid).option(7, &[255]));
        line.receive(&Server::new(REPLY, line.xid).na(0, 0, &[status(2)]));
        if let Some(due) = line.client.deadline() {
            line.now = due;
            line.drain();
        }
    }
    let waits: Vec<_> = line
        .waits()
        .into_iter()
        .filter(|wait| *wait > 0.5)
        .collect();
    assert_eq!(
        waits[1..7],
        [1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
        "after one without a pause"
    );
    line.client.link_down(line.now);
    line.client.link_up(line.now);
    line.drain();
    line.receive(&Server::grant(ADVERTISE, line.xid).option(7, &[255]));
    let no = Server::new(REPLY, line.xid).na(0, 0, &[status(2)]);
    assert_eq!(line.receive(&no), "Solicit na[]", "another network");
}

// --- The carrier ------------------------------------------------------------------------------------------------

#[test]
fn carrier_back_confirms_the_lease_while_it_stays_in_use() {
    let mut line = Timeline::confirming();
    assert!(line.client.lease(line.now).is_some());
    let yes = Server::new(REPLY, line.xid).status(0);
    assert_eq!(line.receive(&yes), "");
    assert_eq!(line.client.state_name(), "bound");
    assert_eq!(
        line.client.deadline(),
        Some(at(1050)),
        "with the times that it had"
    );

    let mut line = Timeline::confirming();
    let no = Server::new(REPLY, line.xid).status(4);
    assert_eq!(line.receive(&no), "Solicit na[]; lost NotOnLink");

    let mut line = Timeline::confirming();
    let busy = Server::new(REPLY, line.xid).status(1);
    assert_eq!(line.receive(&busy), "");
    assert_eq!(line.client.state_name(), "confirming");
}

#[test]
fn an_unconfirmed_lease_is_used_with_the_times_it_has() {
    let mut line = Timeline::confirming();
    let log = line.until(1076);
    let (confirms, last) = log.rsplit_once("; ").unwrap();
    let confirm = "Confirm na[2001:db8::10]";
    assert!(confirms.split("; ").all(|entry| entry == confirm), "{log}");
    assert_eq!(last, "Renew na[2001:db8::10] of 1", "T1 has passed");
    assert_eq!(line.sent_at.last(), Some(&at(1075)), "a minute is over");
    let waits = line.waits();
    assert!(waits[3..].iter().all(|wait| *wait < 4.5), "{waits:?}");
}

#[test]
fn prefixes_are_confirmed_by_rebinding() {
    let mut line = Timeline::bound_with(both());
    line.client.link_down(line.now);
    line.client.link_up(line.now);
    assert_eq!(
        line.drain(),
        "Rebind na[2001:db8::10] pd[2001:db8:1000::/56]"
    );
    assert_eq!(line.client.state_name(), "confirming");
    let bare_yes = Server::new(REPLY, line.xid).status(0);
    assert_eq!(
        line.receive(&bare_yes),
        "",
        "that says nothing about the prefix"
    );
    assert_eq!(line.reply(), "renewed 2001:db8::10 2001:db8:1000::/56");
    assert_eq!(line.client.state_name(), "bound");
}

#[test]
fn carrier_back_begins_without_a_pause() {
    let mut line = Timeline::new(config());
    line.until(1500);
    line.client.link_down(line.now);
    assert_eq!(line.until(1600), "");
    line.client.link_up(line.now);
    assert_eq!(line.drain(), "Solicit na[]");
    let offer = Server::grant(ADVERTISE, line.xid);
    assert_eq!(line.receive(&offer), "", "a first second of its own");
}

#[test]
fn a_lease_may_end_while_the_carrier_is_away() {
    let mut line = Timeline::bound();
    line.client.link_down(line.now);
    assert_eq!(line.until(1199), "");
    assert!(line.client.lease(line.now).is_some());
    assert_eq!(line.until(1201), "lost Expired");
    line.client.link_up(line.now);
    assert_eq!(line.drain(), "Solicit na[]");
}

// --- DECLINE, RELEASE -------------------------------------------------------------------------------------------

#[test]
fn decline_of_everything_asks_everyone_again() {
    let mut line = Timeline::bound();
    line.client.decline(&[ip("2001:db8::99")], line.now);
    assert_eq!(line.drain(), "", "not leased");
    line.client.decline(&[ip("2001:db8::10")], line.now);
    assert_eq!(line.drain(), "Decline na[2001:db8::10] of 1; lost Declined");
    assert_eq!(line.client.state_name(), "declining");
    assert!(line.client.lease(line.now).is_none());
    let noted = Server::new(REPLY, line.xid).status(0);
    assert_eq!(line.receive(&noted), "Solicit na[]");
}

#[test]
fn decline_of_one_address_keeps_the_rest() {
    let mut line = Timeline::bound_with(both());
    line.client.decline(&[ip("2001:db8::10")], line.now);
    let log = "Decline na[2001:db8::10] of 1; bound 2001:db8:1000::/56";
    assert_eq!(line.drain(), log);
    let noted = Server::new(REPLY, line.xid).status(0);
    let renew = "Renew na[] pd[2001:db8:1000::/56] of 1";
    assert_eq!(line.receive(&noted), renew, "and asks for another address");
    let another = Server::new(REPLY, line.xid)
        .address("2001:db8::20", 100, 200)
        .prefix("2001:db8:1000::/56", 100, 200);
    assert_eq!(
        line.receive(&another),
        "bound 2001:db8::20 2001:db8:1000::/56"
    );
}

#[test]
fn a_second_decline_joins_the_first() {
    let mut line = Timeline::requesting(config());
    let nested = [
        ia_address("2001:db8::10", 100, 200),
        ia_address("2001:db8::11", 100, 200),
    ];
    line.receive(&Server::new(REPLY, line.xid).na(0, 0, &nested));
    line.client.decline(&[ip("2001:db8::10")], line.now);
    line.drain();
    line.client.decline(&[ip("2001:db8::11")], line.now);
    let log = "Decline na[2001:db8::11 2001:db8::10] of 1; lost Declined";
    assert_eq!(line.drain(), log);
}

#[test]
fn a_decline_that_is_not_answered_is_given_up() {
    let mut line = Timeline::bound();
    line.client.decline(&[ip("2001:db8::10")], line.now);
    let log = line.until(1020);
    assert_eq!(log.matches("Decline na").count(), 4, "{log}");
    assert!(
        log.contains("Decline na[2001:db8::10] of 1; Solicit na[]"),
        "{log}"
    );
}

#[test]
fn a_link_where_each_address_is_taken_is_asked_less_and_less() {
    let mut line = Timeline::bound();
    let mut solicits = Vec::new();
    for _ in 0..8 {
        line.client.decline(&[ip("2001:db8::10")], line.now);
        line.drain();
        line.receive(&Server::new(REPLY, line.xid));
        line.now = line.client.deadline().unwrap().max(line.now);
        if line.payload[0] != 1 {
            assert_eq!(line.drain(), "Solicit na[]");
        }
        solicits.push(line.now);
        line.receive(&Server::grant(ADVERTISE, line.xid).option(7, &[255]));
        assert_eq!(line.reply(), BOUND);
    }
    let last = solicits.windows(2).last().unwrap();
    assert!(last[1] - last[0] >= Duration::from_secs(32), "{solicits:?}");
}

#[test]
fn a_decline_without_carrier_is_not_sent() {
    let mut line = Timeline::bound();
    line.client.link_down(line.now);
    line.client.decline(&[ip("2001:db8::10")], line.now);
    assert_eq!(line.drain(), "lost Declined");
    line.client.link_up(line.now);
    assert_eq!(line.drain(), "Solicit na[]");
}

#[test]
fn release_only_when_asked_and_then_for_good() {
    let mut line = Timeline::bound_with(both());
    line.client.release(line.now);
    let log = "Release na[2001:db8::10] pd[2001:db8:1000::/56] of 1; lost Released";
    assert_eq!(line.drain(), log);
    line.receive(&Server::new(REPLY, line.xid).status(0));
    assert_eq!(line.client.state_name(), "stopped");
    assert_eq!(line.client.deadline(), None);
    line.client.link_up(line.now);
    assert_eq!(line.until(100_000), "");

    let mut line = Timeline::bound();
    line.client.release(line.now);
    let log = line.until(1100);
    assert_eq!(
        log.matches("Release").count(),
        4 + 1,
        "the event is one: {log}"
    );
    assert_eq!(line.client.state_name(), "stopped");
}

// --- Hand-off ---------------------------------------------------------------------------------------------------

#[test]
fn a_resumed_lease_goes_on_without_a_packet() {
    let lease = Timeline::bound_with(both()).lease().clone();
    let json = serde_json::to_string(&lease).unwrap();
    let lease: Lease = serde_json::from_str(&json).unwrap();
    let mut line = Timeline::of(Dhcp6::resume(both(), lease, at(1010)), at(1010));
    assert_eq!(line.until(1049), "bound 2001:db8::10 2001:db8:1000::/56");
    assert_eq!(
        line.until(1051),
        "Renew na[2001:db8::10] pd[2001:db8:1000::/56] of 1"
    );
}

#[test]
fn a_resumed_lease_can_be_confirmed() {
    let lease = Timeline::bound().lease().clone();
    let mut line = Timeline::of(Dhcp6::resume(config(), lease, at(1010)), at(1010));
    line.client.link_up(line.now);
    assert_eq!(line.drain(), format!("Confirm na[2001:db8::10]; {BOUND}"));
}

#[test]
fn a_lease_that_cannot_be_resumed_is_not_used() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Lease), config: Config, now: u64) {
        let mut lease = Timeline::bound().lease().clone();
        change(&mut lease);
        let mut line = Timeline::of(Dhcp6::resume(config, lease, at(now)), at(now));
        let log = line.drain();
        assert!(
            log.starts_with("Solicit") && !log.contains("bound"),
            "{log}"
        );
    }
    check(|_| {}, config(), 1200);
    check(|_| {}, config(), 999);
    check(|lease| lease.duid = SERVER.to_vec(), config(), 1010);
    check(|lease| lease.iaid = 1, config(), 1010);
    check(
        |lease| lease.addresses[0].address = ip("::1"),
        config(),
        1010,
    );
    check(|lease| lease.addresses.clear(), config(), 1010);
    let hint = "::/56".parse().unwrap();
    check(|_| {}, config_of(Mode::Prefixes { hint }), 1010);
}

#[test]
fn a_resumed_lease_that_lacks_something_asks_for_it() {
    let lease = Timeline::bound().lease().clone();
    let mut line = Timeline::of(Dhcp6::resume(both(), lease, at(1010)), at(1010));
    assert_eq!(
        line.drain(),
        format!("Renew na[2001:db8::10] pd[::/56] of 1; {BOUND}")
    );
}

#[test]
fn leases_from_a_file_are_checked() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Lease)) {
        let mut lease = Timeline::bound_with(both()).lease().clone();
        assert_eq!(lease.validate(), Ok(()));
        change(&mut lease);
        assert!(lease.validate().is_err(), "{lease:?}");
    }
    check(|lease| lease.server_duid.clear());
    check(|lease| lease.duid = vec![0; 131]);
    check(|lease| lease.addresses = vec![lease.addresses[0]; 17]);
    check(|lease| lease.addresses[0].address = ip("fe80::1"));
    check(|lease| lease.addresses[0].preferred_until = None);
    check(|lease| lease.prefixes[0].prefix = "2001:db8::1/56".parse().unwrap());
    check(|lease| lease.prefixes[0].prefix = "10.0.0.0/8".parse().unwrap());
    check(|lease| lease.prefixes[0].valid_until = Some(at(1001)));
    check(|lease| lease.renew_at = lease.rebind_at.map(|at| at + Duration::from_secs(1)));
    check(|lease| lease.renew_at = Some(at(999)));
    check(|lease| lease.facts.dns = vec![ip("::2"); 17]);
}

// --- Stateless --------------------------------------------------------------------------------------------------

#[test]
fn information_is_asked_for_and_refreshed() {
    let dns = ip("2001:db8::53").octets();
    let told = "told [2001:db8::53]";
    let mut line = Timeline::new(config_of(Mode::Stateless));
    assert_eq!(line.until(1002), "InformationRequest; InformationRequest");
    assert_eq!(
        line.receive(&Server::new(REPLY, line.xid).option(23, &dns)),
        told
    );
    assert_eq!(line.client.state_name(), "informed");
    let sent = line.sent_at[1];
    let refresh = sent + Duration::from_secs(86_400);
    assert_eq!(line.client.deadline(), Some(refresh), "a day");
    line.now = refresh;
    assert_eq!(line.drain(), "InformationRequest");
    assert!(line.client.information().is_some(), "still in use");
    let short = Server::new(REPLY, line.xid).option(32, &[0, 0, 0, 1]);
    assert_eq!(line.receive(&short), "told []");
    assert_eq!(
        line.client.deadline(),
        Some(refresh + Duration::from_secs(600))
    );

    let mut line = Timeline::new(config_of(Mode::Stateless));
    line.drain();
    let busy = Server::new(REPLY, line.xid).status(1);
    assert_eq!(line.receive(&busy), "");
    line.receive(&Server::new(REPLY, line.xid).option(32, &[255; 4]));
    assert_eq!(line.client.deadline(), None, "never");
    // Another network may say something else.
    line.client.link_down(line.now);
    assert!(line.client.information().is_some());
    line.client.link_up(line.now);
    assert_eq!(line.drain(), "InformationRequest");
}

#[test]
fn resumed_information_goes_on_without_a_packet() {
    let mut line = Timeline::new(config_of(Mode::Stateless));
    line.drain();
    line.receive(&Server::new(REPLY, line.xid).option(32, &900u32.to_be_bytes()));
    let information = line.client.information().unwrap().clone();
    let resume = |now| {
        let config = config_of(Mode::Stateless);
        let client = Dhcp6::resume_information(config, information.clone(), at(now));
        Timeline::of(client, at(now))
    };
    let mut line = resume(1010);
    assert_eq!(line.until(1899), "told []");
    assert_eq!(line.until(1900), "InformationRequest");
    assert_eq!(
        resume(999).drain(),
        "InformationRequest",
        "from another boot"
    );
    let stateful = Dhcp6::resume_information(config(), information.clone(), at(1010));
    assert_eq!(Timeline::of(stateful, at(1010)).drain(), "Solicit na[]");
}

// --- Sending ----------------------------------------------------------------------------------------------------

#[test]
fn a_failed_send_moves_nothing_and_is_not_tried_in_a_loop() {
    let mut line = Timeline::new(config());
    let mut tries = 0;
    while line.now < at(1100) {
        let now = line.now;
        while line
            .client
            .transmit(now, &mut line.rng, |_| Err(()))
            .is_err()
        {
            tries += 1;
        }
        line.now = line.client.deadline().unwrap();
        assert!(line.now > now);
    }
    assert!((8..12).contains(&tries), "{tries}");
    assert_eq!(line.drain(), "Solicit na[]", "as if it were the first");
    let offer = Server::grant(ADVERTISE, line.xid);
    assert_eq!(line.receive(&offer), "", "it is");
}
