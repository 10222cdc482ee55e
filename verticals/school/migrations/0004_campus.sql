-- The place a class belongs to: one of the organisation's branches, campuses or departments, by identity's id.
alter table school.stream add column node_id uuid;
create index stream_node on school.stream (node_id) where node_id is not null;
