//! The pages that people see: sign-up, sign-in, invitations, passwords.
pub mod fields;
pub mod forgotten;
pub mod invitation;
pub mod organisations;
pub mod sign_in;
pub mod sign_up;

use crate::http::federation::{attempt, callback, connect};
use hitaji_web::{Access, Route};

const PAGE: Access = Access::Public("people are not signed in yet, or end being so");

pub fn routes() -> Vec<Route> {
    let routes = [
        Route::get("/sign-up", PAGE, sign_up::show),
        Route::post("/sign-up", PAGE, sign_up::submit),
        Route::get("/sign-in", PAGE, sign_in::show),
        Route::post("/sign-in", PAGE, sign_in::submit),
        Route::get("/sign-in/with/{provider}", PAGE, attempt::start),
        Route::get("/sign-in/callback/{provider}", PAGE, callback::show),
        Route::get("/sign-in/connect/{token}", PAGE, connect::show),
        Route::post("/sign-in/connect/{token}", PAGE, connect::submit),
        Route::get("/sign-in/organisation", PAGE, organisations::show),
        Route::post("/sign-in/organisation", PAGE, organisations::submit),
        Route::get("/invitations/{token}", PAGE, invitation::show),
        Route::post("/invitations/{token}", PAGE, invitation::submit),
        Route::get("/forgot-password", PAGE, forgotten::show),
        Route::post("/forgot-password", PAGE, forgotten::submit),
        Route::get("/reset-password/{token}", PAGE, forgotten::show_reset),
        Route::post("/reset-password/{token}", PAGE, forgotten::submit_reset),
        Route::get("/assets-id/{file}", PAGE, crate::pages::stylesheet),
    ];
    routes.into_iter().map(Route::protocol).collect()
}
