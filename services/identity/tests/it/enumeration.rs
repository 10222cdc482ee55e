//! Nobody learns who has an account: not by words, not by status, not by what the answer costs.
use crate::browser::Browser;
use crate::flow::start_with;
use hitaji_testkit::TestApp;
use std::time::{Duration, Instant};

async fn audited(app: &TestApp) -> i64 {
    let rows = app.control_rows("select count(*) as count from hitaji.audit where service = 'identity'").await;
    rows[0]["count"].as_i64().unwrap()
}

/// One attempt: status, page, time, audit rows.
async fn attempt(app: &TestApp, page: &str, fields: &[(&str, &str)]) -> (u16, String, Duration, i64) {
    let mut browser = Browser::new(&app.address);
    browser.open(page).await;
    let (before, began) = (audited(app).await, Instant::now());
    browser.submit(fields).await;
    let took = began.elapsed();
    (browser.status, browser.bare().replace(fields[0].1, ""), took, audited(app).await - before)
}

#[tokio::test]
async fn known_and_unknown_addresses_cost_and_show_the_same() {
    let app = start_with(|settings| {
        settings.insert("codes_per_recipient_per_hour".into(), 1000.into());
    })
    .await;
    let school = app.organisation("Uhuru Academy").await;
    for page in ["/sign-in", "/forgot-password"] {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for round in 0..20_i64 {
            // Long enough apart that nobody waits for earlier attempts.
            app.clock.set(hitaji_testkit::at("2026-05-12T06:00:00Z") + chrono::TimeDelta::minutes(round * 30));
            let nobody = format!("nobody{round}@uhuru.example");
            for (email, times) in [(school.owner_email.as_str(), &mut known), (&nobody, &mut unknown)] {
                let fields: &[(&str, &str)] = &[("email", email), ("password", "a wild guess")];
                times.push(attempt(&app, page, fields).await);
            }
            let (one, other) = (known.last().unwrap(), unknown.last().unwrap());
            assert_eq!((one.0, &one.1, one.3), (other.0, &other.1, other.3), "{page}: status, words, rows");
            assert_eq!(one.3, 1, "{page}: one row says that somebody tried");
        }
        let median = |times: &mut Vec<(u16, String, Duration, i64)>| {
            times.sort_by_key(|time| time.2);
            times[times.len() / 2].2
        };
        // Printed, not judged: other work on the machine is louder than what would be heard here.
        println!("{page}: known {:?}, unknown {:?}", median(&mut known), median(&mut unknown));
    }
}
