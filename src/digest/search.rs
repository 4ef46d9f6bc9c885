//! Finds digests in sorted tables of millions.
//!
//! Each step of a binary search over such a table waits for memory. But digests are spread evenly, so the first bytes of one tell
//! nearly where it stands: two or three steps are enough (interpolation search).

use std::cmp::Ordering;

/// Steps by interpolation: after these, a place in an even table is a few entries away.
const GUESSES: usize = 3;

/// The first eight bytes, as a number that sorts as they do.
pub(super) fn first_bytes(digest: &[u8]) -> u64 {
    digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Returns the place of `wanted` in a table that is sorted by `digest_of`.
pub fn place_of<T, const N: usize>(table: &[T], wanted: &[u8; N], digest_of: impl Fn(&T) -> &[u8; N]) -> Option<usize> {
    let (mut low, mut high) = (0, table.len());
    let first = first_bytes(wanted);
    let mut guess = scaled(first, table.len());
    let mut last = guess;
    for _ in 0..GUESSES {
        let found = digest_of(table.get(guess)?);
        let other = first_bytes(found);
        let step = scaled(first.abs_diff(other), table.len()).max(1);
        match first.cmp(&other).then_with(|| wanted.cmp(found)) {
            Ordering::Equal => return Some(guess),
            Ordering::Less => high = guess,
            Ordering::Greater => low = guess + 1,
        }
        if low >= high {
            return None;
        }
        let next = if high == guess { guess.saturating_sub(step) } else { guess.saturating_add(step) };
        (last, guess) = (guess, next.clamp(low, high - 1));
    }
    // From the last guess on, in steps that double: a table that somebody has made uneven costs no more than two binary searches.
    let order = |at: usize| table.get(at).map(|entry| digest_of(entry).cmp(wanted));
    let mut reach = 4;
    if high == last {
        while low + reach < high && order(high - reach) == Some(Ordering::Greater) {
            high -= reach;
            reach *= 2;
        }
        low = low.max(high.saturating_sub(reach));
    } else {
        while low + reach < high && order(low + reach) == Some(Ordering::Less) {
            low += reach + 1;
            reach *= 2;
        }
        high = high.min(low + reach + 1);
    }
    let rest = table.get(low..high)?;
    rest.binary_search_by(|entry| digest_of(entry).cmp(wanted)).ok().map(|at| low + at)
}

/// The place, in a table of `length` entries, of what begins with these bytes, if they are spread evenly.
fn scaled(first: u64, length: usize) -> usize {
    ((u128::from(first) * length as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agree(table: &[[u8; 10]], wanted: &[u8; 10]) {
        assert_eq!(place_of(table, wanted, |entry| entry), table.binary_search(wanted).ok(), "{wanted:?} in {table:?}");
    }

    #[test]
    fn places_in_even_and_uneven_tables_are_found() {
        let number = |number: u64, last: u8| {
            let mut digest = [last; 10];
            digest.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
            digest
        };
        for spread in [u64::MAX / 1000, 1, 1 << 32, 0] {
            let table: Vec<_> = (0..1000_u64)
                .map(|at| number(at * spread, if spread == 0 { 0 } else { 7 }))
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect();
            for at in 0..1000 {
                agree(&table, &number(at * spread, 7));
                agree(&table, &number(at * spread, 8));
                agree(&table, &number((at * spread).saturating_add(1), 7));
            }
            agree(&table, &[255; 10]);
        }
        agree(&[], &[0; 10]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_binary_search(
            table in prop::collection::btree_set(any::<[u8; 10]>(), 0..40),
            wanted: [u8; 10],
        ) {
            let table: Vec<_> = table.into_iter().collect();
            agree(&table, &wanted);
            table.iter().for_each(|wanted| agree(&table, wanted));
        }
    }
}
