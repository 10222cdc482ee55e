-- Plans with limits, what each organisation used, and what was said of it.

create table directory.plan (
    key                text primary key check (key ~ '^[a-z][a-z0-9-]{0,30}$'),
    name               text not null check (length(name) between 1 and 60),
    -- Smaller plans first.
    rank               integer not null unique,
    -- Members, and open invitations with them.
    users              bigint not null check (users > 0),
    storage_bytes      bigint not null check (storage_bytes > 0),
    -- From midnight to midnight in the organisation's time zone.
    requests_per_day   bigint not null check (requests_per_day > 0),
    -- Mail, but for that of signing in.
    messages_per_month bigint not null check (messages_per_month > 0),
    -- Its share of the database connections' time where there is not enough for all.
    connection_weight  integer not null check (connection_weight between 1 and 100),
    point_in_time      boolean not null,
    backup_every_hours integer not null check (backup_every_hours between 1 and 168),
    backup_keep_days   integer not null check (backup_keep_days between 1 and 3650),
    changed_at         timestamptz not null default clock_timestamp()
);
insert into directory.plan (key, name, rank, users, storage_bytes, requests_per_day, messages_per_month,
                            connection_weight, point_in_time, backup_every_hours, backup_keep_days) values
    -- A village school: its staff, and a first class of guardians.
    ('free', 'Free', 1, 60, 1073741824, 20000, 1000, 1, false, 24, 7),
    -- A school of 1,000 pupils: staff and guardians.
    ('standard', 'Standard', 2, 2500, 21474836480, 1000000, 30000, 2, false, 12, 30),
    -- A chain of schools.
    ('large', 'Large', 3, 25000, 214748364800, 20000000, 300000, 4, true, 4, 90);

alter table directory.tenant add column plan text not null default 'standard' references directory.plan;

-- A plan's limits are part of what every process keeps of its organisations.
create function directory.tell_plan() returns trigger language plpgsql as $$
begin
    update directory.tenant set changed_at = clock_timestamp() where plan = new.key;
    return null;
end $$;
create trigger tell after update on directory.plan for each row execute function directory.tell_plan();

-- What an organisation used in a minute, added up over all processes. The nil id is the platform itself: what belongs to no
-- organisation. Kept 48 hours.
create table directory.usage_minute (
    tenant_id   uuid not null,
    minute      timestamptz not null,
    requests    bigint not null default 0,
    errors      bigint not null default 0,
    cpu_us      bigint not null default 0,
    database_us bigint not null default 0,
    rows        bigint not null default 0,
    bytes_in    bigint not null default 0,
    bytes_out   bigint not null default 0,
    messages    bigint not null default 0,
    primary key (tenant_id, minute)
);
create index usage_minute_minute on directory.usage_minute (minute);

-- The same by day, in the organisation's time zone (the platform's days are UTC). Written together with the minutes.
create table directory.usage_day (
    tenant_id     uuid not null,
    day           date not null,
    requests      bigint not null default 0,
    errors        bigint not null default 0,
    cpu_us        bigint not null default 0,
    database_us   bigint not null default 0,
    rows          bigint not null default 0,
    bytes_in      bigint not null default 0,
    bytes_out     bigint not null default 0,
    messages      bigint not null default 0,
    -- As last measured on that day.
    storage_bytes bigint,
    primary key (tenant_id, day)
);
create index usage_day_day on directory.usage_day (day);

-- What each process counted as a whole, apart from its organisations: what the sum of the others is held against. The nil id
-- is the database servers' own count of rows.
create table directory.usage_process (
    process     uuid not null,
    minute      timestamptz not null,
    requests    bigint not null default 0,
    errors      bigint not null default 0,
    cpu_us      bigint not null default 0,
    database_us bigint not null default 0,
    rows        bigint not null default 0,
    bytes_in    bigint not null default 0,
    bytes_out   bigint not null default 0,
    messages    bigint not null default 0,
    primary key (process, minute)
);
create index usage_process_minute on directory.usage_process (minute);

-- What an organisation has just now, as those who know say it.
create table directory.usage_level (
    tenant_id     uuid primary key references directory.tenant,
    users         bigint not null default 0,
    storage_bytes bigint not null default 0,
    measured_at   timestamptz
);

-- The servers' row counters as they were last read.
create table directory.database_counter (
    cluster text not null,
    name    text not null,
    rows    bigint not null,
    bytes   bigint not null,
    seen_at timestamptz not null,
    primary key (cluster, name)
);

-- Each limit warns once a period and level.
create table directory.quota_warning (
    tenant_id uuid not null references directory.tenant,
    kind      text not null check (kind in ('users', 'storage', 'requests', 'messages')),
    -- A day, or the first day of a month, in the organisation's time zone.
    period    date not null,
    percent   integer not null check (percent in (80, 95)),
    warned_at timestamptz not null,
    primary key (tenant_id, kind, period, percent)
);

grant select, insert, update, delete on directory.plan, directory.usage_minute, directory.usage_day, directory.usage_process,
    directory.usage_level, directory.database_counter, directory.quota_warning to hitaji_app;
