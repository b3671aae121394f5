//! [`nearest`]: the known word that a mistyped one most likely meant.

/// Longest word that is compared, bytes; a longer one is no typing error of ours, and the cost is quadratic.
const MAX_LEN: usize = 48;

/// The candidate with the fewest single-letter edits, when those are at most a third of the word's letters.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    if word.len() > MAX_LEN {
        return None;
    }
    let allowed = word.len().div_ceil(3);
    candidates
        .into_iter()
        .map(|candidate| (distance(word.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours, one row at a time.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let cell = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = cell(&row, j) + usize::from(from != to);
            let one = (cell(&row, j + 1) + 1).min(cell(&next, j) + 1);
            let swaps = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            let swapped = if swaps {
                cell(&before, j - 1) + 1
            } else {
                usize::MAX
            };
            next.push(replaced.min(one).min(swapped));
        }
        before = row;
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expect: Option<&str>) {
        assert_eq!(nearest(word, ["dhcp", "dhcp6", "link6", "none"]), expect);
    }

    #[test]
    fn words() {
        check("dhpc6", Some("dhcp6"));
        check("dchp", Some("dhcp"));
        check("nonsense", None);
        check("dhc", Some("dhcp"));
        check("lnk6", Some("link6"));
        check("completely-else", None);
        check("", None);
        check(&"x".repeat(5000), None);
    }

    #[test]
    fn edits() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"dchp", b"dhcp"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b""), 3);
    }
}
