//! NoCloud: the serial number of the machine, the kernel command line, the firmware configuration, a volume, a URL.
//!
//! cloud-init, "NoCloud". The first of them that says something is the one: `h` and `i` of the serial number and of the
//! command line count beside any.

use super::cidata::{self, FILES, META_DATA};
use super::facts::Facts;
use super::media::Medium;
use super::{Answer, Answers, Ask, Bodies, Known, Parsed, Provider};

/// The provider.
pub struct Nocloud;

/// What stands behind `ds=` on the kernel command line.
const CMDLINE: &str = "cmdline-ds";

/// Keys of what is fetched; not those of the volume, before which it stands.
const SEED: &str = "seed/";

/// Keys of what the firmware hands over.
const FIRMWARE: &str = "fw_cfg/";

/// Longest text of a serial number or argument that is read, bytes.
const MAX_TEXT: usize = 4096;

/// `ds=nocloud;s=http://…;h=node7;i=i-42`, in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Given<'t> {
    /// `s` or `seedfrom`.
    seed: Option<&'t str>,
    /// `h`.
    hostname: Option<&'t str>,
    /// `i`.
    id: Option<&'t str>,
}

impl<'t> Given<'t> {
    /// A serial number, or what stands behind `ds=`. `None`: it speaks of something else.
    fn read(body: &'t [u8]) -> Option<Self> {
        let text = core::str::from_utf8(body.get(..MAX_TEXT).unwrap_or(body)).ok()?;
        // A serial number may have a number before it.
        let begin = text.find("ds=nocloud").unwrap_or(0);
        let text = text.get(begin..)?;
        let mut given = Self::default();
        let mut ours = false;
        for piece in text.split(';').map(str::trim) {
            // A word alone is what stood behind `ds=`.
            let (key, value) = piece.split_once('=').unwrap_or(("ds", piece));
            let value = Some(value.trim()).filter(|value| !value.is_empty());
            match key.trim() {
                "ds" => ours |= matches!(value, Some("nocloud" | "nocloud-net")),
                "s" | "seedfrom" => given.seed = value,
                "h" | "local-hostname" => given.hostname = value,
                "i" | "instance-id" => given.id = value,
                _ => {}
            }
        }
        ours.then_some(given)
    }

    /// Where it is fetched from, without the `/` at its end. `None` for a file or another protocol.
    fn url(&self) -> Option<&'t str> {
        let seed = self.seed?;
        let has = |scheme: &str| {
            let head = seed.get(..scheme.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
        };
        let web = has("http://") || has("https://");
        let odd = |c: char| c.is_control() || c.is_whitespace();
        // `__dmi.<field>__` would have to be replaced by what the firmware says.
        (web && !seed.contains("__dmi.") && !seed.contains(odd)).then(|| seed.trim_end_matches('/'))
    }
}

/// What the serial number and the command line say, by key and in this order.
fn given<'b>(
    body: impl Fn(&str) -> Option<&'b [u8]>,
) -> impl Iterator<Item = (&'static str, Given<'b>)> {
    [Medium::SMBIOS_SERIAL, CMDLINE]
        .into_iter()
        .filter_map(move |key| Some((key, Given::read(body(key)?)?)))
}

fn url(bodies: &Bodies) -> Option<&str> {
    given(|key| bodies.get(key).map(Vec::as_slice)).find_map(|(_, given)| given.url())
}

impl Provider for Nocloud {
    fn name(&self) -> &'static str {
        "nocloud"
    }

    fn media(&self) -> &'static [Medium] {
        &[
            Medium::SmbiosSerial,
            Medium::FirmwareConfig {
                folder: "opt/init-net/",
                files: &FILES,
            },
            cidata::VOLUME,
        ]
    }

    /// A host name in the serial number is not enough: the volume may be on a disk that is not there yet.
    fn is_told(&self, media: &Bodies) -> bool {
        url(media).is_some()
            || ["", FIRMWARE]
                .iter()
                .any(|root| cidata::is_there(media, root))
    }

    fn bases(&self, known: &Known) -> Vec<String> {
        url(&known.bodies).map(str::to_owned).into_iter().collect()
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let body = |key: &str| match answers.get(key)? {
            Answer::Body(body) => Some(body.as_slice()),
            Answer::Status(_) | Answer::Unreachable => None,
        };
        if !given(body).any(|(_, given)| given.url().is_some()) {
            return Vec::new();
        }
        let key = |file: &str| format!("{SEED}{file}");
        let path = |file: &str| format!("/{file}");
        let mut asks = vec![Ask::required(key(META_DATA), path(META_DATA))];
        if answers.contains_key(&key(META_DATA)) {
            let others = FILES.iter().filter(|file| **file != META_DATA);
            asks.extend(others.map(|file| Ask::optional(key(file), path(file))));
        }
        asks
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let mut id = None;
        for (key, given) in given(|key| bodies.get(key).map(Vec::as_slice)) {
            if let Some(hostname) = given.hostname {
                cidata::hostname(&mut facts, hostname, key);
            }
            match given.id {
                Some(text) if text.contains(char::is_control) => {
                    facts.warn(key, "has an identifier with control characters");
                }
                Some(text) => id = id.or_else(|| Some(text.to_owned())),
                None => {}
            }
            if given.seed.is_some() && given.url().is_none() {
                facts.warn(key, "has a seed that is not at an http:// or https:// URL");
            }
        }
        let roots = [SEED, FIRMWARE];
        let root = roots
            .into_iter()
            .find(|root| cidata::is_there(bodies, root));
        cidata::read(facts, root.unwrap_or_default(), id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, converse};
    use crate::config::userdata::UserData;

    fn bodies(bodies: &[(&str, &str)]) -> Bodies {
        let bodies = bodies.iter();
        let bodies = bodies.map(|(key, body)| ((*key).to_owned(), body.as_bytes().to_vec()));
        bodies.collect()
    }

    #[test]
    fn cd() {
        check(
            &Nocloud,
            "nocloud/cd",
            "Ok(Config(76 bytes))",
            &[
                "02:00:00:00:00:01 mtu 1450",
                "02:00:00:00:00:02",
                "02:00:00:00:00:01 has 192.0.2.10/24",
                "02:00:00:00:00:01 has 2001:db8::10/64",
                "02:00:00:00:00:01 to all via 192.0.2.1",
                "02:00:00:00:00:01 to all via 2001:db8::1",
                "02:00:00:00:00:02 runs Dhcp4",
                "hostname node7.example.net",
                "dns 192.0.2.53",
                "search example.net",
                "instanceId=i-42",
                "instanceType=large",
                "providerId=lab://i-42",
                "region=lab",
                "zone=lab-a",
                "internalDNS=node7.example.net",
                "externalDNS=node7.example.com",
            ],
        );
    }

    #[test]
    fn seed() {
        check(
            &Nocloud,
            "nocloud/seed",
            "Ok(Config(76 bytes))",
            &[
                "02:00:00:00:00:01",
                "02:00:00:00:00:01 runs Dhcp4",
                "02:00:00:00:00:01 runs Auto6",
                "hostname node8.example.org",
                "instanceId=i-43",
            ],
        );
        let (all, asks) = converse(&Nocloud, "nocloud/seed");
        let paths: Vec<&str> = asks.iter().map(|ask| ask.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/meta-data",
                "/user-data",
                "/network-config",
                "/vendor-data"
            ]
        );
        assert!(asks[1..].iter().all(|ask| ask.optional) && !asks[0].optional);
        let known = Known {
            bodies: all,
            ..Known::default()
        };
        assert_eq!(Nocloud.bases(&known), ["http://192.0.2.9"]);
    }

    #[test]
    fn firmware() {
        check(
            &Nocloud,
            "nocloud/firmware",
            "Ok(CloudConfig(Some(Hostname { name: \"other\", domain: None })))",
            &["hostname node9", "instanceId=i-44", "internalDNS=node9"],
        );
    }

    #[track_caller]
    fn check_bases(known: &[(&str, &str)], expect: &[&str]) {
        let known = Known {
            bodies: bodies(known),
            ..Known::default()
        };
        assert_eq!(Nocloud.bases(&known), expect);
        let told = Nocloud.is_told(&known.bodies);
        assert_eq!(told, !expect.is_empty());
        let answers = known.bodies.into_iter();
        let answers: Answers = answers
            .map(|(key, body)| (key, Answer::Body(body)))
            .collect();
        assert_eq!(Nocloud.wanted(&answers).len(), expect.len());
    }

    #[test]
    fn seeds() {
        const SERIAL: &str = Medium::SMBIOS_SERIAL;
        check_bases(&[], &[]);
        check_bases(&[(SERIAL, "VMware-56 4d")], &[]);
        check_bases(&[(SERIAL, "s=http://192.0.2.9/")], &[]);
        check_bases(&[(SERIAL, "ds=nocloud;h=node7")], &[]);
        check_bases(&[(SERIAL, "ds=nocloud;s=file:///seed/")], &[]);
        check_bases(&[(SERIAL, "ds=nocloud;s=http://a/__dmi.x__/")], &[]);
        check_bases(&[(SERIAL, "ds=openstack;s=http://192.0.2.9/")], &[]);
        check_bases(&[(CMDLINE, "openstack")], &[]);
        let url = "http://192.0.2.9:8080/seed";
        check_bases(
            &[(SERIAL, "ds=nocloud-net; s=http://192.0.2.9:8080/seed/ ;")],
            &[url],
        );
        check_bases(
            &[(SERIAL, "A1B2-7 ds=nocloud;s=http://192.0.2.9:8080/seed/")],
            &[url],
        );
        check_bases(
            &[(CMDLINE, "nocloud;seedfrom=HTTPS://[2001:db8::9]/a/")],
            &["HTTPS://[2001:db8::9]/a"],
        );
        check_bases(
            &[
                (CMDLINE, "nocloud-net;s=http://192.0.2.8/"),
                (SERIAL, "ds=nocloud;s=http://192.0.2.9:8080/seed"),
            ],
            &[url],
        );
        check_bases(
            &[
                (CMDLINE, "nocloud-net;s=http://192.0.2.9:8080/seed"),
                (SERIAL, "ds=nocloud;h=a"),
            ],
            &[url],
        );
    }

    #[test]
    fn who_is_heard() {
        let told = |known: &[(&str, &str)]| Nocloud.is_told(&bodies(known));
        assert!(told(&[("meta-data", "")]) && told(&[("fw_cfg/user-data", "")]));
        assert!(!told(&[("fw_cfg/other", "x"), (CMDLINE, "nocloud;h=a")]));
        let id = |name: &str| format!("instance-id: {name}");
        let (volume, firmware, seed) = (id("volume"), id("firmware"), id("seed"));
        let mut all = vec![("meta-data", volume.as_str()), ("user-data", "a: b")];
        let parsed = |all: &[(&str, &str)]| {
            let parsed = Nocloud.parse(&bodies(all));
            let mut ids = parsed.document.metadata.into_iter();
            let id = ids.find(|(key, _)| *key == "instanceId").unwrap().1;
            (id, matches!(parsed.user_data, Ok(UserData::Config(_))))
        };
        assert_eq!(parsed(&all), ("volume".into(), true));
        all.push(("fw_cfg/meta-data", &firmware));
        assert_eq!(parsed(&all), ("firmware".into(), false));
        all.push(("seed/meta-data", &seed));
        assert_eq!(parsed(&all), ("seed".into(), false));
        all.push((CMDLINE, "nocloud;i=cmdline"));
        assert_eq!(parsed(&all), ("cmdline".into(), false));
        all.push((Medium::SMBIOS_SERIAL, "ds=nocloud;i=serial"));
        assert_eq!(parsed(&all), ("serial".into(), false));
    }

    #[test]
    fn hostile() {
        check_bodies(
            &Nocloud,
            &[
                (
                    Medium::SMBIOS_SERIAL,
                    "ds=nocloud;h=a b;s=ftp://x/;i=\u{7};;=;h",
                ),
                (CMDLINE, "nocloud;h=node7"),
                (
                    "meta-data",
                    "hostname: [a]\nregion: \"a\\tb\"\nzone: null\nnetwork-interfaces: |\n  auto lo\n",
                ),
                ("network-config", "version: 7\n"),
                ("vendor-data", "#!/bin/sh\n"),
            ],
            "Ok(Absent)",
            &[
                "! nocloud: smbios-serial has a host name that is none",
                "! nocloud: smbios-serial has an identifier with control characters",
                "! nocloud: smbios-serial has a seed that is not at an http:// or https:// URL",
                "! nocloud: meta-data has a region that is too long or holds control characters",
                "! nocloud: meta-data has network-interfaces, which is not read: write a network-config",
                "! network-config: this version is not known",
                "hostname node7",
            ],
        );
        check_bodies(
            &Nocloud,
            &[("meta-data", "- a\n"), ("network-config", "\u{0}")],
            "Ok(Absent)",
            &[
                "! nocloud: meta-data is no mapping",
                "! network-config: found unprintable character",
            ],
        );
        check_bodies(
            &Nocloud,
            &[(
                "meta-data",
                "instance-id: @i-1\nlocal-hostname: node7\nx: [\n: :\n:\n",
            )],
            "Ok(Absent)",
            &[
                "! nocloud: meta-data is no YAML: its lines are read one by one",
                "hostname node7",
                "instanceId=@i-1",
                "internalDNS=node7",
            ],
        );
    }

    #[test]
    fn the_vendor_speaks_where_the_user_says_nothing_to_us() {
        check_bodies(
            &Nocloud,
            &[
                ("user-data", "#cloud-config\nhostname: node7\n"),
                ("vendor-data", "kind: X\n"),
            ],
            "Ok(Config(8 bytes))",
            &["hostname node7"],
        );
        for vendor in ["{}", "a: b\n", "text"] {
            check_bodies(
                &Nocloud,
                &[
                    ("user-data", "#cloud-config\nhostname: node7\n"),
                    ("vendor-data", vendor),
                ],
                "Ok(CloudConfig(Some(Hostname { name: \"node7\", domain: None })))",
                &["hostname node7"],
            );
        }
        check_bodies(
            &Nocloud,
            &[("user-data", "kind: Y1\n"), ("vendor-data", "kind: X\n")],
            "Ok(Config(9 bytes))",
            &[],
        );
    }
}
