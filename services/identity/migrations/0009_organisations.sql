-- What organisations decide for themselves: their own roles, their places and who is what there, the rules of signing
-- in, and how the pages look.

-- Raised by every change of what the organisation's people may do.
alter table identity.organisation add column permission_version bigint not null default 1;

-- A person may be something in one place only; a member without any role is refused by the commands.
alter table identity.membership drop constraint membership_roles_check; -- contract: it only allows more
alter table identity.membership add constraint membership_roles_check check (cardinality(roles) <= 16);
-- What hangs on a membership names its organisation too, so that the two cannot differ.
alter table identity.membership add constraint membership_organisation_key unique (organisation_id, id);

-- The family that a grant for another organisation of the same person descends from.
alter table identity.token_grant add column root_id uuid;
create index token_grant_root on identity.token_grant (root_id) where root_id is not null;

create table identity.role (
    id              uuid primary key,
    organisation_id uuid not null references identity.organisation,
    key             text not null constraint role_key_check check (key ~ '^[a-z][a-z0-9_]{1,39}$'),
    name            text not null constraint role_name_check check (length(name) between 1 and 80),
    description     text not null constraint role_description_check check (length(description) <= 300),
    scopes          text[] not null constraint role_scopes_check check (cardinality(scopes) between 1 and 512),
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    archived_at     timestamptz,
    version         bigint not null default 1
);
create unique index role_current_key on identity.role (organisation_id, key) where archived_at is null;
create index role_list on identity.role (organisation_id, id) where archived_at is null;

-- The organisation's tree of branches, campuses and departments.
create table identity.node (
    id              uuid primary key,
    organisation_id uuid not null references identity.organisation,
    parent_id       uuid constraint node_parent_check check (parent_id <> id),
    name            text not null constraint node_name_check check (length(name) between 1 and 120),
    kind            text not null constraint node_kind_check check (kind in ('branch', 'campus', 'department')),
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    archived_at     timestamptz,
    version         bigint not null default 1,
    constraint node_organisation_key unique (organisation_id, id),
    constraint node_parent_fkey foreign key (organisation_id, parent_id) references identity.node (organisation_id, id)
);
create unique index node_name_key on identity.node (organisation_id, coalesce(parent_id, organisation_id), lower(name)) where archived_at is null;
create index node_parent on identity.node (parent_id);

-- What somebody is in one place and below it; what they are in the whole organisation stands in their membership.
create table identity.assignment (
    organisation_id uuid not null,
    membership_id   uuid not null,
    node_id         uuid not null,
    role            text not null check (length(role) between 1 and 40),
    assigned_at     timestamptz not null,
    primary key (membership_id, node_id, role),
    constraint assignment_membership_fkey foreign key (organisation_id, membership_id)
        references identity.membership (organisation_id, id) on delete cascade,
    constraint assignment_node_fkey foreign key (organisation_id, node_id) references identity.node (organisation_id, id)
);
create index assignment_node on identity.assignment (node_id);

-- The organisation's rules of signing in; no row means none.
create table identity.policy (
    organisation_id      uuid primary key references identity.organisation,
    mfa                  text not null constraint policy_mfa_check check (mfa in ('none', 'roles', 'all')),
    mfa_roles            text[] not null constraint policy_mfa_roles_check check (cardinality(mfa_roles) <= 50),
    -- Since the person proved who they are.
    session_max_minutes  integer constraint policy_session_max_minutes_check check (session_max_minutes between 5 and 43200),
    -- Since the last token for this organisation.
    session_idle_minutes integer constraint policy_session_idle_minutes_check check (session_idle_minutes between 5 and 20160),
    -- Networks in CIDR notation; none means everywhere.
    networks             text[] not null constraint policy_networks_check check (cardinality(networks) <= 100),
    -- The only provider that people may sign in with.
    required_provider    uuid,
    invitation_domains   text[] not null constraint policy_invitation_domains_check check (cardinality(invitation_domains) <= 50),
    updated_at           timestamptz not null,
    version              bigint not null default 1
);

create table identity.branding (
    organisation_id uuid primary key references identity.organisation,
    display_name    text constraint branding_display_name_check check (length(display_name) between 1 and 80),
    -- #rrggbb; carries white text by day, and black text at night.
    colour_light    text constraint branding_colour_light_check check (colour_light ~ '^#[0-9a-f]{6}$'),
    colour_dark     text constraint branding_colour_dark_check check (colour_dark ~ '^#[0-9a-f]{6}$'),
    logo            bytea constraint branding_logo_check check (length(logo) <= 65536),
    logo_type       text constraint branding_logo_type_check check (logo_type in ('png', 'webp')),
    -- Of all of it; part of its addresses.
    hash            text not null,
    updated_at      timestamptz not null,
    version         bigint not null default 1,
    constraint branding_logo_whole_check check ((logo is null) = (logo_type is null))
);

grant select, insert, update on identity.role, identity.node, identity.assignment, identity.policy, identity.branding to hitaji_app;
-- A person's places are replaced as a whole; all of it goes when the organisation is erased.
grant delete on identity.role, identity.node, identity.assignment, identity.policy, identity.branding to hitaji_app;

-- A current membership with all that its rights come from: the organisation's own roles among its roles, and roles in places
-- with those below them.
create view identity.membership_rights as
    select m.id, m.organisation_id, m.account_id, m.roles, o.ready_at is not null as ready, o.permission_version,
        coalesce((select json_agg(json_build_object('key', r.key, 'scopes', r.scopes)) from identity.role r
            where r.organisation_id = m.organisation_id and r.archived_at is null and (r.key = any (m.roles)
                or r.key in (select a.role from identity.assignment a where a.membership_id = m.id))), '[]') as own_roles,
        coalesce((with recursive covered as (
            select a.node_id, a.role from identity.assignment a
            join identity.node n on n.id = a.node_id and n.archived_at is null where a.membership_id = m.id
            union select n.id, c.role from covered c join identity.node n on n.parent_id = c.node_id and n.archived_at is null)
            select json_agg(json_build_object('node', node_id, 'role', role) order by node_id) from covered), '[]') as placed
    from identity.membership m join identity.organisation o on o.id = m.organisation_id
    where m.ended_at is null;
grant select on identity.membership_rights to hitaji_app;
