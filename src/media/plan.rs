//! Which file goes to which medium. A pure function.
//!
//! A volume and its recovery file go together; volumes go in order, each medium is filled before the next. Spare volumes
//! follow: they replace what was on a lost medium, so they go where no volume is, or beside all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::piece::{Piece, PieceKind};

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
    /// The pieces that it has already, by index.
    pub there: BTreeSet<usize>,
}

/// What goes where: indexes of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPlan {
    /// For each medium, in the order of the media.
    pub on: Vec<BTreeSet<usize>>,
    /// What none has room for, or nobody has use for yet: volumes first.
    pub rest: BTreeSet<usize>,
}

/// Media that are needed besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdditionalMedia {
    /// How many.
    pub count: u64,
    /// Free space that each of them must have, in bytes.
    pub free: u64,
}

/// Plans where each piece goes that is nowhere yet. `away` is what media have that are not here.
pub fn plan(pieces: &[Piece], away: &[BTreeSet<usize>], media: &[Space]) -> CopyPlan {
    let free = media.iter().map(|space| (space.disk, space.free)).collect();
    let on = vec![BTreeSet::new(); media.len()];
    let mut planning = Planning { pieces, away, media, free, plan: CopyPlan { on, rest: BTreeSet::new() } };
    planning.beside_what_is_there();
    planning.volumes();
    planning.spares();
    planning.plan
}

struct Planning<'a> {
    pieces: &'a [Piece],
    away: &'a [BTreeSet<usize>],
    media: &'a [Space],
    /// By file system.
    free: BTreeMap<u64, u64>,
    plan: CopyPlan,
}

impl Planning<'_> {
    /// Recovery files whose volume is on a medium already; where that is not here, they stay.
    fn beside_what_is_there(&mut self) {
        let (media, away) = (self.media, self.away);
        let here = || media.iter().map(|space| &space.there);
        for (index, piece) in good(self.pieces) {
            let PieceKind::Recovery { volume } = piece.kind else { continue };
            let holds = |all: &BTreeSet<usize>| all.contains(&volume);
            let is_beside = |all: &BTreeSet<usize>| holds(all) && all.contains(&index);
            if here().chain(away).any(is_beside) || !here().chain(away).any(holds) {
                continue;
            }
            let with: Vec<_> = (0..).zip(here()).filter(|(_, there)| holds(there)).map(|(medium, _)| medium).collect();
            if !with.into_iter().any(|medium| self.put(medium, &[index])) {
                self.plan.rest.insert(index);
            }
        }
    }

    /// Volumes that are nowhere, in order, each with its recovery file. A medium on which the next does not fit is done with.
    fn volumes(&mut self) {
        let own = recovery(good(self.pieces));
        let mut medium = 0;
        for (volume, _) in good(self.pieces).filter(|(_, piece)| piece.is_volume()) {
            if self.media.iter().map(|space| &space.there).chain(self.away).any(|all| all.contains(&volume)) {
                continue;
            }
            let unit: Vec<usize> = [volume].into_iter().chain(own.get(&volume).copied()).collect();
            while medium < self.media.len() && !self.put(medium, &unit) {
                medium += 1;
            }
            if medium == self.media.len() {
                self.plan.rest.extend(unit);
            }
        }
    }

    /// Spare volumes, when all volumes of their packing have their places: where none of these is, or where all are.
    fn spares(&mut self) {
        for (index, piece) in good(self.pieces).filter(|(_, piece)| piece.kind == PieceKind::Spare) {
            let volumes = volumes_of(self.pieces, piece.packing);
            let is_done = self.plan.rest.is_disjoint(&volumes);
            let here: Vec<BTreeSet<usize>> =
                self.media.iter().zip(&self.plan.on).map(|(m, on)| &m.there | on).collect();
            let is_apart = |all: &BTreeSet<usize>| all.is_disjoint(&volumes);
            let is_of_use = |all: &BTreeSet<usize>| is_apart(all) || all.is_superset(&volumes);
            if here.iter().chain(self.away).any(|all| all.contains(&index) && is_of_use(all)) {
                continue;
            }
            let with_all = (0..here.len()).filter(|m| here.get(*m).is_some_and(|all| all.is_superset(&volumes)));
            let apart = (0..here.len()).filter(|m| here.get(*m).is_some_and(is_apart));
            let mut places = with_all.chain(apart).filter(|_| is_done);
            if !places.any(|medium| self.put(medium, &[index])) {
                self.plan.rest.insert(index);
            }
        }
    }

    /// Puts pieces onto a medium, if all of them fit that are not there.
    fn put(&mut self, medium: usize, unit: &[usize]) -> bool {
        let Some((space, on)) = self.media.get(medium).zip(self.plan.on.get_mut(medium)) else { return false };
        let free = self.free.entry(space.disk).or_default();
        let unit: Vec<usize> = unit.iter().copied().filter(|index| !space.there.contains(index)).collect();
        let sizes = || unit.iter().filter_map(|index| self.pieces.get(*index)).map(|piece| piece.size);
        let small = if on.is_empty() { space.small } else { 0 };
        let takes = sizes().map(|size| taken(size, space.block)).fold(small, u64::saturating_add);
        if takes > *free || sizes().any(|size| space.file_limit.is_some_and(|limit| size > limit)) {
            return false;
        }
        *free -= takes;
        on.extend(unit);
        true
    }
}

/// The recovery file of each volume.
fn recovery<'a>(pieces: impl Iterator<Item = (usize, &'a Piece)>) -> BTreeMap<usize, usize> {
    let own = pieces.filter_map(|(index, piece)| match piece.kind {
        PieceKind::Recovery { volume } => Some((volume, index)),
        PieceKind::Volume { .. } | PieceKind::Spare => None,
    });
    own.collect()
}

/// The pieces that can be carried, by index.
fn good(pieces: &[Piece]) -> impl Iterator<Item = (usize, &Piece)> {
    pieces.iter().enumerate().filter(|(_, piece)| piece.is_good)
}

/// The volumes of a packing, by index.
fn volumes_of(pieces: &[Piece], packing: usize) -> BTreeSet<usize> {
    let all = pieces.iter().enumerate().filter(|(_, piece)| piece.is_volume() && piece.packing == packing);
    all.map(|(index, _)| index).collect()
}

/// Returns how many more media of the kind of `like` the pieces need that are left, if each had `empty` bytes free, in this order.
/// The free space that it asks for is the least with which that many suffice: what media have already does not count.
/// A medium that is too small even for one piece is thought of as larger. Recovery files whose volumes are on media already need
/// no medium.
pub fn more(pieces: &[Piece], rest: &BTreeSet<usize>, empty: u64, like: &Space) -> Option<AdditionalMedia> {
    let left = || rest.iter().filter_map(|index| Some((*index, pieces.get(*index)?)));
    let takes = |piece: &Piece| taken(piece.size, like.block);
    let recovery = recovery(left());
    let own = |volume: usize| recovery.get(&volume).and_then(|index| pieces.get(*index)).map_or(0, takes);
    let volumes = left().filter(|(_, piece)| piece.is_volume());
    let volumes: Vec<u64> = volumes.map(|(index, piece)| takes(piece).saturating_add(own(index))).collect();
    let spares: Vec<u64> =
        left().filter(|(_, piece)| piece.kind == PieceKind::Spare).map(|(_, piece)| takes(piece)).collect();
    let largest = volumes.iter().chain(&spares).max().copied()?;
    let media = |room: u64| in_order(&volumes, room).saturating_add(anywhere(&spares, room));
    let most = empty.saturating_sub(like.small).max(largest);
    let count = media(most);
    Some(AdditionalMedia {
        count,
        free: least_room(largest, most, |room| media(room) <= count).saturating_add(like.small),
    })
}

/// Returns a room between `least` and `most` that is `enough`, and that a smaller one is probably not: spare volumes do not always
/// need fewer media with more room.
fn least_room(mut least: u64, mut most: u64, enough: impl Fn(u64) -> bool) -> u64 {
    while least < most {
        let middle = least + (most - least) / 2;
        if enough(middle) { most = middle } else { least = middle + 1 }
    }
    most
}

/// How many media with this room are filled in order.
fn in_order(sizes: &[u64], room: u64) -> u64 {
    let (mut count, mut left) = (0, 0);
    for size in sizes {
        if count == 0 || *size > left {
            (count, left) = (count + 1, room);
        }
        left = left.saturating_sub(*size);
    }
    count
}

/// How many media with this room are needed, if each piece goes onto the first that has room.
fn anywhere(sizes: &[u64], room: u64) -> u64 {
    let mut left: Vec<u64> = Vec::new();
    for size in sizes {
        match left.iter_mut().find(|left| **left >= *size) {
            Some(left) => *left -= size,
            None => left.push(room.saturating_sub(*size)),
        }
    }
    left.len() as u64
}

/// What a file of `size` bytes takes up.
pub fn taken(size: u64, block: u64) -> u64 {
    size.checked_next_multiple_of(block.max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::numbers::VolumeNumber;
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
            there: BTreeSet::new(),
        })
    }

    fn piece(size: u64, kind: PieceKind, packing: usize) -> Piece {
        Piece { file: String::new(), size, sha256: Sha256::of(b""), kind, packing, is_good: true }
    }

    /// Volumes of these sizes, their recovery files, and spare volumes.
    fn pieces(volumes: &[u64], recovery: &[Option<u64>], spares: &[u64]) -> Vec<Piece> {
        let own = recovery.iter().take(volumes.len()).enumerate();
        let own = own.filter_map(|(volume, size)| size.map(|size| piece(size, PieceKind::Recovery { volume }, 0)));
        let volumes = VolumeNumber::all().zip(volumes);
        let volumes = volumes.map(|(number, size)| piece(*size, PieceKind::Volume { number }, 0));
        volumes.chain(own).chain(spares.iter().map(|size| piece(*size, PieceKind::Spare, 0))).collect()
    }

    fn sizes(most: u64, count: usize) -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(0..most, 0..count)
    }

    fn recovery() -> impl Strategy<Value = Vec<Option<u64>>> {
        prop::collection::vec(prop::option::of(0_u64..300), 20)
    }

    /// Media of one file system tell the same of its space.
    fn agree(media: &mut [Space]) {
        let free: BTreeMap<u64, u64> = media.iter().map(|space| (space.disk, space.free)).collect();
        media.iter_mut().for_each(|space| space.free = free[&space.disk]);
    }

    proptest! {
        #[test]
        fn whole_volumes_in_order_within_the_room(volumes in sizes(3000, 20), mut media in prop::collection::vec(space(), 0..6)) {
            agree(&mut media);
            let pieces = pieces(&volumes, &[], &[]);
            let plan = plan(&pieces, &[], &media);
            let all: Vec<usize> = plan.on.iter().flatten().chain(&plan.rest).copied().collect();
            prop_assert_eq!(all, (0..volumes.len()).collect::<Vec<_>>(), "each once, and in order");
            let (mut used, mut placed): (BTreeMap<u64, u64>, usize) = Default::default();
            for (space, here) in media.iter().zip(&plan.on) {
                let room = space.free.saturating_sub(used.get(&space.disk).copied().unwrap_or_default());
                let takes: u64 = here.iter().map(|index| taken(volumes[*index], space.block)).sum();
                *used.entry(space.disk).or_default() += if here.is_empty() { 0 } else { takes + space.small };
                placed += here.len();
                if let Some(size) = volumes.get(placed) {
                    let fits = takes + space.small + taken(*size, space.block) <= room;
                    prop_assert!(!fits || space.file_limit.is_some_and(|limit| *size > limit), "there was room for more");
                }
            }
        }

        #[test]
        fn every_piece_is_where_it_is_of_use(
            volumes in sizes(3000, 20), own in recovery(), spares in sizes(3000, 4),
            mut media in prop::collection::vec(space(), 0..6),
            there in prop::collection::vec(prop::collection::btree_set(0_usize..30, 0..9), 6),
            away in prop::collection::vec(prop::collection::btree_set(0_usize..30, 0..9), 0..3),
        ) {
            agree(&mut media);
            let pieces = pieces(&volumes, &own, &spares);
            let real = |all: &BTreeSet<usize>| all.iter().copied().filter(|index| *index < pieces.len()).collect::<BTreeSet<_>>();
            media.iter_mut().zip(&there).for_each(|(space, there)| space.there = real(there));
            let away: Vec<_> = away.iter().map(real).collect();
            let plan = plan(&pieces, &away, &media);
            let mut used: BTreeMap<u64, u64> = BTreeMap::new();
            for (space, on) in media.iter().zip(&plan.on).filter(|(_, on)| !on.is_empty()) {
                prop_assert!(on.is_disjoint(&space.there), "what is there is kept");
                prop_assert!(on.iter().all(|index| space.file_limit.is_none_or(|limit| pieces[*index].size <= limit)));
                let takes: u64 = on.iter().map(|index| taken(pieces[*index].size, space.block)).sum();
                *used.entry(space.disk).or_default() += takes + space.small;
            }
            prop_assert!(media.iter().all(|space| used.get(&space.disk).is_none_or(|used| *used <= space.free)));
            let then: Vec<_> = media.iter().zip(&plan.on).map(|(space, on)| &space.there | on).chain(away).collect();
            let all_volumes: BTreeSet<usize> = (0..volumes.len()).collect();
            for (index, piece) in pieces.iter().enumerate() {
                let is_of_use = |all: &BTreeSet<usize>| all.contains(&index) && match piece.kind {
                    PieceKind::Volume { .. } => true,
                    PieceKind::Recovery { volume } => all.contains(&volume),
                    PieceKind::Spare => all.is_disjoint(&all_volumes) || all.is_superset(&all_volumes),
                };
                prop_assert_eq!(plan.rest.contains(&index), !then.iter().any(is_of_use), "{} {:?}", index, plan);
                prop_assert!(plan.on.iter().filter(|on| on.contains(&index)).count() <= 1, "written twice");
            }
        }

        #[test]
        fn so_many_more_are_enough_and_one_less_is_not(
            volumes in sizes(3000, 20), own in recovery(), spares in sizes(3000, 4), empty in 0_u64..6000,
        ) {
            let like = Space { disk: 0, free: 0, small: 100, block: 512, file_limit: None, there: BTreeSet::new() };
            // The first volume is on a medium already, so there will be several.
            let volumes: Vec<u64> = [1].into_iter().chain(volumes).collect();
            let pieces = pieces(&volumes, &[vec![None], own].concat(), &spares);
            let away = [BTreeSet::from([0])];
            let Some(needed) = more(&pieces, &(1..pieces.len()).collect(), empty, &like) else {
                prop_assert_eq!(pieces.len(), 1);
                return Ok(());
            };
            let left: u64 = pieces.iter().skip(1).map(|piece| taken(piece.size, like.block)).sum();
            prop_assert!(needed.free <= left + like.small, "asks for more than is left");
            let media = |count: u64| (0..count).map(|disk| Space { disk, free: needed.free, ..like.clone() }).collect::<Vec<_>>();
            prop_assert!(plan(&pieces, &away, &media(needed.count)).rest.is_empty());
            prop_assert!(!plan(&pieces, &away, &media(needed.count - 1)).rest.is_empty());
            let larger = Space { disk: 0, free: empty.max(needed.free), ..like.clone() };
            let larger: Vec<_> = (0..needed.count).map(|disk| Space { disk, ..larger.clone() }).collect();
            prop_assert!(!plan(&pieces, &away, &larger[..needed.count as usize - 1]).rest.is_empty(), "one less with all the room");
        }

        #[test]
        fn no_numbers_overflow(size in any::<u64>(), free in any::<u64>(), small in any::<u64>(), empty in any::<u64>()) {
            let space = Space { disk: 1, free, small, block: 4096, file_limit: None, there: BTreeSet::new() };
            let pieces = pieces(&[size, size], &[Some(size), Some(1)], &[size]);
            plan(&pieces, &[], std::slice::from_ref(&space));
            more(&pieces, &(0..pieces.len()).collect(), empty, &space);
        }
    }

    #[test]
    fn all_on_one_medium_with_the_spare_beside_and_otherwise_apart() {
        let space = |disk, free| Space { disk, free, small: 0, block: 1, file_limit: None, there: BTreeSet::new() };
        let pieces = pieces(&[10, 10], &[Some(1), Some(1)], &[9]);
        let on = |media: &[Space]| plan(&pieces, &[], media).on.iter().map(|on| on.len()).collect::<Vec<_>>();
        assert_eq!(on(&[space(1, 100), space(2, 100)]), [5, 0]);
        assert_eq!(on(&[space(1, 25), space(2, 100)]), [4, 1], "there is no room beside them");
        assert_eq!(on(&[space(1, 15), space(2, 100)]), [2, 2], "and where a volume is it would be lost with it");
        assert_eq!(on(&[space(1, 15), space(2, 100), space(3, 11)]), [2, 2, 1]);
        assert_eq!(on(&[space(1, 15), space(2, 100), space(3, 8)]), [2, 2, 0]);
        assert_eq!(on(&[space(1, 15), space(3, 10)]), [2, 0], "spares follow the volumes");
    }

    #[test]
    fn spares_are_apart_from_the_volumes_of_their_own_packing() {
        let space = |disk, free| Space { disk, free, small: 0, block: 1, file_limit: None, there: BTreeSet::new() };
        let volume = |packing| piece(10, PieceKind::Volume { number: VolumeNumber::FIRST }, packing);
        let pieces = [volume(0), volume(1), piece(5, PieceKind::Spare, 0), piece(5, PieceKind::Spare, 1)];
        let on = plan(&pieces, &[], &[space(1, 15), space(2, 15)]).on;
        assert_eq!(on, [[0, 2].into(), [1, 3].into()], "beside all volumes of its packing");
        let volumes = [volume(0), volume(0), volume(1), piece(5, PieceKind::Spare, 0)];
        let on = plan(&volumes, &[], &[space(1, 15), space(2, 10), space(3, 15)]).on;
        assert_eq!(on, [[0].into(), [1].into(), [2, 3].into()], "where no volume of its packing is");
    }
}
