//! `initnet.*` and its `talos.*` aliases: where the machine config comes from, what to wait for, where to go on.

use std::path::PathBuf;

use super::argument::{Argument, Fault, quoted};
use super::hostname;
use super::reading::{Reading, set};
use super::{kernel, platform, values};
use crate::config::nearest::nearest;
use crate::config::{ConfigSource, Said, WaitLevel};

/// Longest name of a group, bytes (LOGIN_NAME_MAX without its NUL, which groupadd(8) takes for groups too).
const MAX_GROUP_NAME: usize = 255;

/// The volume of a machine config, and the word for it.
const METAL_ISO: &str = "metal-iso";

/// Our keys.
const KEYS: [&str; 16] = [
    "initnet.platform",
    "initnet.config",
    "initnet.config.inline",
    "initnet.config.sha256",
    "initnet.control.group",
    "initnet.hostname",
    "initnet.ignore",
    "initnet.wait",
    "initnet.timeout",
    "initnet.state",
    "initnet.tries",
    "initnet.firewall",
    "initnet.root",
    "initnet.init",
    "initnet.log",
    "initnet.metrics",
];

/// Reads an own key or an alias; `None` when it is neither.
pub(super) fn parse<'a>(
    reading: &mut Reading<'a>,
    argument: &Argument<'a>,
    key: &str,
) -> Option<Result<(), Fault>> {
    Some(match key {
        "initnet.platform" | "talos.platform" => platform::own(reading, argument),
        "initnet.config" | "talos.config" => config(reading, argument),
        "initnet.config.inline" | "talos.config.inline" => inline(reading, argument),
        "initnet.config.sha256" => sha256(reading, argument),
        "initnet.control.group" => control_group(reading, argument),
        "initnet.hostname" | "talos.hostname" => {
            hostname::parse(reading, argument, hostname::OWN_KEY)
        }
        "initnet.ignore" | "talos.network.interface.ignore" => ignore(reading, argument),
        "initnet.wait" => wait(reading, argument),
        "initnet.timeout" => timeout(reading, argument),
        "initnet.state" => state(reading, argument),
        "initnet.tries" => tries(reading, argument),
        "initnet.firewall" => firewall(reading, argument),
        "initnet.root" => kernel::root(reading, argument, true),
        "initnet.init" => payload(reading, argument),
        "initnet.log" => log(reading, argument),
        "initnet.metrics" => metrics(reading, argument),
        _ if key.starts_with("initnet.") => Err(unknown(argument, key)),
        _ => return None,
    })
}

fn unknown(argument: &Argument<'_>, key: &str) -> Fault {
    let short = |known: &'static str| known.trim_start_matches("initnet.");
    let fix = match nearest(key.trim_start_matches("initnet."), KEYS.map(short)) {
        Some(known) => format!("did you mean initnet.{known}=?"),
        None => {
            "known: platform config[.*] control.group hostname ignore wait timeout state tries \
                 firewall root init log metrics"
                .to_owned()
        }
    };
    argument.error(argument.word.key, "not a key of init-net", fix)
}

/// One of a list of words.
fn word<T>(argument: &Argument<'_>, known: &[(&'static str, T)]) -> Result<T, Fault>
where
    T: Copy,
{
    let field = argument.required()?;
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == field.text) {
        return Ok(*value);
    }
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let fix = match nearest(field.text, names.iter().copied()) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("write one of {}", names.join(", ")),
    };
    Err(argument.error(field, format!("{} is not known", quoted(field.text)), fix))
}

fn config(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let field = argument.required()?;
    let text = field.text;
    let lower = text.to_ascii_lowercase();
    let fix = "write /<path>, http://…, https://…, metal-iso or none";
    let source = if text == "none" {
        ConfigSource::None
    } else if text == METAL_ISO {
        ConfigSource::Volume
    } else if lower.starts_with("http://") || lower.starts_with("https://") {
        if text.bytes().any(|b| !b.is_ascii_graphic()) {
            return Err(argument.error(field, "a URL holds printable ASCII without space", fix));
        }
        ConfigSource::Url(text.to_owned())
    } else if let Some(path) = text
        .strip_prefix("file://")
        .filter(|path| path.starts_with('/'))
    {
        ConfigSource::Path(PathBuf::from(path))
    } else if text.starts_with('/') {
        ConfigSource::Path(PathBuf::from(text))
    } else {
        return Err(argument.error(field, "not a source that can be read", fix));
    };
    let twice = set(&mut reading.document.boot.config, source, argument);
    reading.said(twice);
    Ok(())
}

/// Pieces are joined in the order said: a boot loader may limit the length of one argument.
fn inline(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let field = argument.required()?;
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
    if !field.text.bytes().all(base64) {
        return Err(argument.error(field, "not base64", "write base64 -w0 of the config"));
    }
    match &mut reading.inline {
        Some(said) => said.value.push_str(field.text),
        None => reading.inline = Some(Said::new(field.text.to_owned(), argument.origin())),
    }
    Ok(())
}

fn sha256(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let field = argument.required()?;
    let wrong = || argument.error(field, "not a SHA-256", "write 64 hexadecimal digits");
    let mut hash = [0; 32];
    if field.text.len() != 64 || !field.text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    for (byte, pair) in hash.iter_mut().zip(field.text.as_bytes().chunks(2)) {
        let pair = core::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    let twice = set(&mut reading.document.boot.config_sha256, hash, argument);
    reading.said(twice);
    Ok(())
}

/// A list joined by `,`, repeatable.
fn ignore(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let field = argument.required()?;
    let mut names = Vec::new();
    for piece in field.split(b',') {
        names.push(values::link_name(argument, piece, "the link")?);
    }
    for name in names {
        let ignored = &mut reading.document.ignored_links;
        if !ignored.iter().any(|known| known.value == name) {
            ignored.push(Said::new(name, argument.origin()));
        }
    }
    Ok(())
}

fn wait(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let level = word(
        argument,
        &[
            ("none", WaitLevel::None),
            ("links", WaitLevel::Links),
            ("local", WaitLevel::Local),
            ("routable", WaitLevel::Routable),
            ("online", WaitLevel::Online),
        ],
    )?;
    let twice = set(&mut reading.document.boot.wait, level, argument);
    reading.said(twice);
    Ok(())
}

fn timeout(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let time = values::duration(argument, true)?;
    let twice = set(&mut reading.document.boot.timeout, time, argument);
    reading.said(twice);
    Ok(())
}

fn state(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let path = path(argument)?;
    let twice = set(
        &mut reading.document.boot.state_dir,
        PathBuf::from(path),
        argument,
    );
    reading.said(twice);
    Ok(())
}

/// Boots that a config may fail: more than a hundred nobody waits for.
fn tries(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    const MAX: u32 = 100;
    let field = argument.required()?;
    let number = field.text.parse().ok().filter(|number| *number <= MAX);
    let Some(number) = number else {
        let fix = format!("write 1 to {MAX}, or 0 for never");
        return Err(argument.error(field, "not a number of boots", fix));
    };
    let twice = set(&mut reading.document.boot.tries, number, argument);
    reading.said(twice);
    Ok(())
}

fn metrics(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let path = PathBuf::from(path(argument)?);
    let twice = set(&mut reading.document.boot.metrics, path, argument);
    reading.said(twice);
    Ok(())
}

/// A name of group(5), or a number; which names there are is known to the real root.
fn control_group(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let field = argument.required()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let number = field.text.bytes().all(|b| b.is_ascii_digit());
    if field.text.len() > MAX_GROUP_NAME
        || !field.text.bytes().all(plain)
        || field.text.starts_with('-')
        || (number && field.text.parse::<u32>().is_err())
    {
        return Err(argument.error(
            field,
            "not a group",
            "write its name or its number: initnet.control.group=netdev",
        ));
    }
    let twice = set(
        &mut reading.document.boot.control_group,
        field.text.to_owned(),
        argument,
    );
    reading.said(twice);
    Ok(())
}

fn payload(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let path = path(argument)?;
    let twice = set(&mut reading.document.boot.payload, path, argument);
    reading.said(twice);
    Ok(())
}

fn path(argument: &Argument<'_>) -> Result<String, Fault> {
    let field = argument.required()?;
    if field.text.starts_with('/') && !field.text.chars().any(char::is_control) {
        Ok(field.text.to_owned())
    } else {
        Err(argument.error(field, "not an absolute path", "begin it with /"))
    }
}

fn firewall(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let policy = word(
        argument,
        &[
            ("accept", "accept"),
            ("deny", "deny"),
            ("block", "deny"),
            ("drop", "deny"),
        ],
    )?;
    let twice = set(
        &mut reading.document.boot.firewall,
        policy.to_owned(),
        argument,
    );
    reading.said(twice);
    Ok(())
}

fn log(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let level = word(
        argument,
        &[
            ("error", log::LevelFilter::Error),
            ("warn", log::LevelFilter::Warn),
            ("info", log::LevelFilter::Info),
            ("debug", log::LevelFilter::Debug),
            ("trace", log::LevelFilter::Trace),
        ],
    )?;
    let twice = set(&mut reading.document.boot.log, level, argument);
    reading.said(twice);
    Ok(())
}

/// Puts the joined pieces into the document, and says when `ip=off` stands beside its opposite.
pub(super) fn finish(reading: &mut Reading<'_>) {
    reading.document.boot.config_inline = reading.inline.take();
    let document = &reading.document;
    if let Some(off) = reading.off.take()
        && (!document.operators.is_empty() || !document.addresses.is_empty())
    {
        let warning = off.warning(
            off.value(),
            "other arguments ask for a network",
            "remove one of them",
        );
        reading.report(
            warning,
            "only the default network is off; what is said of links applies",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{errors, messages};
    use super::*;
    use crate::config::BootConfig;
    use crate::value::Duration;

    #[track_caller]
    fn boot(text: &str) -> BootConfig {
        let (document, diagnostics) = parse(text, "x");
        assert_eq!(diagnostics, [], "{text}");
        document.boot
    }

    #[test]
    fn the_control_group_is_a_name_or_a_number() {
        for group in ["netdev", "105", "wheel.net_1-a"] {
            let said = boot(&format!("initnet.control.group={group}")).control_group;
            assert_eq!(said.unwrap().value, group);
        }
        for bad in ["", "a:b", "-x", "4294967296", "a/b"] {
            assert_eq!(
                errors(&format!("initnet.control.group={bad}")).len(),
                1,
                "{bad}"
            );
        }
    }

    #[test]
    fn own_keys_and_aliases() {
        for key in ["initnet.platform", "talos.platform"] {
            let said = boot(&format!("{key}=hcloud")).platform;
            assert_eq!(said.unwrap().value, "hcloud");
        }
        assert_eq!(
            boot("initnet.wait=routable").wait.unwrap().value,
            WaitLevel::Routable
        );
        assert_eq!(
            boot("initnet.timeout=30").timeout.unwrap().value,
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            boot("initnet.timeout=infinity").timeout.unwrap().value,
            None
        );
        assert_eq!(
            boot("initnet.state=/state").state_dir.unwrap().value,
            PathBuf::from("/state")
        );
        assert_eq!(boot("initnet.tries=5").tries.unwrap().value, 5);
        assert_eq!(
            boot("initnet.metrics=/run/metrics/init-net.prom")
                .metrics
                .unwrap()
                .value,
            PathBuf::from("/run/metrics/init-net.prom")
        );
        assert_eq!(
            boot("initnet.firewall=block").firewall.unwrap().value,
            "deny"
        );
        assert_eq!(
            boot("initnet.init=/bin/sh").payload.unwrap().value,
            "/bin/sh"
        );
        assert_eq!(
            boot("initnet.log=debug").log.unwrap().value,
            log::LevelFilter::Debug
        );
        let hash = boot(&format!("initnet.config.sha256={}", "aB".repeat(32))).config_sha256;
        assert_eq!(hash.unwrap().value, [0xab; 32]);
    }

    #[test]
    fn config_sources() {
        #[track_caller]
        fn check(text: &str, expect: ConfigSource) {
            for key in ["initnet.config", "talos.config"] {
                assert_eq!(boot(&format!("{key}={text}")).config.unwrap().value, expect);
            }
        }
        check("none", ConfigSource::None);
        check("/etc/net.yaml", ConfigSource::Path("/etc/net.yaml".into()));
        check(
            "file:///etc/net.yaml",
            ConfigSource::Path("/etc/net.yaml".into()),
        );
        check(
            "https://h/c?m=${mac}",
            ConfigSource::Url("https://h/c?m=${mac}".into()),
        );
        check("HTTP://h/", ConfigSource::Url("HTTP://h/".into()));
    }

    #[test]
    fn inline_pieces_are_joined() {
        let said = boot(
            "initnet.config.inline=YXBp talos.config.inline=VmVy initnet.config.inline=c2lvbg==",
        );
        assert_eq!(said.config_inline.unwrap().value, "YXBpVmVyc2lvbg==");
    }

    #[test]
    fn secrets_stay_out_of_diagnostics() {
        let (document, diagnostics) = parse(
            "initnet.config.inline=c2Vj!cmV0 initnet.config=tftp://tok3n@h/x",
            "x",
        );
        assert_eq!(diagnostics.len(), 2);
        let shown = format!("{diagnostics:?} {document:?}");
        assert!(
            !shown.contains("c2Vj") && !shown.contains("tok3n"),
            "{shown}"
        );
    }

    #[test]
    fn ignored_links() {
        let names = |text: &str| -> Vec<_> {
            parse(text, "x")
                .0
                .ignored_links
                .iter()
                .map(|s| s.value.to_string())
                .collect()
        };
        assert_eq!(
            names(
                "initnet.ignore=eth0,eth1 talos.network.interface.ignore=eth2 initnet.ignore=eth0"
            ),
            ["eth0", "eth1", "eth2"]
        );
        assert_eq!(names("initnet.ignore=eth0,"), Vec::<String>::new());
    }

    #[test]
    fn malformed() {
        #[track_caller]
        fn check(text: &str, message: &str, fix: &str) {
            let (document, diagnostics) = parse(text, "x");
            assert_eq!(diagnostics.len(), 1, "{text}");
            assert_eq!(diagnostics[0].message, message, "{text}");
            assert_eq!(diagnostics[0].fix.as_deref(), Some(fix), "{text}");
            assert_eq!(document, parse("", "x").0, "{text}");
        }
        check(
            "initnet.confg=none",
            "initnet.confg=: not a key of init-net",
            "did you mean initnet.config=?",
        );
        check(
            "initnet.hostnam=a",
            "initnet.hostnam=: not a key of init-net",
            "did you mean initnet.hostname=?",
        );
        check(
            "initnet.wait=routeable",
            "initnet.wait=: \"routeable\" is not known",
            "did you mean routable?",
        );
        check(
            "initnet.timeout=soon",
            "initnet.timeout=: not a time",
            "write seconds, or a number with ms, s, m or h, or infinity",
        );
        check(
            "initnet.state=state",
            "initnet.state=: not an absolute path",
            "begin it with /",
        );
        check(
            "initnet.tries=101",
            "initnet.tries=: not a number of boots",
            "write 1 to 100, or 0 for never",
        );
        check(
            "initnet.metrics=init-net.prom",
            "initnet.metrics=: not an absolute path",
            "begin it with /",
        );
        check(
            "initnet.init=sh",
            "initnet.init=: not an absolute path",
            "begin it with /",
        );
        check(
            "initnet.firewall=shut",
            "initnet.firewall=: \"shut\" is not known",
            "write one of accept, deny, block, drop",
        );
        check(
            "initnet.log=loud",
            "initnet.log=: \"loud\" is not known",
            "write one of error, warn, info, debug, trace",
        );
        check(
            "initnet.config.sha256=12",
            "initnet.config.sha256=: not a SHA-256",
            "write 64 hexadecimal digits",
        );
        check(
            "initnet.config.inline=a!",
            "initnet.config.inline=: not base64",
            "write base64 -w0 of the config",
        );
        check(
            "talos.config=metal-usb",
            "talos.config=: not a source that can be read",
            "write /<path>, http://…, https://…, metal-iso or none",
        );
        check(
            "initnet.platform=../x",
            "initnet.platform=: not the name of a platform",
            "write for instance metal, aws, hcloud or auto",
        );
        check(
            "initnet.platform",
            "initnet.platform=: a value is missing",
            "write initnet.platform=<value>",
        );
    }

    #[test]
    fn off_beside_its_opposite() {
        assert_eq!(
            messages("ip=off ip=eth0:dhcp"),
            ["ip=: other arguments ask for a network"]
        );
        assert_eq!(messages("ip=off"), Vec::<String>::new());
        assert_eq!(errors("initnet.x").len(), 1);
    }
}
