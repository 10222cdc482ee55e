//! The pages that people see: sign-up, sign-in, invitations, passwords, applications, their own account.
pub mod account;
pub mod branding;
pub mod consent;
pub mod device;
pub mod factor;
pub mod fields;
pub mod forgotten;
pub mod invitation;
pub mod organisations;
pub mod passkeys;
pub mod phone;
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
        Route::get("/sign-in/phone", PAGE, phone::show),
        Route::post("/sign-in/phone", PAGE, phone::submit),
        Route::get("/sign-in/phone/code", PAGE, phone::show_code),
        Route::post("/sign-in/phone/code", PAGE, phone::submit_code),
        Route::get("/account/phone", PAGE, phone::show_own),
        Route::post("/account/phone", PAGE, phone::submit_own),
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
        Route::get("/assets-id/branding/{organisation}/{file}", PAGE, branding::asset),
        Route::get("/consent", PAGE, consent::show),
        Route::post("/consent", PAGE, consent::submit),
        Route::get("/device", PAGE, device::show),
        Route::post("/device", PAGE, device::submit),
        Route::post("/device/decision", PAGE, device::decide),
        Route::get("/sign-in/factor", PAGE, factor::show),
        Route::post("/sign-in/factor", PAGE, factor::submit),
        Route::post("/sign-in/passkey", PAGE, passkeys::submit),
        Route::post("/passkeys/options", PAGE, passkeys::options),
        Route::get("/assets-id/{file}", PAGE, crate::pages::asset),
    ];
    routes.into_iter().chain(account::routes()).map(Route::protocol).collect()
}
