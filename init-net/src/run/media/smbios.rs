//! The SMBIOS structure table (DSP0134): serial number and OEM strings. Pure.

/// Most structures that are looked at: a large server has some hundreds.
const MAX_STRUCTURES: usize = 4096;

/// Types of structures (§7).
const SYSTEM: u8 = 1;
const OEM_STRINGS: u8 = 11;
const END: u8 = 127;

/// One structure: its formatted part, and its strings (§6.1.2, §6.1.3).
struct Structure<'a> {
    formatted: &'a [u8],
    strings: Vec<&'a [u8]>,
}

impl<'a> Structure<'a> {
    fn string(&self, number: usize) -> Option<String> {
        let text = self.strings.get(number.checked_sub(1)?)?;
        Some(String::from_utf8_lossy(text).trim().to_owned())
    }

    /// The first structure of a table, and what follows it.
    fn split(table: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::from(*table.get(1)?);
        if length < 4 {
            return None;
        }
        let (formatted, mut rest) = table.split_at_checked(length)?;
        let mut strings = Vec::new();
        // Each ends with NUL, all of them with one more; without any there are two.
        loop {
            let end = rest.iter().position(|byte| *byte == 0)?;
            let (text, after) = rest.split_at_checked(end)?;
            rest = after.get(1..)?;
            if text.is_empty() {
                break;
            }
            strings.push(text);
        }
        if strings.is_empty() && rest.first() == Some(&0) {
            rest = rest.get(1..)?;
        }
        Some((Self { formatted, strings }, rest))
    }
}

fn structures(mut table: &[u8], kind: u8) -> impl Iterator<Item = Structure<'_>> {
    let all = core::iter::from_fn(move || {
        let (structure, rest) = Structure::split(table)?;
        table = rest;
        Some(structure)
    });
    let kind_of = |structure: &Structure<'_>| structure.formatted.first().copied();
    all.take(MAX_STRUCTURES)
        .take_while(move |structure| kind_of(structure) != Some(END))
        .filter(move |structure| kind_of(structure) == Some(kind))
}

/// The serial number of the system (§7.2).
pub fn serial(table: &[u8]) -> Option<String> {
    let system = structures(table, SYSTEM).next()?;
    let number = *system.formatted.get(7)?;
    system
        .string(usize::from(number))
        .filter(|serial| !serial.is_empty())
}

/// The OEM strings (§7.12).
pub fn oem_strings(table: &[u8]) -> Vec<String> {
    let strings = structures(table, OEM_STRINGS).flat_map(|structure| {
        let count = structure.formatted.get(4).copied().map_or(0, usize::from);
        let strings = (1..=count).filter_map(|number| structure.string(number));
        strings.collect::<Vec<_>>()
    });
    strings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> Vec<u8> {
        let mut table = vec![0, 4, 0, 0, 0, 0];
        table.extend([1, 27, 1, 0, 1, 0, 0, 3]);
        table.extend([0; 19]);
        table.extend(b"Maker\0Model\0ds=nocloud;s=http://192.0.2.1/\0\0");
        table.extend([11, 5, 2, 0, 2]);
        table.extend(b"io.example.credential:a=1\0second\0\0");
        table.extend([127, 4, 3, 0, 0, 0]);
        table
    }

    #[test]
    fn what_the_table_says() {
        assert_eq!(
            serial(&table()).as_deref(),
            Some("ds=nocloud;s=http://192.0.2.1/")
        );
        assert_eq!(
            oem_strings(&table()),
            ["io.example.credential:a=1", "second"]
        );
        assert_eq!(serial(&[]), None);
    }

    #[test]
    fn cut_anywhere() {
        let table = table();
        for end in 0..table.len() {
            let _ = (serial(&table[..end]), oem_strings(&table[..end]));
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (serial(&bytes), oem_strings(&bytes));
        }
    }
}
