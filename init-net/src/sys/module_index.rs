//! `modules.alias`, `.dep`, `.softdep` and `.builtin` of depmod(8): which modules a device needs, in which order. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::value::Gather as _;

/// What depmod wrote. Names are kept with `_`: depmod and the kernel treat `-` as the same.
#[derive(Clone, Debug, Default)]
pub struct ModuleIndex {
    /// Pattern and module, in the order of the file.
    aliases: Vec<(String, String)>,
    /// Path, and paths of what must be there first.
    modules: BTreeMap<String, (String, Vec<String>)>,
    /// Modules that should be there first, if they exist.
    soft: BTreeMap<String, Vec<String>>,
    builtin: BTreeSet<String>,
}

impl ModuleIndex {
    /// From the texts of the four files. Lines that do not parse are skipped: they are comments, or of a newer depmod.
    pub fn parse(alias: &str, dep: &str, softdep: &str, builtin: &str) -> Self {
        let mut index = Self::default();
        for line in alias.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["alias", pattern, module] = words[..] {
                index.aliases.push((pattern.to_owned(), normal(module)));
            }
        }
        for (path, needs) in dep.lines().filter_map(|line| line.split_once(':')) {
            let needs = needs.split_whitespace().map(str::to_owned).collect();
            index
                .modules
                .insert(name_of(path), (path.to_owned(), needs));
        }
        for line in softdep.lines() {
            let mut words = line.split_whitespace();
            if let (Some("softdep"), Some(module)) = (words.next(), words.next()) {
                let first = words.skip_while(|word| *word != "pre:").skip(1);
                let first = first
                    .take_while(|word| *word != "post:")
                    .map(normal)
                    .collect();
                index.soft.insert(normal(module), first);
            }
        }
        index.builtin = builtin.lines().map(name_of).gather();
        index
    }

    /// Paths to load for a module name or a modalias, what is needed first coming first. Empty when nothing matches, or
    /// all of it is built in.
    pub fn resolve(&self, name: &str) -> Vec<&str> {
        let mut order = Order::default();
        let module = normal(name);
        if self.modules.contains_key(&module) {
            self.add(&module, &mut order);
        } else if !self.builtin.contains(&module) {
            for (_, module) in self
                .aliases
                .iter()
                .filter(|(pattern, _)| matches(pattern, name))
            {
                self.add(module, &mut order);
            }
        }
        order.paths
    }

    fn add<'a>(&'a self, module: &str, order: &mut Order<'a>) {
        let Some((path, needs)) = self.modules.get(module) else {
            return;
        };
        // Marked before its needs are followed: softdeps can form a circle.
        if !order.seen.insert(module.to_owned()) {
            return;
        }
        for first in self.soft.get(module).into_iter().flatten() {
            self.add(first, order);
        }
        // depmod lists what is needed most directly first.
        for need in needs.iter().rev() {
            self.add(&name_of(need), order);
        }
        order.paths.push(path);
    }
}

#[derive(Default)]
struct Order<'a> {
    seen: BTreeSet<String>,
    paths: Vec<&'a str>,
}

fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// `kernel/drivers/net/virtio_net.ko.xz` is `virtio_net`.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    normal(file.split_once(".ko").map_or(file, |(name, _)| name))
}

/// fnmatch(3) without flags, as modprobe matches aliases: `*`, `?` and `[a-z]`.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the last `*` has to take one more byte.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() || p < pattern.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t + 1));
            p += 1;
            continue;
        }
        if let (Some(length), true) = (one(&pattern[p..], text.get(t)), t < text.len()) {
            p += length;
            t += 1;
            continue;
        }
        match star {
            Some((at, next)) if next <= text.len() => (p, t) = (at, next),
            _ => return false,
        }
    }
    true
}

/// How many bytes of `pattern` match the byte `text`.
fn one(pattern: &[u8], text: Option<&u8>) -> Option<usize> {
    let text = *text?;
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|b| *b == b']')?;
            set(&rest[..end], text).then_some(end + 2)
        }
        [byte, ..] => (*byte == text).then_some(1),
        [] => None,
    }
}

fn set(mut members: &[u8], text: u8) -> bool {
    loop {
        members = match members {
            [from, b'-', to, rest @ ..] if (from..=to).contains(&&text) || rest.is_empty() => {
                return (from..=to).contains(&&text);
            }
            [_, b'-', _, rest @ ..] => rest,
            [byte, ..] if *byte == text => return true,
            [_, rest @ ..] => rest,
            [] => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_match(pattern: &str, text: &str, expect: bool) {
        assert_eq!(matches(pattern, text), expect, "{pattern} {text}");
    }

    #[test]
    fn patterns() {
        check_match("virtio:d00000001v*", "virtio:d00000001v00001AF4", true);
        check_match("virtio:d00000001v*", "virtio:d00000002v00001AF4", false);
        check_match(
            "pci:v*d*sv*sd*bc0Csc03i30*",
            "pci:v1B36d0Dsv1AF4sd1100bc0Csc03i30",
            true,
        );
        check_match("a*b*c", "aXbYbZc", true);
        check_match("a*b*c", "aXbYbZ", false);
        check_match("usb:v0B95p77[2-4]0d*", "usb:v0B95p7730d1", true);
        check_match("usb:v0B95p77[2-4]0d*", "usb:v0B95p7750d1", false);
        check_match("x[abc]y", "xby", true);
        check_match("x[a-cq]y", "xqy", true);
        check_match("x[abc", "xa", false);
        check_match("a?c", "abc", true);
        check_match("a?", "a", false);
        check_match("*", "", true);
        check_match("", "", true);
        check_match("", "a", false);
    }

    fn index() -> ModuleIndex {
        ModuleIndex::parse(
            "# Aliases\nalias virtio:d00000001v* virtio_net\nalias pci:v00001AF4d* virtio-pci\n\
             alias net-pf-10 ipv6\nalias virtio:d00000001v* another\n",
            "kernel/net/core/failover.ko:\n\
             kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko\n\
             kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko\n\
             kernel/drivers/virtio/virtio_pci.ko: \n\
             kernel/a-b.ko:\nkernel/crc.ko:\n",
            "softdep virtio_net pre: crc missing post: a-b\nsoftdep crc pre: virtio_net\n",
            "kernel/net/ipv6/ipv6.ko\n",
        )
    }

    #[track_caller]
    fn check(name: &str, expect: &[&str]) {
        assert_eq!(index().resolve(name), expect);
    }

    #[test]
    fn what_is_needed_comes_first() {
        check(
            "virtio:d00000001v00001AF4",
            &[
                "kernel/crc.ko",
                "kernel/net/core/failover.ko",
                "kernel/drivers/net/net_failover.ko",
                "kernel/drivers/net/virtio_net.ko.xz",
            ],
        );
        check("virtio-pci", &["kernel/drivers/virtio/virtio_pci.ko"]);
        check("a_b", &["kernel/a-b.ko"]);
        check("ipv6", &[]);
        check("net-pf-10", &[]);
        check("unknown", &[]);
    }
}
