-- Backups of tenants' databases, and which tenants can be put back to any second.

create table directory.backup (
    id         uuid primary key,
    -- The databases of one tenant that were backed up together.
    set_id     uuid not null,
    tenant_id  uuid not null,
    -- The one service that the database is for; null: all that have none of their own.
    service    text,
    -- The database it is of, and the schema that was in it: a journal goes on from a backup of the same database.
    database_id uuid not null,
    schema     text,
    object     text not null unique,
    bytes      bigint not null,
    rows       bigint not null,
    -- SHA-256 of the uncompressed archive.
    content    bytea not null,
    data_key   integer not null,
    taken_at   timestamptz not null,
    expires_at timestamptz not null,
    -- When it was last restored and compared, and what was wrong with it.
    proven_at  timestamptz,
    fault      text,
    -- The database that the proof left at hand: restoring from it is a clone.
    copy_id    uuid
);
create index backup_tenant on directory.backup (tenant_id, taken_at desc);
create index backup_expires on directory.backup (expires_at);

alter table directory.tenant
    -- Every change is journaled and shipped each second, so that any second can be restored.
    add column journaled boolean not null default false;

-- Ed25519 keys that sign for outsiders; the private half is sealed under the master key.
create table directory.signature_key (
    id         text primary key,
    public     bytea not null,
    sealed     bytea not null,
    created_at timestamptz not null default now()
);

-- What is left of an erased tenant.
create table directory.certificate (
    tenant_id uuid primary key,
    signed    text not null,
    at        timestamptz not null default now()
);

grant select, insert, update, delete on directory.backup, directory.signature_key to hitaji_app;
grant select, insert on directory.certificate to hitaji_app;
