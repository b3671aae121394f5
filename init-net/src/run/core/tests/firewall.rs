//! The firewall before the links, through a hand-off, and in a fight.

use super::*;
use crate::state::Unsaid;

/// A machine config by URL that is awaited, and DHCP on the first card.
const AWAITS: &str = "initnet.config=http://10.0.0.9/c ip=eth0:dhcp";

fn booting(line: &str) -> Machine {
    let mut machine = Machine::new(line).with(Server::Grants);
    machine.core.close_meanwhile();
    machine
}

impl Machine {
    /// The ops that change the firewall, with their times.
    fn firewall_ops(&self) -> Vec<(u64, &str)> {
        let done = self.done.iter().map(|(at, op)| (*at, op.as_str()));
        done.filter(|(_, op)| op.starts_with("nft ")).collect()
    }

    /// Where the first op stands that begins with `text`.
    fn first(&self, text: &str) -> Option<usize> {
        self.done.iter().position(|(_, op)| op.starts_with(text))
    }

    fn policy_drops(&self) -> bool {
        let table = self.kernel.firewall.as_ref();
        table.is_some_and(|there| there.table.to_string().contains("policy drop"))
    }
}

const UP: &str = "ip link set dev eth0 up";

#[test]
fn no_link_opens_before_the_base_set() {
    let mut machine = booting(AWAITS);
    machine.run(1);
    assert!(machine.policy_drops());
    assert_eq!(machine.firewall_ops().len(), 1, "{:?}", machine.done);
    assert!(
        machine.first("nft ") < machine.first(UP),
        "{:?}",
        machine.done
    );
    assert_eq!(machine.core.closed_for(), ["initnet.config"]);
    // Nobody answers: it stays.
    machine.run(1000);
    assert!(machine.policy_drops());
    assert_eq!(machine.firewall_ops().len(), 1);
    let stage = machine.core.timeline().stages().iter();
    let stage = stage.clone().find(|stage| stage.name == "firewall");
    assert!(stage.unwrap().end.is_some());
}

#[test]
fn what_is_known_replaces_the_base_set() {
    let mut machine = booting(AWAITS);
    machine.peer = Peer::Answers("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n---");
    machine.run(2);
    let ops = machine.firewall_ops();
    assert_eq!(ops.len(), 2, "{:?}", machine.done);
    assert_eq!(ops[1].1, "nft delete table inet init-net");
    assert!(machine.core.closed_for().is_empty());
    // What does not parse says nothing: it stays closed.
    let mut machine = booting(AWAITS);
    machine.peer = Peer::Answers("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nkind: [\n");
    machine.run(2);
    assert!(machine.policy_drops());
    // The command line has a word.
    let mut machine = booting(&format!("{AWAITS} initnet.firewall=accept"));
    machine.run(2);
    assert!(machine.kernel.firewall.is_none());
}

#[test]
fn links_open_without_a_firewall_that_cannot_be() {
    let mut machine = booting(AWAITS);
    machine.refused = Some("nft ");
    machine.run(1);
    assert!(machine.first(UP).is_some(), "{:?}", machine.done);
    assert!(machine.first("nft ") < machine.first(UP));
    let missing = machine.core.readiness().missing;
    let why = "firewall: not in force: refused".to_owned();
    assert!(missing.contains(&why), "{missing:?}");
    // Where the error may pass it is waited for, and not for ever.
    let mut machine = booting(AWAITS);
    (machine.refused, machine.errno) = (Some("nft "), libc::ENOMEM);
    machine.run(1);
    assert_eq!(machine.first(UP), None, "{:?}", machine.done);
    machine.run(2);
    assert!(machine.first(UP).is_some(), "{:?}", machine.done);
}

#[test]
fn a_boot_does_not_hand_off_before_it() {
    let mut machine = booting("initnet.wait=none initnet.firewall=deny");
    let (reason, _) = machine.boot();
    assert_eq!(reason, "nothing-to-wait-for");
    assert!(machine.policy_drops());
    // It never comes, and may still come: bounded.
    let mut machine = booting("initnet.wait=none initnet.firewall=deny");
    (machine.refused, machine.errno) = (Some("nft "), libc::ENOMEM);
    let (_, at) = machine.boot();
    assert!((1000..5000).contains(&at), "{at}");
}

#[test]
fn who_was_faster_is_no_failure() {
    let mut machine = booting("ip=eth0:dhcp initnet.firewall=deny");
    machine.late = 3;
    machine.run(1);
    assert_eq!(machine.firewall_ops().len(), 4, "{:?}", machine.done);
    assert!(machine.policy_drops());
    assert!(machine.firewall_ops()[3].0 < 10, "{:?}", machine.done);
    assert!(!machine.log.iter().any(|line| line.contains("late")));
    // For ever: then whatever is there.
    let mut machine = booting("ip=eth0:dhcp initnet.firewall=deny");
    machine.late = u32::MAX;
    machine.run(1);
    assert!(machine.policy_drops());
    assert_eq!(machine.firewall_ops().len(), 9);
}

#[test]
fn a_supervisor_keeps_what_it_finds() {
    let mut boot = booting(AWAITS);
    boot.run(1);
    let table = boot.kernel.firewall.clone();
    // The stage after, and one that knows nothing of it.
    for after_boot in [true, false] {
        let mut machine = Machine::new(AWAITS).with(Server::Grants);
        if after_boot {
            machine.core.stay_closed_meanwhile();
        }
        machine.kernel.firewall.clone_from(&table);
        machine.run(1);
        assert!(machine.firewall_ops().is_empty(), "{:?}", machine.done);
        // What somebody flushes comes back.
        machine.kernel.firewall = None;
        machine.queue.push_back(Event::Changed(Doubt::FIREWALL));
        machine.run(1);
        assert_eq!(
            machine.kernel.firewall.as_ref().map(|t| &t.table),
            table.as_ref().map(|t| &t.table)
        );
    }
    // Nothing was in force: a boot of ours would have closed it, somebody else's did not.
    let mut machine = Machine::new(AWAITS).with(Server::Grants);
    machine.core.stay_closed_meanwhile();
    machine.run(1);
    assert!(machine.policy_drops());
    let mut machine = Machine::new(AWAITS).with(Server::Grants);
    machine.run(1);
    assert!(machine.firewall_ops().is_empty());
    assert_eq!(machine.core.desired().unsaid_firewall, Unsaid::Leave);
}

#[test]
fn an_equal_table_is_not_touched_by_the_next_stage() {
    let line = "ip=eth0:dhcp initnet.firewall=deny";
    let mut boot = booting(line);
    boot.run(1);
    let mut machine = Machine::new(line).with(Server::Grants);
    machine.core.stay_closed_meanwhile();
    machine.kernel.firewall = boot.kernel.firewall.clone();
    machine.run(10);
    assert!(machine.firewall_ops().is_empty(), "{:?}", machine.done);
}

#[test]
fn who_flushes_in_a_loop_is_answered_soon() {
    let mut machine = booting("ip=eth0:dhcp initnet.firewall=deny");
    machine.rival = Some(|kernel| kernel.firewall = None);
    machine.run(1);
    // Links are not held up for ever.
    assert!(machine.first(UP).is_some(), "{:?}", machine.done);
    let ops = machine.firewall_ops();
    let gap = ops.windows(2).map(|pair| pair[1].0 - pair[0].0).max();
    assert!(gap <= Some(21), "{gap:?}");
    assert!((40..2000).contains(&ops.len()), "{}", ops.len());
    let told = machine
        .log
        .iter()
        .filter(|line| line.contains("keeps undoing"));
    assert_eq!(told.count(), 1, "{:?}", machine.log);
}

/// A boot whose machine config by URL is answered with `answer`, after the time in which that is final.
fn answered(line: &str, answer: &'static str) -> Machine {
    let mut machine = booting(line);
    machine.peer = Peer::Answers(answer);
    machine.run(200);
    machine
}

#[test]
fn a_named_config_that_does_not_come_is_not_known() {
    for answer in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        // No machine config, whatever the server says.
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n#cloud-config\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>",
    ] {
        let mut machine = answered(AWAITS, answer);
        assert!(machine.policy_drops(), "{answer}: {:?}", machine.done);
        let told = |line: &&String| line.contains("initnet.config") || line.contains("10.0.0.9/c");
        let told: Vec<_> = machine.log.iter().filter(told).collect();
        assert_eq!(told.len(), 1, "{answer}: {told:?}");
        // The server has it by now.
        machine.peer = Peer::Answers("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n---");
        if !answer.contains("html") {
            assert_eq!(machine.core.closed_for(), ["initnet.config"], "{answer}");
            machine.run(400);
            assert!(machine.kernel.firewall.is_none(), "{:?}", machine.log);
        }
    }
    // Somebody else has a word.
    let line = format!("{AWAITS} initnet.firewall=accept");
    let machine = answered(&line, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert!(machine.kernel.firewall.is_none());
}

#[test]
fn a_fight_over_something_else_does_not_leave_it_open() {
    let mut machine =
        booting("ip=10.9.0.2::10.9.0.1:24:web:eth0:none nameserver=10.9.0.1 initnet.firewall=deny");
    machine.run(1);
    // For each address of ours that goes, another one comes: nothing is repeated, and everything rests after a while.
    machine.rival = Some(|kernel| {
        let count = kernel.generation.unwrap_or(0) + 1;
        kernel.generation = Some(count);
        let mut address = kernel.addresses[0].clone();
        let other = core::net::Ipv4Addr::from_bits(0x0a0a_0000 + count);
        address.address = format!("{other}/24").parse().unwrap();
        kernel.addresses.push(address);
    });
    machine.kernel.addresses.clear();
    machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
    let mut paused = 0;
    for _ in 0..400 {
        machine.run_until(machine.now + Duration::from_millis(37), |_| false);
        let pause = machine.core.looks.not_before();
        let rests = pause > machine.now + Duration::from_millis(5);
        paused += u32::from(rests);
        let ops = machine.done.len();
        machine.kernel.firewall = None;
        machine.queue.push_back(Event::Changed(Doubt::FIREWALL));
        machine.run_until(machine.now + Duration::from_millis(5), |_| false);
        assert!(machine.policy_drops(), "{:?}", machine.done.last());
        // The rest rests.
        if rests {
            let done: Vec<_> = machine.done.iter().skip(ops).collect();
            assert_eq!(done.len(), 1, "{done:?}");
        }
    }
    assert!(paused > 10, "{paused}");
}

#[test]
fn nf_tables_is_asked_only_where_it_is_used() {
    let asked = |machine: &Machine| {
        let looks = machine.looks.iter();
        looks.filter(|doubt| doubt.has(Doubt::FIREWALL)).count()
    };
    let everything = |machine: &mut Machine| {
        machine.queue.push_back(Event::Changed(Doubt::EVERYTHING));
        machine.run(1);
    };
    let line = "ip=10.9.0.2::10.9.0.1:24:web:eth0:none";
    let mut machine = Machine::new(line);
    machine.run(1);
    assert_eq!(asked(&machine), 1, "the first look");
    everything(&mut machine);
    assert_eq!(asked(&machine), 1, "{:?}", machine.looks);
    // One of ours that is to go, and has gone.
    let mut boot = booting("ip=eth0:dhcp initnet.firewall=deny");
    boot.run(1);
    let mut machine = Machine::new(line);
    machine.kernel.firewall = boot.kernel.firewall.clone();
    machine.run(1);
    assert!(machine.kernel.firewall.is_none());
    let before = asked(&machine);
    everything(&mut machine);
    assert_eq!(asked(&machine), before);
    // It is wanted.
    let before = asked(&boot);
    everything(&mut boot);
    assert_eq!(asked(&boot), before + 1);
}

/// One rule that a kernel may refuse: by its log.
const LOGGED: &str = "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n---\n\
     apiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: web\nlog: {prefix: web}\n\
     portSelector: {ports: [80], protocol: tcp}\ningress: [{subnet: 10.0.0.0/8}]\n";

/// A machine with DHCP and `config`, on a kernel without `nft_log`.
fn logged(config: &str) -> Machine {
    let mut machine = Machine::new("").with(Server::Grants);
    let (line, _) = cmdline::parse("ip=eth0:dhcp", "test");
    let (config, faults) = crate::config::machine::parse(config, "c.yaml");
    assert!(faults.is_empty(), "{faults:?}");
    machine.core = Core::new(
        vec![line, config],
        SavedLeases::default(),
        Rng::new(1),
        START,
    );
    machine.core.close_meanwhile();
    (machine.refused_rule, machine.errno) = (Some("log prefix"), libc::EINVAL);
    machine
}

fn missing(machine: &Machine) -> Vec<String> {
    let missing = machine.core.readiness().missing.into_iter();
    missing.filter(|line| line.contains("firewall")).collect()
}

#[test]
fn the_base_set_stands_in_for_what_the_kernel_refuses() {
    let mut machine = logged(LOGGED);
    machine.run(1);
    assert!(machine.policy_drops(), "{:?}", machine.done);
    let text = |machine: &Machine| machine.kernel.firewall.clone().unwrap().table.to_string();
    assert!(!text(&machine).contains("web"));
    assert!(machine.first(UP).is_some());
    let last = machine
        .done
        .iter()
        .rposition(|(_, op)| op.starts_with("nft "));
    assert!(last < machine.first(UP), "{:?}", machine.done);
    let why = "firewall: refused, the base set stands in: refused";
    assert_eq!(missing(&machine), [why]);
    assert!(!machine.core.firewall_is_in_force());
    assert_eq!(
        machine.log.iter().filter(|line| line.contains(why)).count(),
        1
    );
    // Who flushes it does not open the machine.
    machine.kernel.firewall = None;
    machine.queue.push_back(Event::Changed(Doubt::FIREWALL));
    machine.run(1);
    assert!(machine.policy_drops());
    // It is tried again, seldom, and told no more.
    let tried = machine.firewall_ops().len();
    machine.run(600);
    assert_eq!(machine.firewall_ops().len(), tried + 10);
    assert_eq!(
        machine.log.iter().filter(|line| line.contains(why)).count(),
        1
    );
    // By now there is a log.
    machine.refused_rule = None;
    machine.queue.push_back(Event::ModulesLoaded);
    machine.run(1);
    assert!(text(&machine).contains("log prefix"), "{:?}", machine.done);
    assert!(missing(&machine).is_empty());
    assert!(machine.core.firewall_is_in_force());
}

#[test]
fn what_was_accepted_last_stands_in_for_what_the_kernel_refuses() {
    let before = LOGGED.replace("log: {prefix: web}\n", "");
    let mut machine = logged(&before);
    machine.run(1);
    let brought = machine.kernel.firewall.clone();
    let there = brought.clone().unwrap().table;
    assert!(there.to_string().contains("web"));
    let documents = |config: &str| {
        let (line, _) = cmdline::parse("ip=eth0:dhcp", "test");
        vec![line, crate::config::machine::parse(config, "c.yaml").0]
    };
    let event = Event::Documents(documents(LOGGED), Vec::new());
    machine.queue.push_back(event);
    for _ in 0..2 {
        machine.run(1);
        let now = machine.kernel.firewall.clone().unwrap().table;
        assert_eq!(now, there, "{:?}", machine.done);
        let why = "firewall: refused, the one before stays in force: refused";
        assert_eq!(missing(&machine), [why]);
        machine.kernel.firewall = None;
        machine.queue.push_back(Event::Changed(Doubt::FIREWALL));
    }
    machine.run(1);
    // The plan says what is wanted.
    machine.queue.push_back(Event::Request {
        id: 1,
        request: Request::Plan,
    });
    machine.run(1);
    let reply = format!("{:?}", machine.replies.last());
    assert!(reply.contains("log prefix"), "{reply}");
    // Another config is tried at once.
    let other = before.replace("[80]", "[81]");
    let event = Event::Documents(documents(&other), Vec::new());
    machine.queue.push_back(event);
    machine.run(1);
    let now = machine.kernel.firewall.clone().unwrap().table;
    assert!(now.to_string().contains("dport 81"), "{now}");
    assert!(missing(&machine).is_empty());
    // A supervisor that finds the table of the stage before.
    let mut machine = logged(LOGGED);
    machine.core.stay_closed_meanwhile();
    machine.kernel.firewall = brought;
    machine.run(1);
    assert_eq!(machine.kernel.firewall.clone().unwrap().table, there);
}

#[test]
fn only_where_nothing_can_be_in_force_links_open_without() {
    let mut machine = logged(LOGGED);
    machine.refused_rule = Some("table");
    machine.run(1);
    assert!(machine.kernel.firewall.is_none());
    assert!(machine.first(UP).is_some(), "{:?}", machine.done);
    assert_eq!(missing(&machine), ["firewall: not in force: refused"]);
    // Nothing stands in for a firewall that lets in by default.
    let mut machine = logged(
        &LOGGED
            .replace("block", "accept")
            .replace("log:", "action: drop\nlog:"),
    );
    machine.run(1);
    assert!(machine.kernel.firewall.is_none());
    assert!(machine.first(UP).is_some(), "{:?}", machine.done);
    assert_eq!(missing(&machine), ["firewall: not in force: refused"]);
}

#[test]
fn modules_are_waited_for_only_where_they_are_missing_and_not_for_ever() {
    // Something else loads for ever: the batch goes at once.
    let mut machine = logged(LOGGED);
    machine.core.set_drivers_loading(true);
    (machine.loads, machine.refused_rule) = (false, None);
    machine.run(1);
    assert!(machine.core.firewall_is_in_force());
    assert!(machine.first(UP).is_some(), "{:?}", machine.done);
    // It comes after a while: soon after it is in force.
    let mut machine = logged(LOGGED);
    (machine.loads, machine.errno) = (false, libc::ENOENT);
    machine.run(2);
    assert_eq!(machine.first(UP), None, "{:?}", machine.done);
    assert!(machine.kernel.firewall.is_none());
    machine.refused_rule = None;
    machine.run_until(machine.now + Duration::from_millis(110), |_| false);
    assert!(machine.core.firewall_is_in_force(), "{:?}", machine.done);
    assert!(!machine.log.iter().any(|line| line.contains("refused")));
    // Loading ends, and it has not come.
    let mut machine = logged(LOGGED);
    (machine.loads, machine.errno) = (false, libc::ENOENT);
    machine.run(1);
    machine.queue.push_back(Event::ModulesLoaded);
    machine.run_until(machine.now + Duration::from_millis(50), |_| false);
    assert!(machine.policy_drops(), "{:?}", machine.done);
    assert!(machine.first(UP).is_some());
    // It never ends: what stands in, and where that cannot be either, nothing.
    for rule in ["log prefix", "table"] {
        let mut machine = logged(LOGGED);
        (machine.loads, machine.errno) = (false, libc::ENOENT);
        machine.refused_rule = Some(rule);
        machine.run(9);
        assert_eq!(machine.first(UP), None, "{:?}", machine.done);
        machine.run(2);
        assert!(machine.first(UP).is_some(), "{:?}", machine.done);
        assert_eq!(machine.policy_drops(), rule != "table");
        assert_eq!(missing(&machine).len(), 1, "{:?}", missing(&machine));
    }
}
