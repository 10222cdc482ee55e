//! Samples of what identity keeps of an organisation: roles, places, rules, programs, providers, domains.
use crate::operations::Operation;
use crate::samples::{Body, Sample, World};
use serde_json::{Value, json};

impl World<'_> {
    /// A good request about something that was made for it.
    pub async fn of_identity(&self, operation: &Operation, serial: i64) -> Option<Sample> {
        match self.of_organisation(operation, serial).await {
            Some(sample) => Some(sample),
            None => self.of_door(operation, serial).await,
        }
    }

    /// What identity keeps of an organisation: roles, places, members, rules, look.
    async fn of_organisation(&self, operation: &Operation, serial: i64) -> Option<Sample> {
        let (marker, path) = (self.marker, operation.path.as_str());
        let rest = path.strip_prefix("/identity/v1")?;
        let role = json!({"name": format!("{marker} role {serial}"), "scopes": ["school.student:read"]});
        let node = json!({"name": format!("{marker} place {serial}"), "kind": "campus"});
        let on_a_record = async |made: Value| {
            let id = made["id"].as_str().expect("an id").to_owned();
            let version = (operation.method != http::Method::GET).then_some(1);
            let sample = Sample::at(&path.replace("{id}", &id));
            let patch = operation.method == http::Method::PATCH;
            Sample { version, body: if patch { Body::Json(json!({})) } else { Body::None }, ..sample }
        };
        let sample = match rest {
            "/roles" if operation.writes() => Sample::json(path, role),
            "/nodes" if operation.writes() => Sample::json(path, node),
            "/nodes" => {
                self.owner.post(path, &node).await.ok();
                Sample::at(path)
            }
            "/roles/{id}" => on_a_record(self.owner.post("/identity/v1/roles", &role).await.ok())
                .await
                .with("name", json!(format!("{marker} other role {serial}"))),
            "/nodes/{id}" => on_a_record(self.owner.post("/identity/v1/nodes", &node).await.ok())
                .await
                .with("name", json!(format!("{marker} other place {serial}"))),
            "/members/{id}" => on_a_record(self.member(serial).await).await.with("roles", json!(["registrar"])),
            "/invitations/import" => {
                let email = format!("{marker}{serial}@sheet.example").to_lowercase();
                Sample { body: Body::Csv(format!("email,name,roles\n{email},{marker},teacher\n")), ..Sample::at(path) }
            }
            "/policy" | "/branding" if operation.writes() => {
                let version = self.owner.get(path).await.ok()["version"].as_i64();
                let body = match rest {
                    "/policy" => json!({"session_max_minutes": 1000 + serial}),
                    _ => json!({"display_name": format!("The look {serial}")}),
                };
                Sample { version, ..Sample::json(path, body) }
            }
            _ => return None,
        };
        Some(sample)
    }

    /// Programs, keys, applications, providers, domains and directories.
    async fn of_door(&self, operation: &Operation, serial: i64) -> Option<Sample> {
        let (marker, path) = (self.marker, operation.path.as_str());
        let rest = path.strip_prefix("/identity/v1")?;
        if rest == "/me/applications/{id}" {
            return Some(Sample { version: Some(1), ..Sample::at(&path.replace("{id}", &self.application().await)) });
        }
        if rest == "/me/identities" {
            self.identity(serial).await;
            return Some(Sample::at(path));
        }
        if rest == "/me/identities/{id}" {
            return Some(Sample::at(&path.replace("{id}", &self.identity(serial).await)));
        }
        let collection = ["/clients", "/api-keys", "/providers", "/domains", "/scim-tokens"]
            .into_iter()
            .find(|known| rest == *known || rest.starts_with(&format!("{known}/")))?;
        let body = match collection {
            "/clients" => {
                json!({"name": format!("{marker} {serial}"), "kind": "service", "scopes": ["school.student:read"]})
            }
            "/api-keys" => json!({"name": format!("{marker} {serial}"), "scopes": ["school.student:read"],
                "expires_at": "2026-12-31T00:00:00Z"}),
            "/providers" => json!({"kind": "oidc", "label": format!("{marker} {serial}"), "client_id": marker,
                "issuer": "https://login.invalid", "client_secret": "made up"}),
            "/domains" => json!({"domain": format!("{marker}{serial}.example").to_lowercase()}),
            _ => json!({"label": format!("{marker} {serial}"), "default_role": "teacher"}),
        };
        if rest == collection && operation.writes() {
            return Some(Sample::json(path, body));
        }
        let made = self.owner.post(&format!("/identity/v1{collection}"), &body).await.ok();
        let id = made["id"].as_str().expect("an id");
        if collection == "/domains" {
            self.prove(id).await;
        }
        let version =
            (rest != collection && operation.method != http::Method::GET && collection != "/scim-tokens").then_some(1);
        let sample = Sample { version, ..Sample::at(&path.replace("{id}", id)) };
        Some(match (operation.method == http::Method::PATCH, collection) {
            (false, _) => sample,
            (true, "/domains") => Sample { body: Body::Json(json!({"auto_join_role": "teacher"})), ..sample },
            (true, "/providers") => {
                Sample { body: Body::Json(json!({"label": format!("{marker} other {serial}")})), ..sample }
            }
            (true, _) => Sample { body: Body::Json(json!({"name": format!("{marker} other {serial}")})), ..sample },
        })
    }

    /// Who the owner is at another provider.
    async fn identity(&self, serial: i64) -> String {
        let mut conn = self.app.platform.databases().control().await.expect("a connection");
        let id: uuid::Uuid = sqlx::query_scalar(
            "insert into identity.external_identity (id, issuer, subject, account_id, label, linked_at, last_used_at)
             select $1, $2, $3, id, $3, now(), now() from identity.account where email = $4 returning id",
        )
        .bind(hitaji_core::new_id())
        .bind(format!("https://login{serial}.invalid"))
        .bind(format!("{}{serial}", self.marker))
        .bind(&self.organisation.owner_email)
        .fetch_one(&mut *conn)
        .await
        .expect("an identity");
        id.to_string()
    }

    /// No name server answers for made-up domains.
    async fn prove(&self, id: &str) {
        let mut conn = self.app.platform.databases().control().await.expect("a connection");
        let id: uuid::Uuid = id.parse().expect("an id");
        sqlx::query("update identity.domain set verified_at = now() where id = $1")
            .bind(id)
            .execute(&mut *conn)
            .await
            .expect("a proven domain");
    }

    /// An application that the owner allowed something.
    pub async fn application(&self) -> String {
        let mut conn = self.app.platform.databases().control().await.expect("a connection");
        let id: uuid::Uuid = sqlx::query_scalar(
            "insert into identity.consent (id, account_id, client_id, organisation_id, scopes, granted_at)
             select $1, id, $2, $3, '{openid}', now() from identity.account where email = $4 returning id",
        )
        .bind(hitaji_core::new_id())
        .bind(format!("{}-{}", self.marker, self.next()))
        .bind(self.organisation.id.0)
        .bind(&self.organisation.owner_email)
        .fetch_one(&mut *conn)
        .await
        .expect("a consent");
        id.to_string()
    }
}
