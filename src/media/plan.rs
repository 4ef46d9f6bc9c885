//! Which volume goes to which medium: in order, whole, and within what each has room for. A pure function.

use std::collections::BTreeMap;

/// A medium, as far as the plan goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Which file system it is on: targets of the same one share its space.
    pub disk: u64,
    /// Bytes that are free on that file system.
    pub free: u64,
    /// Bytes that the small files on it take up.
    pub small: u64,
    /// Files take up multiples of so many bytes.
    pub block: u64,
    /// The largest file that it can hold, in bytes; none if that is beyond any volume.
    pub file_limit: Option<u64>,
}

/// What goes where: indexes of volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// For each medium, in the order of the media.
    pub on: Vec<Vec<usize>>,
    /// What none has room for.
    pub rest: Vec<usize>,
}

/// Media that are needed besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct More {
    /// How many.
    pub count: u64,
    /// Free space that each of them must have, in bytes.
    pub free: u64,
}

/// Fills one medium after the other with the volumes in order. A medium on which the next volume does not fit is done with.
pub fn plan(wanted: &[(usize, u64)], media: &[Space]) -> Plan {
    let mut free: BTreeMap<u64, u64> = media.iter().map(|space| (space.disk, space.free)).collect();
    let mut left = wanted.iter().peekable();
    let fill = |space: &Space| {
        let free = free.entry(space.disk).or_default();
        let mut here = Vec::new();
        let Some(room) = free.checked_sub(space.small) else { return here };
        let mut room = room;
        while let Some(&&(index, size)) = left.peek() {
            let takes = taken(size, space.block);
            if takes > room || space.file_limit.is_some_and(|limit| size > limit) {
                break;
            }
            room -= takes;
            here.push(index);
            left.next();
        }
        if !here.is_empty() {
            *free = room;
        }
        here
    };
    let on = media.iter().map(fill).collect();
    Plan { on, rest: left.map(|(index, _)| *index).collect() }
}

/// How many more media of the kind of `like` the volumes of these sizes need, if it had `empty` bytes free: as few as there
/// can be in this order. A medium that is too small even for one volume is thought of as larger.
pub fn more(sizes: &[u64], empty: u64, like: &Space) -> Option<More> {
    let largest = sizes.iter().map(|size| taken(*size, like.block)).max()?;
    let free = empty.max(largest.saturating_add(like.small));
    let (mut count, mut room) = (1, free - like.small);
    for takes in sizes.iter().map(|size| taken(*size, like.block)) {
        if takes > room {
            (count, room) = (count + 1, free - like.small);
        }
        room = room.saturating_sub(takes);
    }
    Some(More { count, free })
}

/// What a file of `size` bytes takes up.
pub fn taken(size: u64, block: u64) -> u64 {
    size.checked_next_multiple_of(block.max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn space() -> impl Strategy<Value = Space> {
        let limit = prop::option::of(0_u64..3000);
        let block = prop::sample::select(vec![1_u64, 512, 1000]);
        (0_u64..3, 0_u64..6000, 0_u64..600, block, limit).prop_map(|(disk, free, small, block, file_limit)| Space {
            disk,
            free: free + disk * 1000,
            small,
            block,
            file_limit,
        })
    }

    /// Media of one file system tell the same of its space.
    fn agree(media: &mut [Space]) {
        let free: BTreeMap<u64, u64> = media.iter().map(|space| (space.disk, space.free)).collect();
        media.iter_mut().for_each(|space| space.free = free[&space.disk]);
    }

    proptest! {
        #[test]
        fn whole_volumes_in_order_within_the_room(
            sizes in prop::collection::vec(0_u64..3000, 0..20), mut media in prop::collection::vec(space(), 0..6),
        ) {
            agree(&mut media);
            let wanted: Vec<_> = sizes.iter().copied().enumerate().collect();
            let plan = plan(&wanted, &media);
            let all: Vec<usize> = plan.on.iter().flatten().chain(&plan.rest).copied().collect();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>(), "each once, and in order");
            let (mut used, mut placed): (BTreeMap<u64, u64>, usize) = Default::default();
            for (space, here) in media.iter().zip(&plan.on) {
                let room = space.free.saturating_sub(used.get(&space.disk).copied().unwrap_or_default());
                let takes: u64 = here.iter().map(|index| taken(sizes[*index], space.block)).sum();
                let whole = if here.is_empty() { 0 } else { takes + space.small };
                prop_assert!(whole <= room, "{} on {} free", whole, room);
                prop_assert!(here.iter().all(|index| space.file_limit.is_none_or(|limit| sizes[*index] <= limit)));
                *used.entry(space.disk).or_default() += whole;
                placed += here.len();
                if let Some(size) = sizes.get(placed) {
                    let fits = takes + space.small + taken(*size, space.block) <= room;
                    prop_assert!(!fits || space.file_limit.is_some_and(|limit| *size > limit), "there was room for more");
                }
            }
        }

        #[test]
        fn so_many_more_are_enough_and_one_less_is_not(sizes in prop::collection::vec(0_u64..3000, 0..20), empty in 0_u64..6000) {
            let like = Space { disk: 0, free: 0, small: 100, block: 512, file_limit: None };
            let Some(needed) = more(&sizes, empty, &like) else {
                prop_assert!(sizes.is_empty());
                return Ok(());
            };
            prop_assert!(needed.free >= empty);
            let wanted: Vec<_> = sizes.iter().copied().enumerate().collect();
            let media = |count: u64| (0..count).map(|disk| Space { disk, free: needed.free, ..like.clone() }).collect::<Vec<_>>();
            prop_assert!(plan(&wanted, &media(needed.count)).rest.is_empty());
            prop_assert!(!plan(&wanted, &media(needed.count - 1)).rest.is_empty());
        }

        #[test]
        fn no_numbers_overflow(size in any::<u64>(), free in any::<u64>(), small in any::<u64>(), empty in any::<u64>()) {
            let space = Space { disk: 1, free, small, block: 4096, file_limit: None };
            plan(&[(0, size), (1, size)], std::slice::from_ref(&space));
            more(&[size, 1], empty, &space);
        }
    }
}
