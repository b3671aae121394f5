//! Conversations with the folders below `tests/platforms/`, and what a document says in one line a value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::platform::{Answer, Ask, Bodies, Medium, Parsed, Provider, Session};
use crate::config::{Document, KindConfig, LinkRef};
use crate::state::LinkStatus;

/// Where the answers of a case are.
pub fn folder(case: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/platforms");
    let folder = root.join(case).join("metadata");
    assert!(folder.is_dir(), "{folder:?}");
    folder
}

/// The links of the machine of a case: what `init-net get links -o json` printed there.
pub fn links(case: &str) -> BTreeMap<u32, LinkStatus> {
    let text = std::fs::read(folder(case).with_file_name("observed.json")).unwrap();
    let links: Vec<LinkStatus> = serde_json::from_slice(&text).unwrap();
    links.into_iter().map(|link| (link.index, link)).collect()
}

/// Every case of `platform`.
pub fn cases(platform: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/platforms");
    let entries = std::fs::read_dir(root.join(platform)).into_iter().flatten();
    let folders = entries.map(|entry| entry.unwrap());
    let whole = folders.filter(|folder| folder.path().join("observed.json").exists());
    let names = whole.map(|folder| folder.file_name().into_string().unwrap());
    let mut cases: Vec<String> = names.map(|name| format!("{platform}/{name}")).collect();
    cases.sort();
    cases
}

/// The answer to `ask` from `folder`.
pub fn answer(folder: &Path, ask: &Ask) -> Answer {
    let path = ask.path.split('?').next().unwrap();
    let path = folder.join(path.trim_start_matches("http://").trim_matches('/'));
    if path.is_dir() && !path.join("index").exists() {
        let entries = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap());
        let mut lines: Vec<String> = entries
            .map(|entry| {
                let slash = if entry.path().is_dir() { "/" } else { "" };
                format!("{}{slash}\n", entry.file_name().into_string().unwrap())
            })
            .collect();
        lines.sort();
        return Answer::Body(lines.concat().into_bytes());
    }
    let file = if path.is_dir() {
        path.join("index")
    } else {
        path
    };
    std::fs::read(file).map_or(Answer::Status(404), Answer::Body)
}

/// What the media of `provider` say.
pub fn media(provider: &dyn Provider, folder: &Path) -> Bodies {
    let below = |root: &str, names: &[&str]| {
        let keys = names.iter().map(|name| format!("{root}{name}"));
        keys.collect::<Vec<String>>()
    };
    let keys = provider.media().iter().flat_map(|medium| match medium {
        Medium::Volume(volume) => below("", volume.files),
        Medium::SmbiosSerial => below("", &[Medium::SMBIOS_SERIAL]),
        Medium::FirmwareConfig { files, .. } => below("fw_cfg/", files),
        Medium::GuestInfo(names) => below("guestinfo/", names),
        Medium::Files(paths) => paths
            .iter()
            .map(|path| path.trim_start_matches('/').to_owned())
            .collect(),
        Medium::Environment(names) => below("env/", names),
        Medium::OemStrings(_) => Vec::new(),
    });
    let bodies = keys.filter_map(|key| Some((key.clone(), std::fs::read(folder.join(key)).ok()?)));
    bodies.collect()
}

/// All bodies that a conversation with a case comes to, and the requests in order.
pub fn converse(provider: &'static dyn Provider, case: &str) -> (Bodies, Vec<Ask>) {
    let folder = folder(case);
    let mut session = Session::new(provider, media(provider, &folder));
    let mut all = Vec::new();
    loop {
        let asks = session.asks();
        if asks.is_empty() {
            return (session.bodies(), all);
        }
        for ask in asks {
            session.respond(&ask.key, answer(&folder, &ask));
            all.push(ask);
        }
        assert!(all.len() < 500, "{all:?}");
    }
}

/// What a case says.
pub fn parsed(provider: &'static dyn Provider, case: &str) -> Parsed {
    provider.parse(&converse(provider, case).0)
}

/// The faults and, one line a value, the document of a case.
#[track_caller]
pub fn check(provider: &'static dyn Provider, case: &str, user_data: &str, expect: &[&str]) {
    check_parsed(&parsed(provider, case), user_data, expect);
}

/// The same of bodies at hand.
#[track_caller]
pub fn check_bodies(
    provider: &'static dyn Provider,
    bodies: &[(&str, &str)],
    user_data: &str,
    expect: &[&str],
) {
    let bodies = bodies.iter();
    let bodies = bodies.map(|(key, body)| ((*key).to_owned(), body.as_bytes().to_vec()));
    check_parsed(&provider.parse(&bodies.collect()), user_data, expect);
}

#[track_caller]
fn check_parsed(parsed: &Parsed, user_data: &str, expect: &[&str]) {
    let faults = parsed.diagnostics.iter();
    let mut found: Vec<String> = faults.map(|fault| format!("! {}", fault.message)).collect();
    found.extend(lines(&parsed.document));
    assert_eq!(found, expect, "{found:#?}");
    assert_eq!(format!("{:?}", parsed.user_data), user_data);
}

fn short(link: &LinkRef) -> String {
    match link {
        LinkRef::Mac(mac) => mac.to_string(),
        LinkRef::Name(name) => name.to_string(),
        LinkRef::Vlan { parent, id } => format!("{}.{id}", short(parent)),
        LinkRef::Selector(selector) => format!(
            "{}/{}",
            selector.hardware_addr.as_deref().unwrap_or("*"),
            selector.driver.as_deref().unwrap_or("*")
        ),
        other => format!("{other:?}"),
    }
}

fn word<T: ToString>(before: &str, value: Option<T>) -> String {
    value.map_or_else(String::new, |value| {
        format!(" {before} {}", value.to_string())
    })
}

/// The document, one line a value; `platform` is left out.
pub fn lines(document: &Document) -> Vec<String> {
    let mut out = Vec::new();
    for config in &document.links {
        let kind = match &config.kind {
            Some(KindConfig::Bond {
                members, options, ..
            }) => {
                let members: Vec<String> = members.iter().map(short).collect();
                let mode = options.mode.map(|mode| mode.to_string());
                format!(" {} of {}", mode.unwrap_or_default(), members.join(" "))
            }
            Some(KindConfig::Vlan { parent, id, .. }) => {
                let mac = word("as", config.mac);
                format!(" {id} on {}{mac}", short(parent))
            }
            Some(other) => format!(" {other:?}"),
            None => String::new(),
        };
        let mtu = word("mtu", config.mtu.map(|mtu| mtu.bytes()));
        out.push(format!("{}{kind}{mtu}", short(&config.link)));
    }
    for config in &document.addresses {
        out.push(format!("{} has {}", short(&config.link), config.address));
    }
    for config in &document.routes {
        let to = config
            .destination
            .map_or("all".to_owned(), |to| to.to_string());
        let link = config.link.as_ref().map(short).unwrap_or_default();
        let table = word("table", config.table.map(|table| table.id()));
        let metric = word("metric", config.metric);
        out.push(format!(
            "{link} to {to}{}{metric}{table}",
            word("via", config.gateway)
        ));
    }
    for config in &document.rules {
        let from = config.src.map(|from| from.to_string()).unwrap_or_default();
        let table = word("table", config.table.map(|table| table.id()));
        out.push(format!("rule {} from {from}{table}", config.priority));
    }
    for config in &document.operators {
        let metric = word("metric", config.metric);
        out.push(format!(
            "{} runs {:?}{metric}{}",
            short(&config.link),
            config.method,
            word("table", config.table.map(|table| table.id()))
        ));
    }
    out.extend(
        document
            .hostnames
            .iter()
            .map(|said| format!("hostname {}", said.value)),
    );
    out.extend(
        document
            .nameservers
            .iter()
            .map(|said| format!("dns {}", said.value)),
    );
    let domains = document.search_domains.iter().flatten();
    out.extend(domains.map(|said| format!("search {}", said.value)));
    out.extend(
        document
            .time_servers
            .iter()
            .map(|said| format!("ntp {}", said.value)),
    );
    out.extend(
        document
            .external_ips
            .iter()
            .map(|said| format!("external {}", said.value)),
    );
    let facts = document
        .metadata
        .iter()
        .filter(|(key, _)| *key != "platform" && *key != "hostname");
    out.extend(facts.map(|(key, value)| format!("{key}={value}")));
    out.extend(
        document
            .tags
            .iter()
            .map(|(key, value)| format!("tag {key}={value}")),
    );
    out
}
