//! What is in a database, as its own catalogues say: every object with the hash of its definition.
use crate::DbError;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Objects by kind and name (`column school.student.name`), each with the hash of its definition. Two databases with the
/// same schema have equal catalogues, whatever is in their tables and whoever owns them.
pub type Catalogue = BTreeMap<String, String>;

/// Reads the catalogue of the database that `conn` is connected to. What belongs to the change journal is left out: only
/// organisations that keep one have it.
pub async fn read(conn: &mut PgConnection) -> Result<Catalogue, DbError> {
    let rows: Vec<(String, String)> = sqlx::query_as(CATALOGUE).fetch_all(conn).await?;
    Ok(rows.into_iter().collect())
}

/// The major version of the server: how it writes definitions down may differ from one to the next.
pub async fn server_version(conn: &mut PgConnection) -> Result<String, DbError> {
    let version = "select (current_setting('server_version_num')::integer / 10000)::text";
    Ok(sqlx::query_scalar(version).fetch_one(conn).await?)
}

/// Rights are listed by role and right; the owner of the database is called so, because its name differs by cluster.
const CATALOGUE: &str = "
with owner as (select datdba as oid from pg_database where datname = current_database()),
spaces as (
    select n.oid, n.nspname, n.nspowner, n.nspacl from pg_namespace n
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname !~ '^hitaji_journal'
),
relations as (
    select c.*, s.nspname || '.' || c.relname as name from pg_class c join spaces s on s.oid = c.relnamespace
    where c.relname !~ '^hitaji_journal'
),
owned(kind, class, id, owner_id, acl) as (
    select 'n'::\"char\", 'pg_namespace'::regclass, oid, nspowner, nspacl from spaces
    union all
    select case when relkind = 'S' then 's'::\"char\" else 'r'::\"char\" end, 'pg_class'::regclass, oid, relowner, relacl
    from relations where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'f', 'pg_proc'::regclass, p.oid, p.proowner, p.proacl from pg_proc p join spaces s on s.oid = p.pronamespace
),
rights as (
    select o.class, o.id, string_agg(
        case when a.grantee = 0 then 'PUBLIC' when a.grantee = (select oid from owner) then 'OWNER'
             else pg_get_userbyid(a.grantee) end || ' ' || a.privilege_type || case when a.is_grantable then '*' else '' end,
        ', ' order by a.grantee = (select oid from owner), pg_get_userbyid(a.grantee), a.privilege_type) as listed
    from owned o, aclexplode(coalesce(o.acl, acldefault(o.kind, o.owner_id))) a group by o.class, o.id
),
owners as (
    select o.class, o.id,
        case when o.owner_id = (select oid from owner) then 'OWNER' else pg_get_userbyid(o.owner_id)::text end as name
    from owned o
),
objects(object, definition) as (
    select 'schema ' || s.nspname, o.name::text from spaces s join owners o on o.class = 'pg_namespace'::regclass and o.id = s.oid
    union all
    select 'rights on schema ' || s.nspname, r.listed
    from spaces s join rights r on r.class = 'pg_namespace'::regclass and r.id = s.oid
    union all
    select case c.relkind when 'v' then 'view ' when 'm' then 'view ' else 'table ' end || c.name,
        concat_ws('|', c.relkind, o.name, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.reloptions::text,
            pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
            case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end)
    from relations c join owners o on o.class = 'pg_class'::regclass and o.id = c.oid where c.relkind <> 'S'
    union all
    select 'rights on ' || c.name, r.listed
    from relations c join rights r on r.class = 'pg_class'::regclass and r.id = c.oid
    union all
    select 'column ' || c.name || '.' || a.attname,
        concat_ws('|', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
            pg_get_expr(d.adbin, d.adrelid), a.attcollation::regcollation::text, a.attacl::text)
    from relations c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum where c.relkind in ('r', 'p', 'v', 'm', 'f')
    union all
    select 'constraint ' || c.name || '.' || k.conname, pg_get_constraintdef(k.oid)
    from relations c join pg_constraint k on k.conrelid = c.oid where k.contype <> 'n' and k.conname !~ '^hitaji_journal'
    union all
    select 'index ' || c.name, pg_get_indexdef(i.indexrelid) || case when i.indisvalid then '' else ' invalid' end
    from relations c join pg_index i on i.indexrelid = c.oid
    union all
    select 'sequence ' || c.name,
        concat_ws('|', format_type(q.seqtypid, null), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle)
    from relations c join pg_sequence q on q.seqrelid = c.oid
    union all
    select 'trigger ' || c.name || '.' || t.tgname, pg_get_triggerdef(t.oid) || t.tgenabled::text
    from relations c join pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal and t.tgname !~ '^hitaji_journal'
    union all
    select 'policy ' || c.name || '.' || p.polname,
        concat_ws('|', p.polcmd, p.polpermissive, array(select pg_get_userbyid(role) from unnest(p.polroles) role order by 1)::text,
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    from relations c join pg_policy p on p.polrelid = c.oid
    union all
    select 'function ' || s.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
        concat_ws('|', case when p.prokind = 'a' then 'aggregate' else pg_get_functiondef(p.oid) end, o.name, r.listed)
    from pg_proc p join spaces s on s.oid = p.pronamespace
    join owners o on o.class = 'pg_proc'::regclass and o.id = p.oid
    left join rights r on r.class = 'pg_proc'::regclass and r.id = p.oid
    where p.proname !~ '^hitaji_journal'
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
    union all
    select 'type ' || s.nspname || '.' || t.typname,
        concat_ws('|', t.typtype, t.typnotnull, t.typdefault, case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end,
            (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid),
            (select string_agg(pg_get_constraintdef(k.oid), ',' order by k.conname) from pg_constraint k where k.contypid = t.oid))
    from pg_type t join spaces s on s.oid = t.typnamespace
    where t.typtype in ('e', 'd', 'r') and t.typname !~ '^hitaji_journal'
    union all
    select 'extension ' || extname, extversion from pg_extension
)
select object, left(encode(sha256(convert_to(definition, 'UTF8')), 'hex'), 16) from objects";
