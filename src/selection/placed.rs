//! A table of the selection with the place that it names.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use crate::kind::Kind;

/// A table of the selection, with the place that it names: one of several that exclude each other.
#[derive(Clone, Debug)]
pub struct Placed<T: PlacedTable> {
    /// The place.
    pub place: T::Place,
    table: T,
}

/// A table as it is written: its keys for places are all optional.
pub trait PlacedTable {
    /// The places that it can name.
    type Place: Clone + fmt::Debug;

    /// The kind that it is for.
    const KIND: Kind;

    /// Its name in messages.
    fn title(&self) -> String;

    /// Takes the place out of the table. The error says what contradicts itself, or what is missing.
    fn take_place(&mut self) -> Result<Self::Place, String>;

    /// The paths in a place.
    fn paths_of(place: &mut Self::Place) -> Vec<&mut PathBuf>;
}

impl<T: PlacedTable> Placed<T> {
    /// The place, and the rest of the table.
    pub(super) fn parts(&mut self) -> (&mut T::Place, &mut T) {
        (&mut self.place, &mut self.table)
    }

    /// The paths in the place.
    pub(super) fn place_paths(&mut self) -> Vec<&mut PathBuf> {
        T::paths_of(&mut self.place)
    }
}

impl<T: PlacedTable> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.table
    }
}

impl<T: PlacedTable> DerefMut for Placed<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.table
    }
}

impl<'de, T: PlacedTable + Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = T::deserialize(deserializer)?;
        let title = table.title();
        let place = table.take_place();
        let place =
            place.map_err(|reason| serde::de::Error::custom(format_args!("[[{}]] {title}: {reason}", T::KIND)))?;
        Ok(Self { place, table })
    }
}
