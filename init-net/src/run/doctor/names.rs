//! DNS: is there a resolver, is the file ours, and does each server answer?

use super::finding::Finding;
use super::probe::ServerAnswer;
use super::scene::Scene;
use crate::proto::dns::Verdict;
use crate::state::MAX_NAMESERVERS;

/// The C library before glibc 2.26 reads no more domains of a search list, and musl no more than [`SEARCH_BYTES`].
const SEARCH_DOMAINS: usize = 6;

/// The longest search list that all of them read, bytes (resolv.conf(5)).
const SEARCH_BYTES: usize = 256;

pub fn fine(scene: &Scene) -> String {
    let working = scene.answers.servers.iter();
    let working: Vec<String> = working.map(|server| server.address.to_string()).collect();
    match working.len() {
        0 => "no name server is declared".into(),
        _ => format!("answers come from {}", working.join(", ")),
    }
}

pub fn judge(scene: &Scene) -> Vec<Finding> {
    let mut found: Vec<Finding> = file(scene).into_iter().collect();
    found.extend(search(scene));
    let all = &scene.answers.servers;
    let works = |answer: &ServerAnswer| matches!(answer, ServerAnswer::Answered(Verdict::Works));
    let some_work = all.iter().any(|server| works(&server.answer));
    for server in all {
        found.extend(trouble(&server.answer, some_work).map(|finding| Finding {
            id: server.address.to_string(),
            ..finding
        }));
    }
    found
}

fn file(scene: &Scene) -> Option<Finding> {
    const PATH: &str = "/etc/resolv.conf";
    let conf = &scene.resolv_conf;
    let wanted = scene.wanted.resolvers.first();
    let wanted = wanted.filter(|resolver| !resolver.name_servers.is_empty());
    match (&conf.text, &conf.link) {
        (None, Some(target)) => {
            return Some(
                Finding::error(
                    PATH,
                    format!("leads to {}, which is not there", target.display()),
                )
                .why("names cannot be looked up: the service that writes it does not run")
                .fix("ln -sf /run/init-net/resolv.conf /etc/resolv.conf"),
            );
        }
        (None, None) if wanted.is_some() => {
            return Some(
                Finding::error(PATH, "is not there")
                    .why("names cannot be looked up, although name servers are known")
                    .fix("init-net apply; is /etc read-only and without that file?"),
            );
        }
        _ => {}
    }
    let servers = conf.servers();
    let Some(wanted) = wanted else {
        return servers.is_empty().then(|| {
            Finding::warning(PATH, "no name server is known")
                .why("names cannot be looked up: no source names one, and no lease brought one")
                .fix("nameserver=192.0.2.53, or nameservers: in a ResolverConfig")
        });
    };
    let expected = wanted.name_servers.iter().take(MAX_NAMESERVERS);
    if servers.iter().eq(expected.clone()) {
        return None;
    }
    let list = |servers: Vec<String>| match servers.len() {
        0 => "none".to_owned(),
        _ => servers.join(", "),
    };
    let expected = list(expected.map(ToString::to_string).collect());
    let there = list(servers.iter().map(ToString::to_string).collect());
    let who = match &conf.link {
        Some(target) => format!("it leads to {}, a file of somebody else", target.display()),
        None => "somebody else wrote it".to_owned(),
    };
    Some(
        Finding::warning(PATH, format!("names {there}, declared: {expected}"))
            .why(who)
            .fix("ln -sf /run/init-net/resolv.conf /etc/resolv.conf, and stop who wrote it"),
    )
}

fn search(scene: &Scene) -> Option<Finding> {
    let list = scene.resolv_conf.search();
    let bytes = list.iter().map(|domain| domain.len() + 1).sum::<usize>();
    if list.len() <= SEARCH_DOMAINS && bytes <= SEARCH_BYTES {
        return None;
    }
    Some(
        Finding::warning(
            "/etc/resolv.conf",
            format!("a search list of {} domains, {bytes} bytes", list.len()),
        )
        .why(format!(
            "some C libraries read {SEARCH_DOMAINS} domains or {SEARCH_BYTES} bytes, and no more"
        ))
        .fix("searchDomains: with those that are needed"),
    )
}

/// What is wrong with a server; the finding has no id yet. One of several that fails costs time, not names.
fn trouble(answer: &ServerAnswer, some_work: bool) -> Option<Finding> {
    let bad = |problem: &str| Finding::error_if(!some_work, "", problem);
    Some(match answer {
        ServerAnswer::Answered(Verdict::Works) => return None,
        ServerAnswer::Answered(Verdict::Fails) => bad("the name server answers SERVFAIL")
            .why("it is there, and cannot resolve: its own upstream, or DNSSEC and its clock")
            .fix("look at that server, or name another one"),
        ServerAnswer::Answered(Verdict::Refuses) => {
            Finding::warning("", "the name server refuses to resolve")
                .why("it serves its own zones alone, or other clients than this one")
                .fix("name a server that resolves for this network")
        }
        ServerAnswer::Silent => bad("the name server does not answer within 2 s")
            .why("each look-up waits 5 s for it first (resolv.conf(5), timeout)")
            .fix("is it on, is UDP port 53 open on the way, is its address right?"),
        ServerAnswer::Closed => bad("nothing listens on port 53 of the name server")
            .why("the host is there and says so (ICMP port unreachable)")
            .fix("start the service there, or name another server"),
        ServerAnswer::NoWay(error) => bad("there is no way to the name server")
            .why(error.clone())
            .fix("see routes"),
    })
}
