//! A service as data: what it is called, what it needs, owns, answers, publishes and does by itself.
use crate::{Platform, Route, Setup};
use axum::Router;
use hitaji_bus::{Consumer, Job, Parts};
use hitaji_core::resource::ResourceDef;
use hitaji_core::{Permission, RoleTemplate};
use hitaji_db::{Home, Migration};

/// A live topic: events of these types reach sockets whose person holds all these permissions.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// `school.attendance`.
    pub name: &'static str,
    pub service: &'static str,
    pub needs: &'static [&'static str],
    pub types: &'static [&'static str],
}

/// Everything the platform knows of a service. Plain data and functions, so that tests can walk it.
#[derive(Clone, Copy)]
pub struct Service {
    pub name: &'static str,
    pub summary: &'static str,
    /// Where its schema is.
    pub home: Home,
    /// A product that an organisation has or has not; others are there for everybody.
    pub product: bool,
    /// Services it asks by REST.
    pub needs: &'static [&'static str],
    pub permissions: &'static [Permission],
    pub roles: &'static [RoleTemplate],
    pub resources: &'static [&'static ResourceDef],
    pub migrations: &'static [Migration],
    pub topics: &'static [Topic],
    pub consumers: &'static [Consumer],
    pub jobs: &'static [Job],
    pub routes: fn() -> Vec<Route>,
    /// Reads its configuration and makes what it keeps for the life of the process.
    pub setup: fn(&Setup) -> Result<Parts, String>,
    /// Adds what is not a route (Socket.IO).
    pub wrap: Option<fn(Router, &Platform) -> Router>,
}
