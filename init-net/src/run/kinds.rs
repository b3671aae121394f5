//! The KINDs of `get` (DESIGN §4) and what else people call them.

use crate::config::nearest::nearest;

/// Each kind with its other names: singular, and those that people know from Talos Linux. Lower case.
const KINDS: &[(&str, &[&str])] = &[
    ("links", &["link", "linkstatus", "linkstatuses"]),
    ("linkspecs", &["linkspec"]),
    (
        "addresses",
        &["address", "addressstatus", "addressstatuses"],
    ),
    ("addressspecs", &["addressspec"]),
    ("routes", &["route", "routestatus", "routestatuses"]),
    ("routespecs", &["routespec"]),
    (
        "rules",
        &["rule", "routingrules", "routingrule", "routingrulestatuses"],
    ),
    (
        "rulespecs",
        &["rulespec", "routingrulespecs", "routingrulespec"],
    ),
    ("neighbors", &["neighbor", "neighbours", "neighbour"]),
    (
        "ethernet",
        &["ethtool", "ethernetstatus", "ethernetstatuses"],
    ),
    ("ethernetspecs", &["ethernetspec"]),
    ("aliases", &["alias", "linkaliases", "linkalias"]),
    (
        "aliasspecs",
        &["aliasspec", "linkaliasspecs", "linkaliasspec"],
    ),
    ("sysctls", &["sysctl"]),
    ("sysctlspecs", &["sysctlspec"]),
    (
        "hostname",
        &["hostnames", "hostnamestatus", "hostnamestatuses"],
    ),
    ("hostnamespecs", &["hostnamespec"]),
    (
        "resolvers",
        &["resolver", "resolverstatus", "resolverstatuses"],
    ),
    ("resolverspecs", &["resolverspec"]),
    (
        "timeservers",
        &["timeserver", "timeserverstatus", "timeserverstatuses"],
    ),
    ("timeserverspecs", &["timeserverspec"]),
    ("hosts", &["host"]),
    ("hostspecs", &["hostspec", "statichosts", "statichost"]),
    ("nodeaddresses", &["nodeaddress"]),
    ("nodeaddressfilters", &["nodeaddressfilter"]),
    ("operators", &["operator"]),
    ("operatorspecs", &["operatorspec"]),
    ("leases", &["lease"]),
    ("vips", &["vip"]),
    ("vipspecs", &["vipspec"]),
    ("probes", &["probe", "probestatus", "probestatuses"]),
    ("probespecs", &["probespec"]),
    (
        "firewall",
        &["chains", "chain", "nftableschains", "nftableschain"],
    ),
    ("firewallspecs", &["firewallspec"]),
    ("status", &["netstatus", "networkstatus", "statuses"]),
    ("metadata", &["platformmetadata", "platformmetadatas"]),
    ("externalips", &["externalip"]),
    ("events", &["event"]),
];

/// Of a name that is none so much is shown, characters.
const MAX_SHOWN: usize = 40;

/// All kinds, by their first names.
pub fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

/// The kind that `text` names, in upper or lower case. Else what was probably meant, for people.
pub fn resolve(text: &str) -> Result<&'static str, String> {
    let folded = text.to_ascii_lowercase();
    let known = KINDS
        .iter()
        .find(|(name, others)| *name == folded || others.contains(&folded.as_str()));
    if let Some((name, _)) = known {
        return Ok(name);
    }
    // First names first: of two that are as near, that one is told.
    let others = KINDS.iter().flat_map(|(_, others)| *others).copied();
    let text: String = text.escape_debug().take(MAX_SHOWN).collect();
    Err(match nearest(&folded, names().chain(others)) {
        Some(near) => format!("no such kind: {text}; did you mean {near}?"),
        None => format!("no such kind: {text}"),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, &str>) {
        assert_eq!(resolve(text), expect.map_err(str::to_owned));
    }

    #[test]
    fn names_singulars_and_typos() {
        check("links", Ok("links"));
        check("Link", Ok("links"));
        check("externalIPs", Ok("externalips"));
        check("LinkStatuses", Ok("links"));
        check("netstatus", Ok("status"));
        check("neighbours", Ok("neighbors"));
        check(
            "adresses",
            Err("no such kind: adresses; did you mean addresses?"),
        );
        check("rout", Err("no such kind: rout; did you mean route?"));
        check("nonsense", Err("no such kind: nonsense"));
    }

    #[test]
    fn every_name_means_one_kind() {
        let mut seen = BTreeSet::new();
        for (name, others) in KINDS {
            for name in others.iter().chain([name]) {
                assert!(seen.insert(*name), "{name}");
                assert_eq!(*name, name.to_ascii_lowercase());
            }
        }
    }
}
