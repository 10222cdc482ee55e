//! Everything that identity answers: protocol endpoints, hosted pages and JSON commands.
pub mod api;
pub mod arrival;
pub mod browser;
pub mod dns;
pub mod federation;
pub mod hosted;
pub mod keys;
pub mod membership;
pub mod mint;
pub mod outgoing;
pub mod passwords;
pub mod protocol;
pub mod provider;
pub mod scim;
pub mod session;
pub mod sign_up;
pub mod standing;
pub mod throttle;

use hitaji_web::Route;

pub fn routes() -> Vec<Route> {
    let mut routes = protocol::routes();
    routes.extend(hosted::routes());
    routes.extend(api::routes());
    routes.extend(scim::routes());
    routes
}
