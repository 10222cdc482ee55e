//! Tenancy: organisations come into being with a database of their own, change, are suspended and put away; and who of
//! the people that run the platform may look into one.
mod config;
mod domain;
mod events;
mod http;
mod jobs;
mod store;

pub use config::Backups;
pub use http::erasure::erase;

pub use http::plans;

use hitaji_bus::{Job, Parts};
use hitaji_contracts::tenancy::{
    ChangeState, CreateOrganisation, OrganisationCreated, StateChanged, SupportAnswer, SupportQuestion,
};
use hitaji_core::Permission;
use hitaji_db::{Home, Migration};
use hitaji_fleet::{Fleet, Store};
use hitaji_web::{Access, Idempotency, Route, Schema, Service};
use schemars::JsonSchema;
use std::time::Duration;

const PERMISSIONS: &[Permission] = &[
    Permission {
        number: 0,
        scope: "tenancy.organisation:read",
        description: "See the organisation's name, products and settings",
    },
    Permission {
        number: 1,
        scope: "tenancy.organisation:manage",
        description: "Change the organisation's settings and products",
    },
    Permission { number: 16, scope: "tenancy.organisations:read", description: "Operators: see every organisation" },
    Permission {
        number: 17,
        scope: "tenancy.organisations:manage",
        description: "Operators: suspend, resume and archive organisations",
    },
    Permission {
        number: 18,
        scope: "tenancy.organisations:delete",
        description: "Operators: erase organisations for good",
    },
    Permission { number: 19, scope: "tenancy.support:manage", description: "Operators: ask organisations for access" },
    Permission {
        number: 20,
        scope: "tenancy.support:use",
        description: "Operators: work in organisations that gave access",
    },
];

const MIGRATIONS: &[Migration] = &[Migration {
    service: "tenancy",
    home: Home::Control,
    version: 1,
    sql: include_str!("../migrations/0001_support.sql"),
}];

const SEE: Access = Access::Operator("tenancy.organisations:read");
const DELETE: Access = Access::Operator("tenancy.organisations:delete");
const MANAGE: Access = Access::Operator("tenancy.organisations:manage");
const SUPPORT: Access = Access::Operator("tenancy.support:manage");
const OWN: Access = Access::Scope("tenancy.organisation:manage");

const JOBS: &[Job] = &[
    Job { name: "tenancy.refill", every: Duration::from_secs(2), everywhere: false, run: jobs::refill },
    Job { name: "tenancy.reap", every: Duration::from_secs(60), everywhere: false, run: jobs::reap },
    Job { name: "tenancy.resume", every: Duration::from_secs(20), everywhere: false, run: jobs::resume },
    Job { name: "tenancy.ship", every: Duration::from_secs(1), everywhere: true, run: jobs::ship },
    Job { name: "tenancy.recover", every: Duration::from_secs(20), everywhere: false, run: jobs::recover },
    Job { name: "tenancy.retire_roles", every: Duration::from_secs(10), everywhere: false, run: jobs::retire_roles },
    Job { name: "tenancy.back_up", every: Duration::from_secs(60), everywhere: false, run: jobs::back_up },
    Job { name: "tenancy.prove", every: Duration::from_secs(300), everywhere: false, run: jobs::prove },
    Job {
        name: "tenancy.expire_support",
        every: Duration::from_secs(60),
        everywhere: false,
        run: jobs::expire_support,
    },
    Job { name: "tenancy.measure", every: Duration::from_secs(60), everywhere: false, run: jobs::measure },
    Job { name: "tenancy.warn", every: Duration::from_secs(60), everywhere: false, run: jobs::warn },
    Job { name: "tenancy.forget_usage", every: Duration::from_secs(3600), everywhere: false, run: jobs::forget_usage },
];

pub fn service() -> Service {
    Service {
        name: "tenancy",
        summary: "Organisations, their databases and products",
        home: Home::Control,
        product: false,
        needs: &[],
        permissions: PERMISSIONS,
        roles: &[],
        resources: &[],
        migrations: MIGRATIONS,
        topics: &[],
        consumers: events::CONSUMERS,
        jobs: JOBS,
        routes,
        setup: |setup| {
            let mut parts = Parts::default();
            let store = Store::new(setup.config.section("files").map_err(|error| error.to_string())?);
            parts.insert(Fleet::new(setup.databases.clone(), store));
            parts.insert::<config::Backups>(setup.config.section("backups").map_err(|error| error.to_string())?);
            Ok(parts)
        },
        wrap: None,
    }
}

fn routes() -> Vec<Route> {
    let mut routes = own_routes();
    routes.extend(operator_routes());
    routes.extend(support_routes());
    routes.extend(peer_routes());
    routes
}

fn own_routes() -> Vec<Route> {
    use http::exports;
    use http::organisation::{OrganisationOut, OrganisationPatch, change, read};
    vec![
        Route::get("/organisation", Access::Scope("tenancy.organisation:read"), read)
            .summary("The organisation of the token")
            .answers::<OrganisationOut>(200),
        Route::get("/usage", Access::Scope("tenancy.organisation:read"), http::usage::read)
            .summary("What the organisation uses of its plan, and its last 30 days")
            .answers::<http::usage::UsageOut>(200),
        Route::patch("/organisation", OWN, change)
            .summary("Change name, time zone or products")
            .body::<OrganisationPatch>()
            .if_match()
            .answers::<OrganisationOut>(200),
        Route::get("/exports", OWN, exports::list)
            .summary("Whole copies of the organisation that can be downloaded")
            .answers::<exports::Exports>(200),
        Route::post("/exports", OWN, exports::create)
            .summary("Make a whole copy of everything the organisation owns, to take along")
            .answers::<http::work::WorkBegun>(202),
        Route::get("/exports/{id}/archive", OWN, exports::download)
            .summary("Download a copy: a tar archive compressed by Zstandard")
            .answers_schema(200, None)
            .deadline(Duration::from_secs(600)),
        Route::get(
            "/signature-keys",
            Access::Public("who holds a certificate or an export checks it"),
            exports::public_keys,
        )
        .summary("Public keys of certificates and exports (JWK set)")
        .answers_schema(200, Some(Schema::Value(serde_json::json!({"type": "object"})))),
    ]
}

/// Long work on one organisation, as it was read.
fn begun(route: Route) -> Route {
    route.if_match().answers::<http::work::WorkBegun>(202)
}

fn operator_routes() -> Vec<Route> {
    use http::operator::{audit, organisations, states, storage};
    use http::organisation::OrganisationOut;
    let changing = |route: Route| route.body::<states::StateChange>().if_match().answers::<OrganisationOut>(200);
    vec![
        paged::<OrganisationOut>(Route::get("/organisations", SEE, organisations::list))
            .summary("Operators: organisations, newest first")
            .parameter("q", "Part of the name or short name, or the id")
            .parameter("state", "provisioning, active, suspended, archived, erasing or erased"),
        Route::get("/organisations/{id}", SEE, organisations::read)
            .summary("Operators: one organisation, with what its database says of itself")
            .answers::<organisations::OrganisationDetail>(200),
        changing(Route::post("/organisations/{id}/suspend", MANAGE, states::suspend))
            .summary("Operators: nobody works in it for now"),
        changing(Route::post("/organisations/{id}/resume", MANAGE, states::resume))
            .summary("Operators: it can be worked in again"),
        changing(Route::post("/organisations/{id}/archive", MANAGE, states::archive))
            .summary("Operators: put it away, with its data"),
        Route::get("/organisations/{id}/storage", SEE, storage::read)
            .summary("Operators: where its data is, its backups, and long work on it")
            .answers::<storage::Storage>(200),
        begun(Route::post("/organisations/{id}/back-up", MANAGE, storage::back_up))
            .summary("Operators: back it up now")
            .body::<storage::Reason>(),
        begun(Route::post("/organisations/{id}/prove", MANAGE, storage::prove))
            .summary("Operators: restore its newest backup into a scratch database and compare")
            .body::<storage::Reason>(),
        begun(Route::post("/organisations/{id}/restore", MANAGE, storage::restore))
            .summary("Operators: put it back to a backup or a moment")
            .body::<storage::RestoreIn>(),
        begun(Route::post("/organisations/{id}/move", MANAGE, storage::relocate))
            .summary("Operators: move it to another cluster while people work")
            .body::<storage::MoveIn>(),
        begun(Route::post("/organisations/{id}/erase", DELETE, storage::erase))
            .summary("Operators: erase it for good")
            .body::<storage::EraseIn>(),
        Route::post("/operations/{id}/cancel", MANAGE, storage::cancel)
            .summary("Operators: stop long work that runs")
            .answers_schema(204, None),
        paged::<audit::AuditLine>(Route::get("/operator-audit", SEE, audit::list))
            .summary("Operators: what operators did, newest first")
            .parameter("organisation", "Only about the organisation with this id"),
    ]
}

/// Access of operators to an organisation, from both sides.
fn support_routes() -> Vec<Route> {
    use http::operator::support;
    use http::support_grants::{SupportGrantOut, end, grant, list, refuse};
    let step = |route: Route| route.if_match().answers::<SupportGrantOut>(200);
    vec![
        paged::<SupportGrantOut>(Route::get("/organisations/{id}/support-grants", SEE, support::list))
            .summary("Operators: who asked the organisation for access, newest first"),
        Route::post("/organisations/{id}/support-grants", SUPPORT, support::request)
            .summary("Operators: ask the organisation for access")
            .body::<support::NewSupportGrant>()
            .if_match()
            .answers::<SupportGrantOut>(201),
        Route::get("/organisations/{id}/support-grants/{grant_id}", SEE, support::read)
            .summary("Operators: one access")
            .answers::<SupportGrantOut>(200),
        step(Route::post("/organisations/{id}/support-grants/{grant_id}/end", SUPPORT, support::end))
            .summary("Operators: give one's own access back"),
        paged::<SupportGrantOut>(Route::get("/support-grants", OWN, list))
            .summary("Who of the people that run the platform asked for access, newest first"),
        step(Route::post("/support-grants/{id}/grant", OWN, grant))
            .summary("Let the operator in, for the hours asked for"),
        step(Route::post("/support-grants/{id}/refuse", OWN, refuse)).summary("Do not let the operator in"),
        step(Route::post("/support-grants/{id}/end", OWN, end)).summary("End an access before its time"),
    ]
}

fn peer_routes() -> Vec<Route> {
    vec![
        Route::post("/organisations", Access::Peer("identity signs people up"), http::create_organisation::create)
            .summary("Make an organisation with its database")
            .body::<CreateOrganisation>()
            .answers::<OrganisationCreated>(200)
            .deadline(Duration::from_secs(60)),
        Route::post("/organisation-states", Access::Peer("hitaji tenant"), http::operator::states::by_command_line)
            .summary("Suspend, resume or archive by the command line")
            .idempotency(Idempotency::None)
            .body::<ChangeState>()
            .answers::<StateChanged>(200),
        Route::post("/support-questions", Access::Peer("identity makes tokens"), http::support_questions::answer)
            .summary("Whether an operator may work in an organisation now")
            .idempotency(Idempotency::None)
            .body::<SupportQuestion>()
            .answers::<SupportAnswer>(200),
    ]
}

/// A list by the conventions of all lists.
fn paged<T: JsonSchema>(route: Route) -> Route {
    route.answers_schema(200, Some(Schema::page_of::<T>())).list()
}
