-- Who signed in, when and from where, and who was refused: what security is asked about. Only ever added to.
create table identity.event (
    -- Made at the time of the event, so in its order.
    id              uuid primary key,
    at              timestamptz not null,
    action          text not null constraint event_action_check check (action ~ '^[a-z_]{3,40}$'),
    outcome         text not null check (outcome in ('done', 'refused')),
    -- None where the address that was typed is nobody's.
    account_id      uuid,
    -- The organisation it was in; else the only one that the person belongs to.
    organisation_id uuid,
    client_id       text,
    session_id      uuid,
    address         inet,
    user_agent      text not null check (length(user_agent) <= 300),
    detail          json not null
);
create index event_organisation on identity.event (organisation_id, id);
create index event_account on identity.event (account_id, id);
create index event_at on identity.event (at);

-- Whoever wants to work in this organisation must have signed in after this.
alter table identity.membership add column signed_out_at timestamptz;

-- Nobody changes an event, and nobody removes one but by these: what is older than 400 days, and what an erased organisation left.
create function identity.forget_events(before timestamptz, at_most integer) returns bigint
    language sql security definer set search_path = '' as $$
    with gone as (
        delete from identity.event where id = any(array(
            select id from identity.event where at < least(before, now() - interval '400 days') order by at limit at_most))
        returning 1)
    select count(*) from gone
$$;
create function identity.forget_events_of(organisation uuid) returns bigint
    language sql security definer set search_path = '' as $$
    with gone as (
        delete from identity.event where organisation_id = organisation
            and exists (select from identity.organisation o where o.id = organisation and o.name = 'Erased')
        returning 1)
    select count(*) from gone
$$;
revoke execute on function identity.forget_events(timestamptz, integer), identity.forget_events_of(uuid) from public;
grant execute on function identity.forget_events(timestamptz, integer), identity.forget_events_of(uuid) to hitaji_app;
grant select, insert on identity.event to hitaji_app;
