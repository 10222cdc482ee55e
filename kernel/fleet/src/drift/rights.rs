//! Who may connect to which database of a cluster: a tenant's own login roles to the tenant's, nobody to a template.
use hitaji_db::directory::database::DatabaseRow;
use hitaji_db::{Databases, DbError, HOME_CLUSTER, directory, roles};
use std::collections::HashMap;

const PUBLIC: &str = "PUBLIC";

/// Databases of a cluster by name.
pub type Rights = HashMap<String, DatabaseRights>;

#[derive(Default)]
pub struct DatabaseRights {
    accepts_connections: bool,
    is_template: bool,
    /// Roles other than the owner, each with a right.
    granted: Vec<(String, String)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    accepts_connections: bool,
    is_template: bool,
    role: Option<String>,
    privilege: Option<String>,
}

/// Reads the rights on our databases of a cluster.
pub async fn read(databases: &Databases, cluster: &str) -> Result<Rights, DbError> {
    let mut admin = databases.maintenance(cluster).await?;
    let rows: Vec<Row> = sqlx::query_as(
        "select d.datname::text as name, d.datallowconn as accepts_connections, d.datistemplate as is_template,
             case when a.grantee = 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end as role,
             a.privilege_type as privilege
         from pg_database d
         left join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a on a.grantee <> d.datdba
         where starts_with(d.datname::text, $1) order by 1, 4, 5",
    )
    .bind(format!("{}_", databases.control_name()))
    .fetch_all(&mut *admin)
    .await?;
    admin.close();
    let mut rights = Rights::new();
    for row in rows {
        let entry = rights.entry(row.name).or_default();
        (entry.accepts_connections, entry.is_template) = (row.accepts_connections, row.is_template);
        entry.granted.extend(row.role.zip(row.privilege));
    }
    Ok(rights)
}

/// What is wrong with who may connect to a tenant's database.
pub fn of_tenant(rights: &Rights, row: &DatabaseRow) -> Vec<String> {
    let Some(found) = rights.get(&row.name) else {
        return vec!["the cluster has no such database".to_owned()];
    };
    let own = [roles::first_role(&row.login_role), roles::second_role(&row.login_role)];
    let mut wrong = Vec::new();
    for (role, privilege) in &found.granted {
        if role == PUBLIC {
            wrong.push(format!("every role of the cluster has the right {privilege} on the database"));
        } else if !own.contains(role) {
            wrong.push(format!(
                "the role {role} has the right {privilege} on the database, and is not the organisation's"
            ));
        } else if privilege != "CONNECT" {
            wrong.push(format!("the organisation's role {role} has the right {privilege} on the database"));
        }
    }
    if !found.granted.iter().any(|(role, privilege)| *role == row.login_role && privilege == "CONNECT") {
        wrong.push(format!("the organisation's role {} may not connect to the database", row.login_role));
    }
    wrong
}

/// Templates that somebody could connect to, and so change what new tenants get. One that is being made is none yet.
pub fn templates(rights: &Rights, control: &str) -> Vec<String> {
    let prefix = format!("{control}_template_");
    let mut open: Vec<&String> = rights
        .iter()
        .filter(|(name, found)| name.starts_with(&prefix) && found.is_template && found.accepts_connections)
        .map(|(name, _)| name)
        .collect();
    open.sort();
    open.into_iter().map(|name| format!("the template {name} accepts connections")).collect()
}

/// Databases outside ours, on clusters that we did not make, that every role may connect to: a tenant's role has no
/// business there. `(cluster, database)`.
pub async fn open_maintenance(databases: &Databases) -> Result<Vec<(String, String)>, DbError> {
    let mut conn = databases.control().await?;
    let clusters = directory::cluster::list(&mut conn).await?;
    conn.release();
    let mut open = Vec::new();
    let names = clusters.into_iter().map(|cluster| cluster.name).chain([HOME_CLUSTER.to_owned()]);
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&name) {
            continue;
        }
        let mut admin = databases.maintenance(&name).await?;
        let found: Vec<String> = sqlx::query_scalar(
            "select d.datname::text from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
             where a.grantee = 0 and a.privilege_type = 'CONNECT' and d.datallowconn
               and not starts_with(d.datname::text, $1) order by 1",
        )
        .bind(format!("{}_", databases.control_name()))
        .fetch_all(&mut *admin)
        .await?;
        admin.close();
        open.extend(found.into_iter().map(|database| (name.clone(), database)));
        seen.push(name);
    }
    Ok(open)
}
