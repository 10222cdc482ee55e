//! From commit to consumer: numbered without gaps, in order, effectively once, and a failing consumer stops nobody else.
use hitaji_bus::{Consumer, ConsumerError, Delivery, Handled, Parts, Relay};
use hitaji_core::TenantId;
use hitaji_db::{Home, Place};
use hitaji_testkit::{Organisation, TestApp};
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio::sync::broadcast;

const CREATED: &str = "school.subject.created.v1";

/// What the test's consumers were given: (consumer, subject, sequence).
#[derive(Default)]
struct Seen(Mutex<Vec<(String, i64)>>);

/// The subject that the failing consumer cannot bear.
struct Poison(Mutex<String>);

const fn consumer(name: &'static str, handle: for<'a> fn(Delivery<'a>) -> Handled<'a>) -> Consumer {
    Consumer {
        name,
        service: "school",
        source: "school",
        types: &[CREATED],
        source_home: Home::Tenant,
        home: Home::Tenant,
        handle,
    }
}

const RECORDING: Consumer = consumer("test.recording", |delivery| Box::pin(record(delivery)));
const FAILING: Consumer = consumer("test.failing", |delivery| Box::pin(fail(delivery)));

async fn record(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    let seen = delivery.parts.get::<Seen>();
    seen.0.lock().expect("not poisoned").push((delivery.event.subject.clone(), delivery.event.sequence));
    Ok(())
}

/// Makes an effect in the tenant's database, and cannot bear one subject.
async fn fail(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    sqlx::query("insert into school.household (id, name) values ($1, $2)")
        .bind(delivery.event.id)
        .bind(&delivery.event.subject)
        .execute(&mut **delivery.tx)
        .await?;
    if delivery.event.subject == *delivery.parts.get::<Poison>().0.lock().expect("not poisoned") {
        return Err(ConsumerError::Other("this one is too much".into()));
    }
    Ok(())
}

struct World {
    app: TestApp,
    organisation: Organisation,
    parts: Parts,
}

impl World {
    async fn new() -> World {
        let app = TestApp::start().await;
        let organisation = app.organisation("Uhuru Academy").await;
        let mut parts = Parts::default();
        parts.insert(Seen::default());
        parts.insert(Poison(Mutex::default()));
        World { app, organisation, parts }
    }

    fn relay(&self, consumers: &[Consumer]) -> Relay {
        let (stamped, _) = broadcast::channel(16);
        Relay::new(self.app.platform.databases().clone(), consumers.to_vec(), self.parts.clone(), stamped)
    }

    fn place(&self) -> Place {
        Place::Tenant(self.organisation.id)
    }

    /// Makes subjects one after the other; their ids.
    async fn subjects(&self, names: &[&str]) -> Vec<String> {
        let (owner, mut ids) = (self.app.owner(&self.organisation).await, Vec::new());
        for name in names {
            let made = owner.post("/school/v1/subjects", &json!({"name": name})).await.ok();
            ids.push(made["id"].as_str().expect("an id").to_owned());
        }
        ids
    }

    fn seen(&self) -> Vec<(String, i64)> {
        self.parts.get::<Seen>().0.lock().expect("not poisoned").clone()
    }

    async fn rows(&self, sql: &str) -> Vec<Value> {
        self.app.rows(self.organisation.id, sql).await
    }

    /// Changes the tenant's database behind the relay's back.
    async fn execute(&self, sql: &'static str) {
        let mut conn =
            self.app.platform.databases().tenant(self.organisation.id, "school").await.expect("a connection");
        sqlx::raw_sql(sql).execute(&mut *conn).await.expect("the statement runs");
    }
}

#[tokio::test]
async fn events_are_numbered_without_gaps_and_delivered_in_order() {
    let world = World::new().await;
    let owner = world.app.owner(&world.organisation).await;
    let writers = (0..40).map(|n| {
        let owner = owner.clone();
        // Every fourth is refused, and leaves no hole.
        let name = if n % 4 == 3 { String::new() } else { format!("Subject {n}") };
        tokio::spawn(async move { owner.post("/school/v1/subjects", &json!({"name": name})).await.status })
    });
    let statuses = futures::future::join_all(writers.collect::<Vec<_>>()).await;
    assert_eq!(statuses.into_iter().filter(|status| *status.as_ref().expect("an answer") == 201).count(), 30);
    world.app.settle().await;
    let stamped =
        world.rows("select sequence, subject from hitaji.outbox where service = 'school' order by position").await;
    let sequences: Vec<i64> = stamped.iter().filter_map(|row| row["sequence"].as_i64()).collect();
    let mut sorted = sequences.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=30).collect::<Vec<i64>>());
    assert_eq!(
        world.rows("select sequence from hitaji.outbox_head where service = 'school'").await,
        [json!({"sequence": 30})]
    );

    // Two processes with the same consumer: each event reaches it once, in order.
    let (one, two, place) = (world.relay(&[RECORDING]), world.relay(&[RECORDING]), world.place());
    let (first, second) = tokio::join!(one.deliver(&place), two.deliver(&place));
    first.and(second).expect("the relay runs");
    one.deliver(&world.place()).await.expect("the relay runs");
    let delivered: Vec<i64> = world.seen().into_iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(delivered, (1..=30).collect::<Vec<i64>>());
    world.app.settle().await;
}

#[tokio::test]
async fn a_second_delivery_is_harmless() {
    let world = World::new().await;
    let relay = world.relay(&[FAILING, RECORDING]);
    world.subjects(&["Music", "Maths"]).await;
    relay.deliver(&world.place()).await.expect("the relay runs");
    // A process that died after the effect and before it wrote down how far it was.
    world.execute("update hitaji.consumer set sequence = 0 where name like 'test.%'").await;
    relay.deliver(&world.place()).await.expect("the relay runs");
    assert_eq!(world.seen().len(), 2);
    assert_eq!(world.rows("select count(*) from school.household").await, [json!({"count": 2})]);
    let positions = world.rows("select sequence, attempts from hitaji.consumer where name like 'test.%'").await;
    assert_eq!(positions, [json!({"sequence": 2, "attempts": 0}), json!({"sequence": 2, "attempts": 0})]);
    world.app.settle().await;
}

#[tokio::test]
async fn a_consumer_that_cannot_is_retried_set_aside_and_holds_up_nobody() {
    let world = World::new().await;
    let relay = world.relay(&[FAILING, RECORDING]);
    let ids = world.subjects(&["Before", "Poison", "After"]).await;
    ids[1].clone_into(&mut world.parts.get::<Poison>().0.lock().expect("not poisoned"));
    let other = world.app.organisation("Zebra House").await;
    world.app.owner(&other).await.post("/school/v1/subjects", &json!({"name": "Elsewhere"})).await.ok();

    for attempt in 1..=7 {
        relay.deliver(&world.place()).await.expect("the relay runs");
        let state = world.rows("select sequence, attempts, error, retry_at > now() as later from hitaji.consumer where name = 'test.failing'").await;
        assert_eq!(
            state,
            [json!({"sequence": 1, "attempts": attempt, "error": "this one is too much", "later": true})]
        );
        assert_eq!(
            world.rows("select count(*) from school.household").await,
            [json!({"count": 1})],
            "a failed effect is undone"
        );
        // Not before its time.
        relay.deliver(&world.place()).await.expect("the relay runs");
        assert_eq!(
            world.rows("select attempts from hitaji.consumer where name = 'test.failing'").await,
            [json!({"attempts": attempt})]
        );
        world.execute("update hitaji.consumer set retry_at = null where name = 'test.failing'").await;
    }
    assert_eq!(world.seen().len(), 3, "others go on");
    relay.deliver(&Place::Tenant(TenantId(other.id.0))).await.expect("the relay runs");
    assert_eq!(world.seen().len(), 4, "and so do other organisations");

    relay.deliver(&world.place()).await.expect("the relay runs");
    let state = world.rows("select sequence, attempts, error from hitaji.consumer where name = 'test.failing'").await;
    assert_eq!(state, [json!({"sequence": 3, "attempts": 0, "error": null})], "it goes on with the next event");
    let dead = world.rows("select consumer, error, event ->> 'subject' as subject from hitaji.dead_letter").await;
    assert_eq!(dead, [json!({"consumer": "test.failing", "error": "this one is too much", "subject": ids[1]})]);
    let effects = world.rows("select name from school.household order by created_at, name").await;
    let mut expected = vec![json!({"name": ids[0]}), json!({"name": ids[2]})];
    expected.sort_by_key(Value::to_string);
    let mut found = effects;
    found.sort_by_key(Value::to_string);
    assert_eq!(found, expected);
    world.execute("delete from hitaji.dead_letter").await;
    world.app.settle().await;
}
