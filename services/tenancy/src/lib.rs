//! Tenancy: organisations come into being with a database of their own, and change.
mod config;
mod domain;
mod http;
mod jobs;

use hitaji_bus::{Job, Parts};
use hitaji_contracts::tenancy::{CreateOrganisation, OrganisationCreated};
use hitaji_core::Permission;
use hitaji_db::Home;
use hitaji_fleet::{Fleet, Store};
use hitaji_web::{Access, Route, Service};
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
];

const JOBS: &[Job] = &[
    Job { name: "tenancy.refill", every: Duration::from_secs(2), everywhere: false, run: jobs::refill },
    Job { name: "tenancy.reap", every: Duration::from_secs(60), everywhere: false, run: jobs::reap },
    Job { name: "tenancy.resume", every: Duration::from_secs(20), everywhere: false, run: jobs::resume },
    Job { name: "tenancy.ship", every: Duration::from_secs(1), everywhere: true, run: jobs::ship },
    Job { name: "tenancy.recover", every: Duration::from_secs(20), everywhere: false, run: jobs::recover },
    Job { name: "tenancy.retire_roles", every: Duration::from_secs(10), everywhere: false, run: jobs::retire_roles },
    Job { name: "tenancy.back_up", every: Duration::from_secs(60), everywhere: false, run: jobs::back_up },
    Job { name: "tenancy.prove", every: Duration::from_secs(300), everywhere: false, run: jobs::prove },
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
        migrations: &[],
        topics: &[],
        consumers: &[],
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
    vec![
        Route::post("/organisations", Access::Peer("identity signs people up"), http::create_organisation::create)
            .summary("Make an organisation with its database")
            .body::<CreateOrganisation>()
            .answers::<OrganisationCreated>(200)
            .deadline(Duration::from_secs(60)),
        Route::get("/organisation", Access::Scope("tenancy.organisation:read"), http::organisation::read)
            .summary("The organisation of the token")
            .answers::<http::organisation::OrganisationOut>(200),
        Route::patch("/organisation", Access::Scope("tenancy.organisation:manage"), http::organisation::change)
            .summary("Change name, time zone or products")
            .body::<http::organisation::OrganisationPatch>()
            .if_match()
            .answers::<http::organisation::OrganisationOut>(200),
    ]
}
