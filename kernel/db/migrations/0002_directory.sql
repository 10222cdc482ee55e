-- The tenant directory, in the control database only: which organisations there are and where their data lives.
create schema directory;

create table directory.tenant (
    id         uuid primary key,
    slug       text not null constraint tenant_slug_key unique
               constraint tenant_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
    name       text not null constraint tenant_name_check check (length(name) between 2 and 120),
    country    text not null check (country ~ '^[A-Z]{2}$'),
    currency   text not null check (currency ~ '^[A-Z]{3}$'),
    time_zone  text not null,
    products   text[] not null,
    state      text not null check (state in ('provisioning', 'active', 'suspended', 'archived', 'erasing')),
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default clock_timestamp()
);
create index tenant_changed on directory.tenant (changed_at);

-- Names are opaque and never change; claiming and replacing a database changes the row's tenant.
create table directory.database (
    id         uuid primary key,
    name       text not null unique,
    tenant_id  uuid constraint database_tenant_key unique references directory.tenant,
    state      text not null check (state in ('creating', 'ready', 'claimed', 'dropping')),
    template   text not null,
    login_role text not null unique,
    -- AES-256-GCM under the master key, bound to the tenant (to the database while it has none) and the purpose.
    password   bytea not null,
    created_at timestamptz not null default now(),
    constraint database_claimed_check check ((state = 'claimed') = (tenant_id is not null))
);
create index database_ready on directory.database (template, created_at) where state = 'ready';

grant usage on schema directory to hitaji_app;
grant select, insert, update, delete on all tables in schema directory to hitaji_app;
