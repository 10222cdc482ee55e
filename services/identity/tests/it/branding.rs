//! An organisation's name, colours and logo on the hosted pages.
use crate::browser::Browser;
use crate::flow::{text, web};
use crate::roles::begin;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hitaji_testkit::send;
use serde_json::{Value, json};

const BRANDING: &str = "/identity/v1/branding";

fn png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x20".to_vec();
    bytes.extend([8, 6, 0, 0, 0]);
    bytes
}

#[tokio::test]
async fn pages_look_as_the_organisation_wants() {
    let (app, school, owner) = begin().await;
    let look = json!({"display_name": "Uhuru & Sons", "colour_light": "#7A1F2B", "colour_dark": "#ffd27a", "logo": STANDARD.encode(png())});
    let set = owner.patch(BRANDING, Some(1), &look).await.ok();
    assert_eq!((&set["colour_light"], &set["version"]), (&json!("#7a1f2b"), &json!(2)));
    let logo = text(&set, "logo_path").to_owned();
    let mut browser = Browser::new(&app.address);
    let target = web(&app).authorize(&[("organization", &school.slug)]);
    browser.open(&target).await;
    browser.follow().await;
    let html = browser.html.replace("&#x2f;", "/");
    assert!(html.contains("Uhuru &amp; Sons") && html.contains(&logo), "{html}");
    let policy = browser.headers.get("content-security-policy").unwrap().to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("style-src 'self';"), "{policy}");
    let stylesheet = logo.replace(".png", ".css");
    assert!(html.contains(&stylesheet));
    for (path, kind) in [(&logo, "image/png"), (&stylesheet, "text/css; charset=utf-8")] {
        let asset = app.http.get(format!("{}{path}", app.address)).send().await.unwrap();
        assert_eq!(asset.status().as_u16(), 200, "{path}");
        assert_eq!(asset.headers()["content-type"], kind);
        assert_eq!(asset.headers()["x-content-type-options"], "nosniff");
    }
    // Without the hint the page is ours.
    browser.open(&web(&app).authorize(&[])).await;
    browser.follow().await;
    assert!(!browser.html.contains("Uhuru"));
    owner
        .post("/identity/v1/invitations", &json!({"email": "j@uhuru.example", "name": "J", "roles": ["teacher"]}))
        .await
        .ok();
    app.settle().await;
    let link = app.mailed_link("j@uhuru.example").await;
    assert!(browser.open(&link).await.html.contains("Uhuru &amp; Sons"));
    let bare = owner.patch(BRANDING, Some(2), &json!({"logo": null})).await.ok();
    assert_eq!((&bare["logo_path"], &bare["display_name"]), (&Value::Null, &json!("Uhuru & Sons")));
    let gone = send(app.http.get(format!("{}{logo}", app.address))).await;
    assert_eq!(gone.status, 404);
    let foreign =
        send(app.http.get(format!("{}/assets-id/branding/{}/x.css", app.address, hitaji_core::new_id()))).await;
    assert_eq!(foreign.status, 404);
}

#[tokio::test]
async fn what_cannot_be_read_or_is_no_picture_is_refused() {
    let (app, school, owner) = begin().await;
    let svg = STANDARD.encode("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>");
    for (bad, pointer, code) in [
        (json!({"colour_light": "#ffff00"}), "/colour_light", "low_contrast"),
        (json!({"colour_dark": "#000080"}), "/colour_dark", "low_contrast"),
        (json!({"colour_light": "red; } body { display: none"}), "/colour_light", "malformed"),
        (json!({"display_name": ""}), "/display_name", "malformed"),
        (json!({"logo": svg}), "/logo", "malformed"),
        (json!({"logo": "???"}), "/logo", "malformed"),
        (json!({"logo": STANDARD.encode([png(), vec![0; 70_000]].concat())}), "/logo", "malformed"),
    ] {
        let refused = owner.patch(BRANDING, None, &bad).await.refused(422);
        assert_eq!((text(&refused["errors"][0], "pointer"), text(&refused["errors"][0], "code")), (pointer, code));
    }
    let head = app.join(&school, "head_teacher", "Grace", "grace@uhuru.example").await;
    head.patch(BRANDING, None, &json!({"display_name": "Mine"})).await.refused(403);
}
