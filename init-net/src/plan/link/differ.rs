//! What of an object of options is to be changed: fields that are said, and that the kernel reports otherwise. What it
//! does not report, because it is too old or the option does not apply, could never be seen to agree.

/// An object of the same type with only the fields that differ. Names them all, so that none is forgotten.
macro_rules! differing {
    ($type:ident, $want:expr, $have:expr, [$($field:ident),+ $(,)?]) => {
        $type { $($field: $crate::plan::link::differ::differs(&$want.$field, &$have.$field)),+ }
    };
}

pub(super) use differing;

pub(super) fn differs<T: Clone + PartialEq>(want: &Option<T>, have: &Option<T>) -> Option<T> {
    match (want, have) {
        (Some(want), Some(have)) if want != have => Some(want.clone()),
        _ => None,
    }
}
