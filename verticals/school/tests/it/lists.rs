//! The resource engine's lists: keyset pages, sorts, filters, search, cursors.
use crate::world::School;
use serde_json::{Value, json};
use std::cmp::Ordering;

/// Twelve pupils with ties in every sort column, and some dates of birth left out.
async fn world() -> School {
    let school = School::empty().await;
    for n in 0..12 {
        let (first, last) = (["Asha", "Brian", "Chebet"][n % 3], ["Kamau", "Otieno"][n / 3 % 2]);
        let sex = if n % 3 == 1 { "male" } else { "female" };
        let mut pupil =
            json!({"admission_number": format!("P{n:02}"), "first_name": first, "last_name": last, "sex": sex});
        if n % 4 != 0 {
            pupil["date_of_birth"] = json!(format!("201{}-03-0{}", n % 3, n % 2 + 1));
        }
        school.owner.post("/school/v1/students", &pupil).await.ok();
    }
    school
}

/// What the sort asks for: empty values last when ascending, first when descending; ties by id.
fn compare(sort: &str, left: &Value, right: &Value) -> Ordering {
    let text = |row: &Value, name: &str| row[name].as_str().map(str::to_owned);
    let mut last_descending = false;
    for part in sort.split(',') {
        let (name, descending) = part.strip_prefix('-').map_or((part, false), |name| (name, true));
        last_descending = descending;
        let order = match (text(left, name), text(right, name)) {
            (Some(left), Some(right)) => left.cmp(&right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        };
        if order != Ordering::Equal {
            return if descending { order.reverse() } else { order };
        }
    }
    let order = text(left, "id").cmp(&text(right, "id"));
    if last_descending { order.reverse() } else { order }
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().filter_map(|row| row["id"].as_str()).collect()
}

#[tokio::test]
async fn every_sort_pages_completely_while_rows_come_in() {
    let school = world().await;
    let sorts = [
        "last_name",
        "-last_name",
        "date_of_birth",
        "-date_of_birth",
        "last_name,-date_of_birth",
        "-date_of_birth,first_name",
        "date_of_birth,last_name,-first_name",
        "-first_name,-admission_number",
    ];
    let mut late = 0;
    for sort in sorts {
        let before = school.all(&school.owner, "students", &format!("sort={sort}")).await;
        let mut expected = before.clone();
        expected.sort_by(|left, right| compare(sort, left, right));
        assert_eq!(ids(&before), ids(&expected), "{sort}");
        let (mut walked, mut path) = (Vec::new(), format!("/school/v1/students?limit=3&sort={sort}"));
        loop {
            let page = school.owner.get(&path).await.ok();
            walked.extend(page["data"].as_array().expect("a list").iter().cloned());
            assert!(walked.len() < 500, "{sort}: the pages have no end");
            let Some(cursor) = page["page"]["next"].as_str() else { break };
            path = format!("/school/v1/students?limit=3&sort={sort}&cursor={cursor}");
            // Somewhere in the order, before or after the cursor; one of them without a date.
            late += 1;
            let last = ["Aa", "Kamau", "Zz"][late % 3];
            let mut pupil =
                json!({"admission_number": format!("L{late:03}"), "first_name": "Brian", "last_name": last});
            if late % 2 == 0 {
                pupil["date_of_birth"] = json!("2011-03-02");
            }
            school.owner.post("/school/v1/students", &pupil).await.ok();
        }
        let mut in_order = walked.clone();
        in_order.sort_by(|left, right| compare(sort, left, right));
        in_order.dedup();
        assert_eq!(ids(&walked), ids(&in_order), "{sort}: in order and nobody twice");
        let found: Vec<&str> = ids(&walked).into_iter().filter(|id| ids(&before).contains(id)).collect();
        assert_eq!(found, ids(&before), "{sort}: nobody hidden");
    }
    school.app.settle().await;
}

#[tokio::test]
async fn filters_operators_and_search_find_what_they_say() {
    let school = world().await;
    school
        .owner
        .post("/school/v1/students", &json!({"admission_number": "100%_x", "first_name": "Per", "last_name": "Cent"}))
        .await
        .ok();
    let cases = [
        ("sex=male", "P01 P04 P07 P10"),
        ("admission_number=P03,P05", "P03 P05"),
        ("date_of_birth[null]=true", "100%_x P00 P04 P08"),
        ("date_of_birth[gte]=2012-03-01", "P02 P05 P11"),
        ("date_of_birth[gt]=2012-03-01", "P05 P11"),
        ("date_of_birth[gte]=2010-01-01&date_of_birth[lt]=2011-01-01", "P03 P06 P09"),
        ("date_of_birth[lte]=2010-03-01", "P06"),
        ("sex[ne]=female", "100%_x P01 P04 P07 P10"),
        ("q=asha kamau", "P00 P06"),
        ("q=KAMAU", "P00 P01 P02 P06 P07 P08"),
        ("q=100%25_", "100%_x"),
        ("q=_", "100%_x"),
        ("q=%5C", ""),
        ("q=", "100%_x P00 P01 P02 P03 P04 P05 P06 P07 P08 P09 P10 P11"),
        ("q=asha&sex=female&admission_number[gt]=P03", "P06 P09"),
        ("status=active&sex=male&date_of_birth[null]=true", "P04"),
        ("status=left", ""),
    ];
    for (query, expected) in cases {
        let page = school
            .owner
            .get(&format!("/school/v1/students?sort=admission_number&count=true&{}", query.replace(' ', "+")))
            .await
            .ok();
        let found: Vec<&str> =
            page["data"].as_array().into_iter().flatten().filter_map(|row| row["admission_number"].as_str()).collect();
        assert_eq!(found.join(" "), expected, "{query}");
        assert_eq!(page["page"]["total"], found.len(), "{query}");
    }
    school.app.settle().await;
}

#[tokio::test]
async fn what_a_list_does_not_know_is_refused() {
    let school = world().await;
    let refused = [
        "colour=red",
        "shoe[gte]=1",
        "first_name=Asha",
        "date_of_birth[like]=2",
        "date_of_birth[gte=2011-01-01",
        "date_of_birth=yesterday",
        "date_of_birth=2011-3-1",
        "date_of_birth[gte]=2011-13-01",
        "household=me",
        "sex=other",
        "sort=colour",
        "sort=",
        "sort=sex",
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=ten",
        "limit=",
        "count=maybe",
        "date_of_birth[null]=perhaps",
        "cursor=",
        "cursor=nonsense",
        "date_of_birth[gte]=-9999-01-01",
        "date_of_birth[gte]=%2B99999-01-01",
        "national_id=%00",
        "q=%00",
        "q=%FF",
        "%FF=1",
        "q=%zz",
    ];
    for query in refused {
        let refusal = school.owner.get(&format!("/school/v1/students?{query}")).await;
        assert_eq!(refusal.status, 400, "{query}: {}", refusal.body);
        assert_eq!(refusal.header("content-type"), Some("application/problem+json"));
    }
    school.app.settle().await;
}

#[tokio::test]
async fn a_cursor_fits_only_the_list_that_gave_it() {
    let school = world().await;
    let page = school.owner.get("/school/v1/students?limit=4&sort=-last_name&sex=female").await;
    let cursor = page.body["page"]["next"].as_str().expect("a next page").to_owned();
    let link =
        page.header("link").and_then(|link| link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")).expect("a link");
    let by_link = school.owner.get(link).await.ok();
    // Another limit and the wish for a total are the same list; the order of parameters says nothing.
    let same = school
        .owner
        .get(&format!("/school/v1/students?sex=female&cursor={cursor}&sort=-last_name&limit=4&count=true"))
        .await
        .ok();
    assert_eq!((&by_link["data"], &same["page"]["total"]), (&same["data"], &json!(8)));

    let mut bent = cursor.clone().into_bytes();
    for index in 0..bent.len() {
        let kept = bent[index];
        bent[index] = if kept == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(bent.clone()).expect("ASCII");
        let refusal = school
            .owner
            .get(&format!("/school/v1/students?limit=4&sort=-last_name&sex=female&cursor={text}"))
            .await
            .refused(400);
        assert_eq!(refusal["code"], "invalid_cursor", "character {index}");
        bent[index] = kept;
    }
    let elsewhere = [
        "students?limit=4&sort=-last_name&sex=male",
        "students?limit=4&sort=last_name&sex=female",
        "students?limit=4&sort=-last_name",
        "students?limit=4&sort=-last_name&sex=female&q=a",
        "guardians?limit=4",
    ];
    for other in elsewhere {
        let refusal = school.owner.get(&format!("/school/v1/{other}&cursor={cursor}")).await.refused(400);
        assert_eq!(refusal["code"], "invalid_cursor", "{other}");
    }
    let neighbour = school.app.organisation("Neighbour School").await;
    let stranger = school.app.owner(&neighbour).await;
    stranger.get(&format!("/school/v1/students?limit=4&sort=-last_name&sex=female&cursor={cursor}")).await.refused(400);
    school.app.settle().await;
}
