//! Shared addresses that an API moves: two machines that elect among themselves, and a mock of each API.

mod faults;
mod life;
mod secure;

use std::fs;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use qemu::peer::VipApi;
use qemu::peer::vipapi::TOKEN;
use qemu::vip::Station;

use super::super::machine::PATIENCE;
use super::ours::{LINK, Ours};
use super::stage::Stage;

/// An address that can be moved: of no network that is here.
const FLOATING: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 100));

/// One more, which is nobody's business here.
const UNUSED: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

/// An alias of a server that has nothing to do with ours.
const fn alias(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 56, 7, number))
}

/// How long an action of the API takes.
const ACTION: Duration = Duration::from_millis(300);

/// The number of the station with the API.
const API: u8 = 9;

/// Who moves an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    /// Hetzner Cloud: an alias where the address is private, or else a floating address.
    HCloud,
    Equinix,
    DigitalOcean,
    Hook,
}

/// Where the API is, and who says that it is the one.
struct Place {
    base: String,
    ca: Option<String>,
}

impl Place {
    /// Without TLS.
    fn plain() -> Self {
        Self {
            base: format!("http://10.56.0.{API}"),
            ca: None,
        }
    }
}

impl Provider {
    /// What the lines of its requests that read begin with.
    const fn reads(self) -> &'static str {
        match self {
            Self::HCloud => "GET /v1",
            Self::Equinix => "GET /metal",
            Self::DigitalOcean => "GET /v2",
            Self::Hook => "GET /hook",
        }
    }

    /// The document of an address; `options` are keys of all providers.
    fn document(self, vip: IpAddr, place: &Place, options: &[String]) -> String {
        let base = &place.base;
        let metadata = Place::plain().base;
        let api = |endpoint: &str, metadata: &str| {
            vec![
                format!("apiToken: {TOKEN}"),
                format!("endpoint: {endpoint}"),
                format!("metadataEndpoint: {metadata}"),
            ]
        };
        let call = |verb: &str, method: &str, rest: &str| {
            format!(
                "{verb}: {{method: {method}, headers: {{Authorization: Bearer {TOKEN}}}, url: '{base}/hook/${{ip}}{rest}}}"
            )
        };
        let (kind, mut keys) = match self {
            Self::HCloud => {
                let metadata = format!("{metadata}/hetzner/v1/metadata");
                ("HCloudVIPConfig", api(&format!("{base}/v1"), &metadata))
            }
            Self::Equinix => ("", api(&format!("{base}/metal/v1"), &metadata)),
            Self::DigitalOcean => {
                let metadata = format!("{metadata}/metadata/v1");
                (
                    "DigitalOceanVIPConfig",
                    api(&format!("{base}/v2"), &metadata),
                )
            }
            Self::Hook => {
                let body = r#"', body: '{"host": "${hostname}", "mac": "${mac}"}'"#;
                let calls = vec![
                    call("acquire", "POST", body),
                    call("status", "GET", "?host=${hostname}'"),
                    call("release", "DELETE", "?host=${hostname}'"),
                ];
                ("HTTPVIPConfig", calls)
            }
        };
        // A text in JSON is one in YAML.
        let ca = place
            .ca
            .iter()
            .map(|ca| serde_json::Value::from(ca.as_str()));
        keys.extend(ca.map(|ca| format!("ca: {ca}")));
        if self == Self::Equinix {
            let (api, options) = (keys.join(", "), options.join(", "));
            return format!(
                "machine:\n  type: controlplane\n  network:\n    interfaces:\n    - interface: {LINK}\n      \
                 vip: {{ip: {vip}, equinixMetal: {{{api}}}, {options}}}\n"
            );
        }
        keys.extend_from_slice(options);
        let keys = keys.join("\n");
        format!("apiVersion: v1alpha1\nkind: {kind}\nname: {vip}\nlink: {LINK}\n{keys}\n")
    }

    /// What machine 2 or 3 is told.
    fn config(self, number: u8, vips: &[IpAddr], place: &Place) -> String {
        let mut text = format!(
            "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: ours-{number}\n---\n\
             apiVersion: v1alpha1\nkind: LinkConfig\nname: {LINK}\naddresses: [{{address: 10.56.0.{number}/24}}]\n"
        );
        for (index, vip) in vips.iter().enumerate() {
            let options = [
                format!("peers: [10.56.0.{}]", 5 - number),
                format!("vrid: {}", 60 + index),
                "advertInterval: 1s".into(),
                "takeoverGuard: 0s".into(),
            ];
            text.push_str("---\n");
            text.push_str(&self.document(*vip, place, &options));
        }
        text
    }
}

/// The API with two servers, of which each has an alias, and a third which has nothing to do with them.
fn api(stage: &Stage, station: &Station) -> VipApi {
    let address = format!("{}:80", station.v4());
    let api = VipApi::start(&stage.lab, &station.namespace, &address, ACTION).unwrap();
    for number in [2, 3, 4] {
        api.server(
            number.into(),
            Ipv4Addr::new(10, 56, 0, number),
            &[alias(number)],
        );
    }
    api.address(UNUSED);
    api.address(FLOATING);
    api
}

/// Begins again with what it was told when it booted.
fn restart(ours: &Ours) {
    ours.on(|machine| {
        let ran = machine.run(&["boot", "--hook", "--cmdline", "initnet.wait=local"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        machine.answers();
    });
}

/// Waits for something of the API, or of a machine.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = qemu::Deadline::after(PATIENCE);
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) => assert!(deadline.remaining().is_some(), "no {what}: {last}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until `get vips` gives a reason with these words.
#[track_caller]
fn until_reason(ours: &Ours, vip: IpAddr, words: &[&str], what: &str) {
    until("reason", || {
        let status = ours.status(vip);
        let reason = status["reason"].as_str().unwrap_or_default();
        match words.iter().all(|word| reason.contains(word)) {
            true => Ok(()),
            false => Err(format!("{what}: {words:?} are not in {status}")),
        }
    });
}

/// Nothing that others have was lost.
#[track_caller]
fn assert_nothing_lost(api: &VipApi) {
    for number in [2, 3, 4] {
        let all = api.aliases(number.into());
        assert!(
            all.contains(&alias(number)),
            "{number}: {all:?}\n{:#?}",
            api.log().lines()
        );
    }
    assert!(api.has_address(UNUSED) && api.has_address(FLOATING));
}

/// The token is in nothing that people are shown, and in no file that others may read.
#[track_caller]
fn assert_no_secret(ours: &Ours, vip: IpAddr) {
    ours.on(move |machine| {
        let id = format!("{LINK}/{vip}");
        let shown: [&[&str]; 7] = [
            &["get", "vips", "-o", "json"],
            &["get", "vipspecs", "-o", "json"],
            &["get", "events", "-o", "json"],
            &["get", "status", "-o", "json"],
            &["explain", &id],
            &["compile"],
            &["metrics"],
        ];
        for arguments in shown {
            let ran = machine.run(arguments);
            assert!(!ran.output.is_empty(), "{arguments:?}: {}", ran.errors);
            for text in [&ran.output, &ran.errors] {
                assert!(!text.contains(TOKEN), "{arguments:?}: {text}");
            }
        }
        assert!(!machine.log().contains(TOKEN), "{}", machine.log());
        for file in fs::read_dir("/run/init-net").unwrap() {
            let path = file.unwrap().path();
            let Ok(bytes) = fs::read(&path) else { continue };
            let has_it = String::from_utf8_lossy(&bytes).contains(TOKEN);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert!(!has_it || mode & 0o077 == 0, "{}: {mode:o}", path.display());
        }
    });
}
