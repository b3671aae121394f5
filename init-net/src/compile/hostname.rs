//! The host name: highest layer; inside a layer the first one said; with none at all, one that is made up where that
//! was asked for.

use sha2::{Digest as _, Sha256};

use super::defaults;
use super::names::Names;
use crate::config::{AutoHostname, Document};
use crate::state::{Desired, HostnameSpec};
use crate::value::{Hostname, Layer, Mac};

pub(super) fn merge(documents: &[&Document], names: &Names<'_>, desired: &mut Desired) {
    for document in documents {
        let Some(said) = document.hostnames.first() else {
            continue;
        };
        let mut spec = HostnameSpec::new(&said.value, document.layer, said.origin.clone());
        match desired.hostname.take() {
            Some(old) if old.layer == document.layer => {
                // A second document of one layer (two leases): the first keeps the name.
                desired.hostname = Some(old);
                continue;
            }
            Some(old) => {
                spec.overrode = old.overrode;
                spec.overrode.push(old.origin);
            }
            None => {}
        }
        desired.hostname = Some(spec);
    }
    if desired.hostname.is_none() {
        desired.hostname = stable(documents, names);
    }
}

/// A name from what tells this machine from every other.
fn stable(documents: &[&Document], names: &Names<'_>) -> Option<HostnameSpec> {
    let auto = documents
        .iter()
        .rev()
        .find_map(|d| d.auto_hostname.as_ref());
    let auto = auto.filter(|said| said.value == AutoHostname::Stable)?;
    let identity = documents.iter().rev().find_map(|d| d.identity.as_ref());
    let first_card = || {
        names
            .cards()
            .filter_map(|(_, link)| link.permanent_addr)
            .min()
    };
    let identity = match identity {
        Some(said) => said.value.clone(),
        None => first_card().as_ref().map(Mac::to_string)?,
    };
    let name: Hostname = made_from(&identity).parse().ok()?;
    Some(HostnameSpec::new(
        &name,
        Layer::Default,
        auto.origin.clone(),
    ))
}

/// `node-xxx-yyy`: the second to the seventh digit, in base 36, of the first 64 bits of the SHA-256 of `identity`.
fn made_from(identity: &str) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let hash = Sha256::digest(identity.as_bytes());
    let mut number = hash
        .iter()
        .take(8)
        .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let mut digits: Vec<char> = Vec::new();
    // Seven digits at least, for the hash in four billion that has fewer.
    while number > 0 || digits.len() < 7 {
        let digit = usize::try_from(number % 36).unwrap_or(0);
        digits.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        number /= 36;
    }
    let digits: Vec<char> = digits.into_iter().rev().skip(1).take(6).collect();
    let (left, right) = digits.split_at(3);
    let text = |digits: &[char]| digits.iter().collect::<String>();
    format!(
        "{}-{}-{}",
        defaults::HOSTNAME_PREFIX,
        text(left),
        text(right)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_and_differ() {
        let name = made_from("4c4c4544-0042-3510-8051-b2c04f4a3132");
        assert_eq!(name, made_from("4c4c4544-0042-3510-8051-b2c04f4a3132"));
        assert_ne!(name, made_from("4c4c4544-0042-3510-8051-b2c04f4a3133"));
        let parts: Vec<usize> = name.split('-').map(str::len).collect();
        assert_eq!(parts, [4, 3, 3], "{name}");
    }
}
