//! A map in the order of its keys.
//!
//! Instead of `BTreeMap`, of which every pair of types costs a page's module 5 kB: seven of them were a tenth of it. This
//! one is a list of short sorted lists, so an insertion moves few entries however many there are.

/// Entries of one list at most. Few enough to be moved in no time, enough that a server's lists are few.
const MOST: usize = 128;

/// A map in the order of its keys.
#[derive(Debug)]
pub(crate) struct SortedMap<K, V> {
    /// None of them is empty.
    lists: Vec<Vec<(K, V)>>,
    len: usize,
}

impl<K: Ord, V> SortedMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self { lists: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let (list, place) = self.find(key);
        Some(&self.lists.get(list)?.get(place.ok()?)?.1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (list, place) = self.find(key);
        Some(&mut self.lists.get_mut(list)?.get_mut(place.ok()?)?.1)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.find(key).1.is_ok()
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.lists.iter().flatten().map(|(key, value)| (key, value))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.lists.iter_mut().flatten().map(|(_, value)| value)
    }

    /// The entry with the least key.
    pub(crate) fn first(&self) -> Option<&(K, V)> {
        self.lists.first()?.first()
    }

    /// Replaces what the key had.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let (at, place) = self.find(&key);
        let Some(list) = self.lists.get_mut(at) else {
            self.lists.push(vec![(key, value)]);
            self.len = 1;
            return;
        };
        match place {
            Ok(place) => {
                if let Some(entry) = list.get_mut(place) {
                    entry.1 = value;
                }
            }
            Err(place) => {
                list.insert(place, (key, value));
                self.len += 1;
                if list.len() > MOST {
                    let rest = list.split_off(MOST / 2);
                    self.lists.insert(at + 1, rest);
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (at, place) = self.find(key);
        Some(self.take(at, place.ok()?).1)
    }

    /// Takes the entry with the least key.
    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        (self.len > 0).then(|| self.take(0, 0))
    }

    /// The list that a key is in or belongs into, and its place there, as `binary_search` has it.
    fn find(&self, key: &K) -> (usize, Result<usize, usize>) {
        let after = self.lists.partition_point(|list| list.first().is_some_and(|(first, _)| first <= key));
        let at = after.saturating_sub(1);
        let place = self.lists.get(at).map_or(Err(0), |list| list.binary_search_by(|(other, _)| other.cmp(key)));
        (at, place)
    }

    fn take(&mut self, at: usize, place: usize) -> (K, V) {
        let list = &mut self.lists[at];
        let entry = list.remove(place);
        if list.is_empty() {
            self.lists.remove(at);
        }
        self.len -= 1;
        entry
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_btree_map_does(steps in prop::collection::vec((any::<bool>(), 0_u16..700), 0..3_000)) {
            let (mut ours, mut model) = (SortedMap::new(), BTreeMap::new());
            for (n, (put, key)) in steps.into_iter().enumerate() {
                if put {
                    ours.insert(key, n);
                    model.insert(key, n);
                } else {
                    prop_assert_eq!(ours.remove(&key), model.remove(&key));
                }
                prop_assert_eq!(ours.get(&key), model.get(&key));
                prop_assert_eq!(ours.contains_key(&key), model.contains_key(&key));
                prop_assert_eq!(ours.len(), model.len());
            }
            for value in ours.values_mut().chain(model.values_mut()) {
                *value += 1;
            }
            prop_assert!(ours.iter().eq(model.iter()));
            prop_assert_eq!(ours.first().copied(), model.first_key_value().map(|(key, value)| (*key, *value)));
            while let Some(entry) = ours.pop_first() {
                prop_assert_eq!(Some(entry), model.pop_first());
            }
            prop_assert!(model.is_empty());
        }
    }
}
