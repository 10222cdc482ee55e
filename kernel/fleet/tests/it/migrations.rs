//! Runs that fail on some databases: what is done, what is not, and what old programs notice of it.
use crate::fleet::{Fleet, Stage, moment, options, until};
use crate::program;
use chrono::TimeDelta;
use hitaji_db::HOME_CLUSTER;
use hitaji_fleet::migrate::{Event, Options, migrate, plan, status};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// F12: one bad database stays wholly behind with its error, the others are done; retried once it is repaired.
#[tokio::test]
async fn one_bad_database_stays_wholly_behind() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    let tenants = fleet.sign_up(&old, 40).await;
    fleet.spoil(tenants[16]).await;
    let new = fleet.program(program::new());

    let strict = Options { failures_max: Some(1), parallel: 1, ..options() };
    let halted = fleet.migrate(&new, &strict).await;
    assert_eq!((halted.done, halted.failed), (16, 1), "{halted:?}");
    assert!(halted.problem.unwrap().contains("stopped in wave 4"));
    assert_eq!(fleet.stages().await, [(Stage::Before, 24), (Stage::After, 16)].into());
    assert_eq!(fleet.stage(&fleet.database(tenants[15]).await).await, Stage::After);
    assert_eq!(fleet.stage(&fleet.database(tenants[16]).await).await, Stage::Before);

    // The budget is spent, so it does not go on by itself; with a larger one it does, and touches only what remains.
    let again = fleet.migrate(&new, &strict).await;
    assert_eq!((again.done, again.failed), (16, 1));
    let gone_on = fleet.migrate(&new, &options()).await;
    assert_eq!((gone_on.done, gone_on.failed), (39, 1), "{gone_on:?}");
    assert_eq!(fleet.stages().await, [(Stage::Before, 1), (Stage::After, 39)].into());
    assert_eq!(fleet.control::<i64>("select sum(attempts) from directory.migration_result").await, 40);

    let said = status(&new).await.unwrap();
    let run = said.run.unwrap();
    assert_eq!((run.state.as_str(), run.done, run.failed, run.pending), ("halted", 39, 1, 0));
    assert!(said.failed[0].error.as_ref().unwrap().contains("pupil_score_check"), "{:?}", said.failed);
    assert_eq!(said.schemas.iter().map(|(_, count)| *count).sum::<i64>(), 40);
    assert_eq!(said.schemas.iter().find(|(schema, _)| *schema == Some(new.fingerprint())).unwrap().1, 39);

    fleet.run(&fleet.database(tenants[16]).await, "update synthetic.pupil set score = 1").await;
    let repaired = fleet.migrate(&new, &Options { retry: true, ..options() }).await;
    assert_eq!((repaired.done, repaired.failed, repaired.problem), (40, 0, None));
    assert_eq!(fleet.stages().await, [(Stage::After, 40)].into());
    assert_eq!(status(&new).await.unwrap().run.unwrap().state, "done");
}

/// H9: a patch that fails here and there stops the run after at most five.
#[tokio::test]
async fn a_bad_patch_stops_after_at_most_five() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    let tenants = fleet.sign_up(&old, 36).await;
    for tenant in tenants.iter().skip(6).step_by(3) {
        fleet.spoil(*tenant).await;
    }
    let new = fleet.program(program::new());
    let started = Instant::now();
    let halted = fleet.migrate(&new, &options()).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(halted.failed, 5, "{halted:?}");
    let stages = fleet.stages().await;
    assert_eq!(stages.get(&Stage::Between), None);
    assert_eq!(stages[&Stage::After], halted.done);
    assert_eq!(fleet.results("failed").await, 5);
}

/// One failure is enough to stop while few have been touched.
#[tokio::test]
async fn the_first_waves_forgive_nothing() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    let tenants = fleet.sign_up(&old, 4).await;
    fleet.spoil(tenants[0]).await;
    let new = fleet.program(program::new());
    let halted = fleet.migrate(&new, &options()).await;
    assert_eq!((halted.done, halted.failed), (0, 1), "{halted:?}");
    assert_eq!(fleet.stages().await, [(Stage::Before, 4)].into());
    let forced = fleet.migrate(&new, &Options { failures_max: Some(9), ..options() }).await;
    assert_eq!((forced.done, forced.failed), (3, 1), "{forced:?}");
}

/// What breaks on a copy of the largest organisation touches nobody; what does not, is told with its times.
#[tokio::test]
async fn a_rehearsal_on_copies_comes_first() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    let tenants = fleet.sign_up(&old, 3).await;
    let big = fleet.database(tenants[1]).await;
    fleet
        .run(
            &big,
            "insert into synthetic.pupil (name, score) select 'Atieno ' || n, n from generate_series(1, 20000) n",
        )
        .await;
    fleet.run(&big, "insert into synthetic.register select id, '2026-01-05' from synthetic.pupil").await;
    fleet.run(&big, "update synthetic.pupil set score = -5 where id = 77").await;
    let new = fleet.program(program::new());
    let reports = Mutex::new(Vec::new());
    let hear = |event| {
        if let Event::Shadow(report) = event {
            reports.lock().unwrap().push(report);
        }
    };
    let wished = Options { shadow: 1, ..Options::default() };
    let halted = migrate(&new, &wished, &hear).await.unwrap();
    assert!(halted.problem.as_ref().unwrap().contains("no organisation was touched"), "{halted:?}");
    assert_eq!(fleet.stages().await, [(Stage::Before, 3)].into());
    // Nor do new ones get the schema that did not work.
    fleet.sign_up(&old, 1).await;
    assert_eq!(fleet.stages().await, [(Stage::Before, 4)].into());

    fleet.run(&big, "update synthetic.pupil set score = 5 where id = 77").await;
    let done = migrate(&new, &wished, &hear).await.unwrap();
    assert_eq!((done.done, done.problem), (4, None));
    let reports = reports.into_inner().unwrap();
    assert_eq!(reports.iter().map(|report| report.database.as_str()).collect::<Vec<_>>(), [&big, &big]);
    assert!(reports[0].error.as_ref().unwrap().contains("pupil_score_check"));
    assert!(reports[1].error.is_none() && reports[1].rows >= 40_001, "{:?}", reports[1]);
    let copies = format!("select count(*) from pg_database where datname = '{}_shadow'", fleet.control);
    assert_eq!(fleet.ask::<i64>("postgres", &copies).await, 0);
    // Nor does one stay that a killed runner left.
    fleet.run("postgres", &format!("create database {}_shadow", fleet.control)).await;
    assert_eq!(fleet.migrate(&new, &options()).await.problem, None);
    assert_eq!(fleet.ask::<i64>("postgres", &copies).await, 0);
}

/// An old program serves, signs up and cleans up beside the run and after it.
#[tokio::test]
async fn an_old_program_works_beside_the_new_one() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    let tenants = fleet.sign_up(&old, 12).await;
    let new = fleet.program(program::new());
    let running = tokio::spawn(async move {
        let outcome = migrate(&new, &Options { parallel: 1, ..options() }, &|_| {}).await;
        (new, outcome.unwrap())
    });
    let mut late = Vec::new();
    while !running.is_finished() {
        for tenant in &tenants {
            fleet.work(&old, *tenant).await;
        }
        if late.len() < 3 {
            late.extend(fleet.sign_up(&old, 1).await);
        }
    }
    let (new, outcome) = running.await.unwrap();
    assert_eq!(outcome.problem, None);
    late.extend(fleet.sign_up(&old, 1).await);
    for tenant in tenants.iter().chain(&late) {
        fleet.work(&old, *tenant).await;
        fleet.work(&new, *tenant).await;
    }
    // Those of the sign-ups after the schema was offered have it, those before were found by the run.
    assert_eq!(fleet.stages().await, [(Stage::After, tenants.len() + late.len())].into());

    assert!(new.refill().await.unwrap());
    let ready =
        format!("select count(*) from directory.database where state = 'ready' and schema = '{}'", new.fingerprint());
    let before: i64 = fleet.control(&ready).await;
    old.reap(TimeDelta::zero()).await.unwrap();
    assert_eq!(fleet.control::<i64>(&ready).await, before);
    assert!(before > 0);
    // Its own migration finds nothing to do, and takes nothing back.
    let by_old = fleet.migrate(&old, &options()).await;
    assert_eq!((by_old.done, by_old.problem), (0, None));
    let newest: String = fleet.control("select fingerprint from directory.schema order by place desc limit 1").await;
    assert_eq!(newest, new.fingerprint());
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let fleet = Fleet::start().await;
    let new = fleet.program(program::new());
    let empty = plan(&new, 3).await.unwrap();
    assert!(empty.groups.is_empty() && empty.control.len() >= 4);
    let ours = format!("select count(*) from pg_database where starts_with(datname::text, '{}')", fleet.control);
    assert_eq!(fleet.ask::<i64>("postgres", &ours).await, 0);

    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    fleet.sign_up(&old, 5).await;
    let snapshot = "select md5(concat((select json_agg(d order by d.id) from directory.database d), (select json_agg(s order by s.place) from directory.schema s),
                        (select count(*) from directory.migration_run), (select count(*) from pg_class)))";
    let before = (fleet.control::<String>(snapshot).await, fleet.ask::<i64>("postgres", &ours).await);
    let planned = plan(&new, 3).await.unwrap();
    assert_eq!(planned.groups.len(), 1);
    assert_eq!(planned.groups[0].steps.iter().map(|step| step.version).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(planned.groups[0].databases.len(), 5);
    assert_eq!((planned.templates.len(), planned.shadow.len()), (1, 3));
    assert_eq!((planned.waves.iter().sum::<usize>(), planned.control.len()), (5, 0));
    assert_eq!((fleet.control::<String>(snapshot).await, fleet.ask::<i64>("postgres", &ours).await), before);
    assert_eq!(fleet.stages().await, [(Stage::Before, 5)].into());
}

/// Locks that others hold are waited for, and asked for again.
#[tokio::test]
async fn held_locks_are_waited_for() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    let tenants = fleet.sign_up(&old, 1).await;
    let database = fleet.database(tenants[0]).await;
    let new = fleet.program(program::new());
    let mut holder = fleet.connect(&database).await;
    sqlx::raw_sql("begin; lock table synthetic.pupil").execute(&mut holder).await.unwrap();
    let name = database.clone();
    let migrating = tokio::spawn(async move { new.migrate_database(HOME_CLUSTER, &name).await });
    let waits = format!(
        "select exists (select from pg_stat_activity where datname = '{database}' and wait_event_type = 'Lock')"
    );
    until("the migration waits", async || fleet.ask::<bool>("postgres", &waits).await).await;
    // Longer than one try.
    moment(2_300).await;
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap().len(), 2);
    assert_eq!(fleet.stage(&database).await, Stage::After);
}

/// An index is built concurrently, after all the rest, also over what a broken try left.
#[tokio::test]
async fn a_separate_step_runs_outside_the_transaction() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    let tenants = fleet.sign_up(&old, 1).await;
    let database = fleet.database(tenants[0]).await;
    let new = fleet.program(program::with_separate_step());
    fleet.run(&database, "create index pupil_score on synthetic.pupil (name)").await;
    fleet
        .run(&database, "update pg_index set indisvalid = false where indexrelid = 'synthetic.pupil_score'::regclass")
        .await;
    assert_eq!(fleet.migrate(&new, &options()).await.problem, None);
    let index = "select pg_get_indexdef('synthetic.pupil_score'::regclass) like '%(score)'";
    assert!(fleet.ask::<bool>(&database, index).await);
    assert_eq!(
        fleet.ask::<i64>(&database, "select count(*) from hitaji.schema_version where service = 'synthetic'").await,
        3
    );
    assert_eq!(fleet.migrate(&new, &options()).await.done, 0);
}
