-- Migrations of the whole fleet: one row for each run of a schema, one for each database that the run is about.
create table directory.migration_run (
    id          uuid primary key,
    -- The schema that it brings the databases to.
    fingerprint text not null,
    state       text not null default 'running' check (state in ('running', 'done', 'halted')),
    -- Why it halted.
    error       text,
    -- What happened on copies of the largest organisations, before any other was touched; null until that is done.
    shadow      json,
    started_at  timestamptz not null default now(),
    finished_at timestamptz
);
-- One that is not done is taken up again.
create unique index migration_run_open on directory.migration_run (fingerprint) where state <> 'done';

create table directory.migration_result (
    run_id      uuid not null references directory.migration_run,
    database_id uuid not null references directory.database on delete cascade,
    wave        integer not null check (wave > 0),
    state       text not null default 'pending' check (state in ('pending', 'done', 'failed')),
    attempts    integer not null default 0,
    -- How many steps ran.
    steps       integer,
    error       text,
    took_ms     integer,
    changed_at  timestamptz not null default clock_timestamp(),
    primary key (run_id, database_id)
);
create index migration_result_database on directory.migration_result (database_id);

-- What is only known about a database (its schema, its size, when it was checked) is no reason to forget its connections.
create or replace trigger tell
    after insert or delete or update of tenant_id, state, cluster, service, name, login_role, password
    on directory.database for each row execute function directory.tell();

grant select, insert, update, delete on directory.migration_run, directory.migration_result to hitaji_app;
