//! Memory that all connections share: each takes a share of a limited number of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limited number of bytes.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// A limit in bytes.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// Takes `bytes` if that many are left. Returns whether it did.
    fn take(&self, bytes: usize) -> bool {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Takes `bytes` if that many are left, or if none are taken.
    fn take_or_be_first(&self, bytes: usize) -> bool {
        self.take(bytes) || self.used.compare_exchange(0, bytes, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Bytes that were taken from a budget. They are given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// A share without any bytes.
    pub(super) const fn of(budget: Arc<Budget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Takes `bytes`, or returns `None` if fewer are left. While none are taken, any number is granted, so that one
    /// share may be larger than the budget.
    pub(super) fn take(budget: &Arc<Budget>, bytes: usize) -> Option<Self> {
        budget.take_or_be_first(bytes).then(|| Self { budget: Arc::clone(budget), bytes })
    }

    /// Takes `bytes` more. Returns false, and takes none, if fewer are left.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let is_left = self.budget.take(bytes);
        if is_left {
            self.bytes += bytes;
        }
        is_left
    }

    /// The number of bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_refused_beyond_the_limit_and_given_back() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (Share::of(Arc::clone(&budget)), Share::of(Arc::clone(&budget)));
        assert!(first.grow(60));
        assert!(!second.grow(41));
        assert!(second.grow(40));
        assert!(!first.grow(1));
        drop(second);
        assert!(first.grow(40));
        drop(first);
        assert!(Share::of(budget).grow(100));
    }

    #[test]
    fn more_than_the_limit_can_be_taken_while_nobody_else_has_any() {
        let budget = Budget::new(100);
        let alone = Share::take(&budget, 1000);
        assert!(alone.is_some());
        assert!(Share::take(&budget, 1).is_none());
        drop(alone);
        let _small = Share::take(&budget, 1);
        assert!(Share::take(&budget, 1000).is_none());
        assert!(Share::take(&budget, 99).is_some());
    }
}
