//! Everything that identity answers: protocol endpoints, hosted pages and JSON commands.
pub mod api;
pub mod arrival;
pub mod backchannel;
pub mod browser;
pub mod dns;
pub mod event;
pub mod factors;
pub mod federation;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod hosted;
pub mod keys;
pub mod membership;
pub mod mint;
pub mod notices;
pub mod outgoing;
pub mod passkeys;
pub mod passwords;
pub mod policy;
pub mod programs;
pub mod protocol;
pub mod provider;
pub mod rights;
pub mod rotation;
pub mod scim;
pub mod session;
pub mod sign_up;
pub mod standing;
pub mod texts;
pub mod throttle;

use hitaji_web::Route;

pub fn routes() -> Vec<Route> {
    let mut routes = protocol::routes();
    routes.extend(hosted::routes());
    routes.extend(api::routes());
    routes.extend(scim::routes());
    routes
}
