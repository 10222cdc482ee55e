//! What services keep for the life of the process (keys, mailers, rooms), found by type.
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// A set of values, one of each type.
#[derive(Clone, Default)]
pub struct Parts(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Parts {
    pub fn insert<T: Any + Send + Sync>(&mut self, part: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(part));
    }

    /// The part of this type.
    ///
    /// # Panics
    /// When no service put one in: a mistake of wiring that the first test meets.
    pub fn get<T: Any + Send + Sync>(&self) -> Arc<T> {
        self.find().unwrap_or_else(|| panic!("no part of type {}", std::any::type_name::<T>()))
    }

    pub fn find<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).cloned().and_then(|part| part.downcast().ok())
    }

    pub fn extend(&mut self, other: Parts) {
        self.0.extend(other.0);
    }
}
