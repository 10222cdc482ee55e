//! Identity: the platform's own OpenID provider, its accounts, memberships, roles, invitations and sign-in pages.
mod config;
mod domain;
mod events;
mod http;
mod jobs;
mod pages;
mod store;

use hitaji_core::{Permission, RoleTemplate};
use hitaji_db::{Home, Migration};
use hitaji_web::Service;

/// Numbers 32 to 63 belong to identity.
const PERMISSIONS: &[Permission] = &[
    Permission {
        number: 32,
        scope: "identity.member:read",
        description: "See the people of the organisation and who is invited",
    },
    Permission {
        number: 33,
        scope: "identity.member:manage",
        description: "Invite people, as far as one's own permissions go",
    },
    Permission { number: 34, scope: "identity.role:read", description: "See what each role allows" },
    Permission {
        number: 40,
        scope: "identity.provider:manage",
        description: "Decide with which providers people sign in, prove domains, and connect directories",
    },
];

/// Products say what their own roles may do here, under the same keys; only the owner is everybody's.
const ROLES: &[RoleTemplate] = &[RoleTemplate {
    key: "owner",
    label: "Owner",
    description: "Everything, in every product of the organisation",
    scopes: &["*"],
}];

const MIGRATIONS: &[Migration] = &[
    Migration {
        service: "identity",
        home: Home::Control,
        version: 1,
        sql: include_str!("../migrations/0001_identity.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 2,
        sql: include_str!("../migrations/0002_operators.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 3,
        sql: include_str!("../migrations/0003_erasure.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 4,
        sql: include_str!("../migrations/0004_people_and_programs.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 11,
        sql: include_str!("../migrations/0011_federation.sql"),
    },
];

pub fn service() -> Service {
    Service {
        name: "identity",
        summary: "Accounts, sign-in, members and invitations",
        home: Home::Control,
        product: false,
        needs: &["tenancy"],
        permissions: PERMISSIONS,
        roles: ROLES,
        resources: &[],
        migrations: MIGRATIONS,
        topics: &[],
        consumers: events::CONSUMERS,
        jobs: jobs::JOBS,
        routes: http::routes,
        setup: http::provider::setup,
        wrap: None,
    }
}
