//! The golden path in a real browser: sign-up, class list, invitations, a register on a phone, the live dashboard.
use crate::clients::{Up, node};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// $CHROMIUM, else Debian's.
fn need_chromium() {
    let chromium = std::env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    let asked = Command::new(&chromium).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = asked.is_ok_and(|status| status.success());
    assert!(there, "{} does not run: run `./dev test`, or set CHROMIUM to a Chromium or Chrome", chromium.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_signs_up_a_teacher_marks_a_register_the_head_teacher_sees_it_live() {
    need_chromium();
    let node = node();
    Up::start().await.run(&node, "golden-path.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_suspends_an_organisation_and_works_in_it_by_its_consent() {
    need_chromium();
    let node = node();
    Up::start().await.run(&node, "console.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_reads_the_sign_in_history_and_signs_a_member_out_after_a_new_sign_in() {
    need_chromium();
    let node = node();
    Up::start().await.run(&node, "sign-ins.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_of_chromiums_virtual_authenticator_signs_in_with_and_without_a_password() {
    need_chromium();
    let node = node();
    Up::start().await.run(&node, "passkey.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_and_the_keyboard_find_nothing_wrong_with_the_hosted_pages() {
    need_chromium();
    let node = node();
    Up::start().await.run(&node, "hosted-pages.mjs").await;
}
