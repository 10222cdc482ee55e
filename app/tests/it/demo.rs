//! `hitaji up --demo`: the believable school comes to be, also where requests are limited.
use crate::clients::Up;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_made_within_the_limits_that_hold_for_everybody() {
    let tight = [("HITAJI__LIMITS__SUBJECT_BURST", "60"), ("HITAJI__LIMITS__SUBJECT_PER_S", "200")];
    let up = Up::start_with(&["--demo"], &tight).await;
    let ready = up.ready();
    for address in ["address", "operations_address", "mail_address"] {
        let url = ready[address].as_str().expect("an address");
        let answer = reqwest::get(format!("{url}/")).await.expect("an answer");
        assert!(!answer.status().is_server_error(), "{url}");
    }
    let accounts = ready["accounts"].as_array().expect("accounts");
    let of = |organisation: &str| accounts.iter().filter(|account| account["organisation"] == organisation).count();
    assert_eq!((of("uhuru-academy"), of("nyota-primary")), (7, 1), "{accounts:?}");
    assert!(accounts.iter().all(|account| account["password"].is_string() && account["email"].is_string()));
}
