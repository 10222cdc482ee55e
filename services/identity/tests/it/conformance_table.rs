//! The table of conformance modules says nothing that is not so.

const TABLE: &str = include_str!("../../../../docs/identity-conformance.md");
const TESTS: [&str; 9] = [
    include_str!("backchannel.rs"),
    include_str!("client_assertions.rs"),
    include_str!("conformance_basic.rs"),
    include_str!("conformance_config.rs"),
    include_str!("conformance_fapi.rs"),
    include_str!("conformance_form_post.rs"),
    include_str!("conformance_logout.rs"),
    include_str!("dpop.rs"),
    include_str!("rotation.rs"),
];

/// Whether a test of this name is there: declared, and marked as one.
fn is_test(name: &str) -> bool {
    let declaration = format!("async fn {name}()");
    TESTS.iter().any(|text| {
        let mut lines =
            text.lines().collect::<Vec<_>>().into_iter().rev().skip_while(|line| !line.starts_with(&declaration));
        lines.nth(1).is_some_and(|line| line.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_module_that_passes_has_a_test_of_its_name() {
    let mut passing = 0;
    for line in TABLE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (module, test, state) = (cells[1].trim_matches('`'), cells[2].trim_matches('`'), cells[3]);
        assert!(["passes", "not offered", "not yet"].contains(&state), "{line}");
        if state == "passes" {
            passing += 1;
            let expected = module.replace('-', "_").to_lowercase();
            assert_eq!(test, expected, "{module}");
            assert!(is_test(test), "there is no test {test}");
        } else {
            assert!(
                !is_test(&module.replace('-', "_").to_lowercase()),
                "{module} has a test, so it is {state} no more"
            );
        }
    }
    assert!(passing > 60, "{passing} modules pass");
}
