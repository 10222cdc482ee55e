-- The control plane: several clusters, data keys of tenants, more than one database for a tenant, and what is done to them.

create table directory.cluster (
    name       text primary key check (name ~ '^[a-z][a-z0-9-]{0,30}$'),
    -- postgres://… of a role that may create databases and roles, sealed under the master key. Null: the configured one.
    admin_url  bytea,
    -- `open` takes new tenants, `full` keeps those it has.
    state      text not null default 'open' check (state in ('open', 'full')),
    -- How many databases it may hold: the policy places a new tenant where the smallest share of it is used.
    capacity   integer not null default 2000 check (capacity > 0),
    created_at timestamptz not null default now(),
    constraint cluster_home_check check ((name = 'home') = (admin_url is null))
);
insert into directory.cluster (name) values ('home');

-- A tenant's data keys, wrapped by the master key; the newest seals, all open. A row that is gone is a key destroyed.
create table directory.tenant_key (
    tenant_id  uuid not null references directory.tenant,
    version    integer not null check (version > 0),
    wrapped    bytea not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, version)
);

-- Schemas that some version of the program knows; the newest one seen is what new tenants get.
create table directory.schema (
    fingerprint text primary key,
    place       bigint generated always as identity unique,
    -- Every object of a database of this schema with the hash of its definition: what drift is measured against.
    catalogue   json,
    created_at  timestamptz not null default now()
);

alter table directory.tenant
    -- A copy for support or testing: nothing leaves it (mail, SMS, payments, webhooks).
    add column neutralised boolean not null default false,
    add column cloned_from uuid references directory.tenant,
    -- Told to who is refused, where the state is not `active`.
    add column state_reason text;

-- contract: in the same release the rule gets one more state
alter table directory.tenant drop constraint tenant_state_check;
-- `erased` is the tombstone: keys and data are gone, the id is never used again.
alter table directory.tenant add constraint tenant_state_check
    check (state in ('provisioning', 'active', 'suspended', 'archived', 'erasing', 'erased'));

alter table directory.database
    add column cluster text not null default 'home' references directory.cluster,
    -- The one service that this database is for; null: all that have none of their own.
    add column service text,
    -- The schema that is in it, as far as known here; the truth stands in the database.
    add column schema text,
    -- The role used before the last rotation, which is closed once nobody can still know it.
    add column retiring_role text,
    add column retire_at timestamptz,
    add column size_bytes bigint,
    add column checked_at timestamptz,
    -- What differs from the expected catalogue: an array of texts; null or empty when nothing does.
    add column drift json,
    add column changed_at timestamptz not null default clock_timestamp();
-- contract: in the same release the rule gets new states; nothing that was allowed is refused
alter table directory.database drop constraint database_claimed_check;
-- contract: see above
alter table directory.database drop constraint database_state_check;
-- contract: a tenant may have a database being loaded or retired beside the one in use
alter table directory.database drop constraint database_tenant_key;
-- creating, ready: nobody's yet. claimed: in use. loading: being filled for the tenant. retired: was in use, kept for a while.
-- copy: a proven restored copy at hand. dropping: goes.
alter table directory.database
    add constraint database_state_check check (state in ('creating', 'ready', 'claimed', 'loading', 'retired', 'copy', 'dropping')),
    add constraint database_claimed_check check (state = 'dropping' or (state in ('claimed', 'loading', 'retired', 'copy')) = (tenant_id is not null));
create unique index database_tenant_key on directory.database (tenant_id, coalesce(service, '')) where state = 'claimed';
create index database_tenant on directory.database (tenant_id);
create index database_cluster on directory.database (cluster);
update directory.database set schema = right(template, 12);

-- Long work on whole databases: who began it, how far it is, how it ended. Also the trail of what was done.
create table directory.operation (
    id          uuid primary key,
    kind        text not null,
    tenant_id   uuid,
    state       text not null default 'running' check (state in ('running', 'done', 'failed', 'cancelled')),
    -- The last step that is done for good; work goes on after it.
    step        text not null default 'begun',
    done        bigint not null default 0,
    total       bigint,
    detail      json not null default '{}',
    error       text,
    actor       text not null,
    started_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    finished_at timestamptz
);
create index operation_tenant on directory.operation (tenant_id, started_at desc);
-- One at a time on a tenant.
create unique index operation_running_key on directory.operation (tenant_id) where state = 'running';

-- What changes is told to every process at once; who misses it reads it again within seconds.
create function directory.tell() returns trigger language plpgsql as $$
declare
    changed uuid;
begin
    if tg_table_name = 'tenant' then
        changed := case when tg_op = 'DELETE' then old.id else new.id end;
    else
        changed := coalesce(case when tg_op <> 'INSERT' then old.tenant_id end, case when tg_op <> 'DELETE' then new.tenant_id end);
    end if;
    if changed is not null then
        perform pg_notify('hitaji_directory', changed::text);
    end if;
    return null;
end $$;
create trigger tell after insert or update or delete on directory.tenant for each row execute function directory.tell();
create trigger tell after insert or update or delete on directory.database for each row execute function directory.tell();
create trigger tell after insert or update or delete on directory.tenant_key for each row execute function directory.tell();

grant select, insert, update, delete on directory.cluster, directory.tenant_key, directory.schema, directory.operation to hitaji_app;
