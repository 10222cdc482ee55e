//! Drift of every kind is found and named; a clone and a database migrated step by step are the same.
use crate::fleet::{Fleet, Stage, options};
use crate::program;
use hitaji_db::{HOME_CLUSTER, Home, roles};
use hitaji_fleet::drift::{check, differences, from_nothing, open_maintenance};

#[tokio::test]
async fn a_clone_is_what_the_steps_make_one_by_one() {
    let fleet = Fleet::start().await;
    let new = fleet.program(program::newest());
    new.prepare().await.unwrap();
    let tenants = fleet.sign_up(&new, 1).await;
    let clone = fleet.catalogue(&new, &fleet.database(tenants[0]).await).await;
    let stepwise = from_nothing(&new, HOME_CLUSTER, &new.plan(Home::Tenant)).await.unwrap();
    assert_eq!(differences(&stepwise, &clone), Vec::<String>::new());
    assert_eq!(stepwise, clone);
    assert!(clone.contains_key("column synthetic.pupil.grade") && clone.len() > 100, "{}", clone.len());
    // And one that was brought up to date is the same too.
    let old = fleet.program(program::old());
    let other = Fleet::start().await;
    let (before, after) = (other.program(program::old()), other.program(program::newest()));
    before.prepare().await.unwrap();
    let migrated = other.sign_up(&before, 1).await;
    assert_eq!(other.migrate(&after, &options()).await.problem, None);
    assert_eq!(other.catalogue(&after, &other.database(migrated[0]).await).await, clone);
    drop(old);
}

#[tokio::test]
async fn every_kind_of_drift_is_named() {
    let fleet = Fleet::start().await;
    let databases = fleet.program(program::new());
    databases.prepare().await.unwrap();
    let tenants = fleet.sign_up(&databases, 2).await;
    let clean = check(&databases, None).await.unwrap();
    assert!(clean.is_clean(), "{clean:?}");
    let broken = fleet.database(tenants[0]).await;
    let changes =
        "alter table synthetic.pupil drop column grade, add column extra text, alter column name drop not null;
         alter table synthetic.pupil drop constraint pupil_score_check;
         drop index synthetic.pupil_name; drop table synthetic.mark;
         create or replace function synthetic.greet() returns text language sql as $$ select 'other' $$;
         alter table synthetic.pupil disable trigger stamp;
         grant delete on synthetic.pupil to hitaji_app; grant create on schema synthetic to hitaji_app;
         alter sequence synthetic.pupil_id_seq increment by 2;
         alter type synthetic.mood add value 'so-so';
         create table synthetic.stray (id integer);
         create schema stray;
         create function synthetic.hitaji_journal_write() returns text language sql as $$ select 'left out' $$;";
    fleet.run(&broken, changes).await;
    let found = check(&databases, None).await.unwrap();
    let named = |wanted: &str| {
        assert!(
            found.databases[0].drift.iter().any(|said| said == wanted),
            "{wanted}\n{:#?}",
            found.databases[0].drift
        );
    };
    named("synthetic.pupil: column grade is missing");
    named("synthetic.pupil: column extra is not part of the schema");
    named("synthetic.pupil: column name is not as the schema says");
    named("synthetic.pupil: constraint pupil_score_check is missing");
    named("synthetic.pupil_name: the index is missing");
    named("synthetic.mark: the table is missing");
    named("synthetic.greet(): the function is not as the schema says");
    named("synthetic.pupil: trigger stamp is not as the schema says");
    named("synthetic.pupil: who has rights on it is not as the schema says");
    named("synthetic: who has rights on it is not as the schema says");
    named("synthetic.pupil_id_seq: the sequence is not as the schema says");
    named("synthetic.mood: the type is not as the schema says");
    named("synthetic.stray: the table is not part of the schema");
    named("stray: the schema is not part of the schema");
    assert!(!found.databases[0].drift.iter().any(|said| said.contains("journal") || said.contains("mark.value")));
    assert!(found.databases[1].drift.is_empty() && !found.is_clean());
    let written = format!("select json_array_length(drift) from directory.database where name = '{broken}'");
    assert_eq!(fleet.control::<i32>(&written).await, i32::try_from(found.databases[0].drift.len()).unwrap());
    assert!(check(&databases, Some(tenants[1])).await.unwrap().is_clean());
}

#[tokio::test]
async fn open_doors_are_found() {
    let fleet = Fleet::start().await;
    let databases = fleet.program(program::new());
    databases.prepare().await.unwrap();
    let tenants = fleet.sign_up(&databases, 3).await;
    let (open, shared) = (fleet.database(tenants[0]).await, fleet.database(tenants[1]).await);
    fleet.run("postgres", &format!("grant connect on database {open} to public")).await;
    let stranger = format!("select login_role from directory.database where name = '{open}'");
    let stranger: String = fleet.control(&stranger).await;
    fleet.run("postgres", &format!("grant connect on database {shared} to {}", roles::quote(&stranger))).await;
    fleet.run("postgres", &format!("alter database {} allow_connections true", databases.template())).await;
    let found = check(&databases, None).await.unwrap();
    assert_eq!(found.databases[0].drift, ["every role of the cluster has the right CONNECT on the database"]);
    assert!(found.databases[1].drift[0].contains(&format!("the role {stranger} has the right CONNECT")));
    assert!(found.databases[2].drift.is_empty());
    assert_eq!(found.clusters[0].1, [format!("the template {} accepts connections", databases.template())]);

    fleet.run("postgres", &format!("create database {}x", fleet.control)).await;
    let doors = open_maintenance(&databases).await.unwrap();
    assert!(doors.contains(&(HOME_CLUSTER.to_owned(), format!("{}x", fleet.control))), "{doors:?}");
}

/// The truth stands in the database: what the directory says of it is put right.
#[tokio::test]
async fn the_directory_is_put_right() {
    let fleet = Fleet::start().await;
    let (old, new) = (fleet.program(program::old()), fleet.program(program::new()));
    old.prepare().await.unwrap();
    let tenants = fleet.sign_up(&old, 2).await;
    new.prepare().await.unwrap();
    // As after a restore from an older backup.
    fleet
        .run(
            &fleet.control,
            &format!("update directory.database set schema = '{}' where state = 'claimed'", new.fingerprint()),
        )
        .await;
    // A schema whose template was made by a program that kept no catalogue.
    fleet.run(&fleet.control, "update directory.schema set catalogue = null").await;
    assert_eq!(fleet.migrate(&new, &options()).await.done, 0);
    let found = check(&new, None).await.unwrap();
    assert!(found.is_clean(), "{found:?}");
    assert!(found.databases.iter().all(|checked| checked.note.is_some()));
    let kept =
        format!("select catalogue is not null from directory.schema where fingerprint = '{}'", old.fingerprint());
    assert!(fleet.control::<bool>(&kept).await);
    assert_eq!(fleet.migrate(&new, &options()).await.done, 2);
    assert_eq!(fleet.stage(&fleet.database(tenants[1]).await).await, Stage::After);
    assert!(check(&new, None).await.unwrap().databases.iter().all(|checked| checked.note.is_none()));
    // An older program does not know this schema, but what was kept of it does.
    let by_old = check(&old, None).await.unwrap();
    assert!(by_old.databases.iter().all(|checked| checked.note.is_none() && checked.drift.is_empty()), "{by_old:?}");
}
