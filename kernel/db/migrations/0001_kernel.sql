-- What every database has, tenant or control: versions of schemas, outbox, inbox, audit and idempotency.
create schema hitaji;

-- The truth about which migrations ran; the directory only caches it.
create table hitaji.schema_version (
    service    text not null,
    version    integer not null,
    checksum   bytea not null,
    applied_at timestamptz not null default now(),
    primary key (service, version)
);

-- Events, written in the transaction that makes the change. `sequence` is stamped after commit by the relay.
create table hitaji.outbox (
    position    bigint generated always as identity primary key,
    id          uuid not null unique,
    service     text not null,
    sequence    bigint,
    type        text not null,
    subject     text not null,
    actor       text not null,
    data        json not null,
    traceparent text,
    time        timestamptz not null,
    unique (service, sequence)
);
create index outbox_unstamped on hitaji.outbox (position) where sequence is null;
create index outbox_time on hitaji.outbox using brin (time);

-- The last stamped sequence per service. A new epoch tells clients that old offsets mean nothing here.
create table hitaji.outbox_head (
    service  text primary key,
    epoch    uuid not null default gen_random_uuid(),
    sequence bigint not null default 0
);

-- How far each consumer of this database's events has got.
create table hitaji.consumer (
    name     text not null,
    service  text not null,
    sequence bigint not null default 0,
    attempts integer not null default 0,
    retry_at timestamptz,
    error    text,
    primary key (name, service)
);

-- Events that were given up after too many attempts; kept until somebody re-drives or discards them.
create table hitaji.dead_letter (
    consumer text not null,
    event_id uuid not null,
    event    json not null,
    error    text not null,
    at       timestamptz not null default now(),
    primary key (consumer, event_id)
);

-- Effects already made in this database: what makes a second delivery harmless.
create table hitaji.inbox (
    consumer text not null,
    event_id uuid not null,
    at       timestamptz not null default now(),
    primary key (consumer, event_id)
);

create table hitaji.audit (
    position   bigint generated always as identity primary key,
    at         timestamptz not null,
    service    text not null,
    actor      text not null,
    action     text not null,
    resource   text not null,
    record_id  uuid,
    before     json,
    after      json,
    request_id text
);
create index audit_record on hitaji.audit (record_id, position);

create table hitaji.idempotency (
    subject      text not null,
    key          text not null,
    request_hash bytea not null,
    status       smallint not null,
    location     text,
    etag         text,
    body         bytea not null,
    at           timestamptz not null default now(),
    primary key (subject, key)
);
create index idempotency_at on hitaji.idempotency using brin (at);

grant usage on schema hitaji to hitaji_app;
grant select on all tables in schema hitaji to hitaji_app;
grant insert on hitaji.outbox, hitaji.outbox_head, hitaji.consumer, hitaji.dead_letter, hitaji.inbox, hitaji.audit, hitaji.idempotency to hitaji_app;
grant update on hitaji.outbox, hitaji.outbox_head, hitaji.consumer to hitaji_app;
grant delete on hitaji.outbox, hitaji.dead_letter, hitaji.inbox, hitaji.idempotency to hitaji_app;
