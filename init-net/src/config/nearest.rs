//! The word that was probably meant.

/// The one of `known` that is closest to `word`, when it is close: at most a third of the letters differ.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Longest word that is compared, bytes: the work is its square.
const MAX_WORD: usize = 64;

/// Letters to insert, delete, replace, or swap with their neighbour; case counts nothing.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let width = b.len() + 1;
    let mut table = vec![0usize; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let at = |i: usize, j: usize| table[i * width + j];
            let best = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = at(i - 1, j - 1) + usize::from(a[i - 1] != b[j - 1]);
                let best = replace.min(at(i - 1, j) + 1).min(at(i, j - 1) + 1);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swapped {
                    best.min(at(i - 2, j - 2) + 1)
                } else {
                    best
                }
            };
            table[i * width + j] = best;
        }
    }
    table.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expect: Option<&str>) {
        let known = ["addresses", "mtu", "routes", "LinkConfig", "DHCPv4Config"];
        assert_eq!(nearest(word, known), expect);
    }

    #[test]
    fn words() {
        check("adresses", Some("addresses"));
        check("adderss", Some("addresses"));
        check("MTU", Some("mtu"));
        check("linkconfig", Some("LinkConfig"));
        check("DHCP4Config", Some("DHCPv4Config"));
        check("gateway", None);
        check("", None);
        check(&"x".repeat(1000), None);
    }
}
