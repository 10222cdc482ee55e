//! Tenancy: organisations come into being with a database of their own, and change.
mod domain;
mod http;
mod jobs;

pub use http::plans;

use hitaji_bus::{Job, Parts};
use hitaji_contracts::tenancy::{CreateOrganisation, OrganisationCreated};
use hitaji_core::Permission;
use hitaji_db::{Databases, Home};
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
    Job { name: "tenancy.refill", every: Duration::from_secs(2), run: jobs::refill },
    Job { name: "tenancy.reap", every: Duration::from_secs(60), run: jobs::reap },
    Job { name: "tenancy.resume", every: Duration::from_secs(20), run: jobs::resume },
    Job { name: "tenancy.measure", every: Duration::from_secs(60), run: jobs::measure },
    Job { name: "tenancy.warn", every: Duration::from_secs(60), run: jobs::warn },
    Job { name: "tenancy.forget_usage", every: Duration::from_secs(3600), run: jobs::forget_usage },
];

/// What jobs need beside the control database's rows: making and dropping databases.
struct Provisioner(Databases);

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
            parts.insert(Provisioner(setup.databases.clone()));
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
        Route::get("/usage", Access::Scope("tenancy.organisation:read"), http::usage::read)
            .summary("What the organisation uses of its plan, and its last 30 days")
            .answers::<http::usage::UsageOut>(200),
        Route::patch("/organisation", Access::Scope("tenancy.organisation:manage"), http::organisation::change)
            .summary("Change name, time zone or products")
            .body::<http::organisation::OrganisationPatch>()
            .if_match()
            .answers::<http::organisation::OrganisationOut>(200),
    ]
}
