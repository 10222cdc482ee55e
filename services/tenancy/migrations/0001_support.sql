-- Tenancy: who asked an organisation for access to it, and what it said. Control database.
create schema tenancy;

-- The names of operators, as identity tells them.
create table tenancy.operator (
    account_id uuid primary key,
    name       text not null,
    email      text not null
);

create table tenancy.support_grant (
    id              uuid primary key,
    organisation_id uuid not null,
    operator_id     uuid not null,
    reason          text not null check (length(reason) between 3 and 500),
    access          text not null check (access in ('read', 'write')),
    hours           integer not null check (hours between 1 and 8),
    state           text not null check (state in ('requested', 'granted', 'refused', 'ended', 'expired')),
    requested_at    timestamptz not null,
    decided_at      timestamptz,
    decided_by      uuid,
    expires_at      timestamptz,
    ended_at        timestamptz,
    version         bigint not null default 1,
    constraint support_grant_time_check check (expires_at <= decided_at + interval '8 hours'),
    constraint support_grant_decided_check check (state <> 'granted' or (decided_at is not null and decided_by is not null and expires_at is not null))
);
create index support_grant_organisation on tenancy.support_grant (organisation_id, id);
create unique index support_grant_open_key on tenancy.support_grant (organisation_id, operator_id) where state in ('requested', 'granted');

grant usage on schema tenancy to hitaji_app;
grant select, insert, update on tenancy.operator, tenancy.support_grant to hitaji_app;
