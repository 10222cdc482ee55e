//! Versions of a made-up program: each knows more steps of one service's schema.
use hitaji_db::{Home, Migration};

const FIRST: &str = "create schema synthetic;
create table synthetic.pupil (
    id    bigint generated always as identity primary key,
    name  text not null,
    score integer not null default 0,
    upper text generated always as (upper(name)) stored
);
create table synthetic.register (
    pupil_id bigint not null references synthetic.pupil,
    day      date not null,
    primary key (pupil_id, day)
);
create function synthetic.greet() returns text language sql as $$ select 'hello' $$;
create function synthetic.stamp() returns trigger language plpgsql as $$ begin new.name := trim(new.name); return new; end $$;
create trigger stamp before insert on synthetic.pupil for each row execute function synthetic.stamp();
create index pupil_name on synthetic.pupil (name);
create type synthetic.mood as enum ('good', 'bad');
grant usage on schema synthetic to hitaji_app;
grant select, insert, update on all tables in schema synthetic to hitaji_app;";
const SECOND: &str = "alter table synthetic.pupil add column grade text;";
/// Fails where a pupil has a negative score. It takes a moment, so that a test can end it half way.
const THIRD: &str =
    "create table synthetic.mark (id bigint generated always as identity primary key, value integer not null);
insert into synthetic.mark (value) select score from synthetic.pupil;
select pg_sleep(0.01);
create index mark_value on synthetic.mark (value);
alter table synthetic.pupil add constraint pupil_score_check check (score >= 0);
grant select on synthetic.mark to hitaji_app;";
const FOURTH: &str = "create table synthetic.fourth (id integer primary key);
select pg_sleep(0.01);";
const SEPARATE: &str = "-- separate: builds while others write
create index concurrently if not exists pupil_score on synthetic.pupil (score)";

fn step(version: i32, sql: &'static str) -> Migration {
    Migration { service: "synthetic", home: Home::Tenant, version, sql }
}

/// What the databases have at first.
pub fn old() -> Vec<Migration> {
    vec![step(1, FIRST)]
}

/// Two steps more, the second of which can fail.
pub fn new() -> Vec<Migration> {
    vec![step(1, FIRST), step(2, SECOND), step(3, THIRD)]
}

/// One more.
pub fn newest() -> Vec<Migration> {
    vec![step(1, FIRST), step(2, SECOND), step(3, THIRD), step(4, FOURTH)]
}

/// An index that is built outside a transaction.
pub fn with_separate_step() -> Vec<Migration> {
    vec![step(1, FIRST), step(2, SEPARATE), step(3, SECOND)]
}
