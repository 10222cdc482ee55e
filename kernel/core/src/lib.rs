//! What every other crate speaks in: ids, money, time, errors, events, declared resources and configuration. No I/O.
pub mod api_key;
pub mod clock;
pub mod config;
pub mod error;
pub mod event;
pub mod id;
pub mod money;
pub mod permission;
pub mod phone;
pub mod resource;

pub use clock::Clock;
pub use config::Config;
pub use error::{ErrorCode, FieldError};
pub use event::{CloudEvent, Event};
pub use id::{AccountId, TenantId, new_id};
pub use money::Money;
pub use permission::{Permission, PermissionSet, RoleTemplate, Tier, is_operators};
pub use phone::normal_phone;
