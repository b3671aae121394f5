//! [`Gather`]: fills a map or a set item by item.

/// [`Iterator::collect`] for maps and sets, without sorting first: the standard library's brings 5 KiB of merge sort
/// for every type of item, to save time that a few hundred items do not take.
pub trait Gather: Iterator + Sized {
    /// The map or set of all items; of two with one key the later stays.
    fn gather<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> Gather for I {}
