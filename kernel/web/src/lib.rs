//! From a request to a `Ctx` and back: services and their routes, authority, problems, limits, OpenAPI, health.
mod answer;
mod assemble;
mod ctx;
mod extract;
mod guard;
mod keys;
mod limits;
mod openapi;
mod peers;
mod platform;
mod problem;
mod route;
mod service;
mod telemetry;
mod token;

pub use answer::Answer;
pub use assemble::{Assembled, assemble};
pub use ctx::{Ctx, PlatformCtx, Request};
pub use extract::{Body, Id, Params, Upload};
pub use openapi::document;
pub use peers::{Peer, Peers};
pub use platform::{Denylist, Platform, Registry, Setup};
pub use problem::Problem;
pub use route::{Access, Idempotency, Route, Schema};
pub use service::{Service, Topic};
pub use telemetry::operations_router;
pub use token::{Claims, TOKEN_AUDIENCE, Verified};
