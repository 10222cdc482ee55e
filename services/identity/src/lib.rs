//! Identity: the platform's own OpenID provider, its accounts, memberships, roles, invitations and sign-in pages.
mod config;
mod domain;
mod events;
mod http;
mod jobs;
mod pages;
mod store;

#[cfg(fuzzing)]
pub use http::fuzzing;

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
    Permission { number: 35, scope: "identity.event:read", description: "See who signed in, when and from where" },
    Permission {
        number: 36,
        scope: "identity.client:read",
        description: "See the programs and API keys of the organisation",
    },
    Permission {
        number: 37,
        scope: "identity.client:manage",
        description: "Let programs in and make API keys, as far as one's own permissions go",
    },
    Permission {
        number: 38,
        scope: "identity.role:manage",
        description: "Make and change the organisation's own roles, as far as one's own permissions go",
    },
    Permission {
        number: 39,
        scope: "identity.organisation:manage",
        description: "Set the organisation's places, rules of signing in, and look",
    },
    Permission {
        number: 40,
        scope: "identity.provider:manage",
        description: "Decide with which providers people sign in, prove domains, and connect directories",
    },
    // Of those for operators, 16 to 31, which all services share.
    Permission {
        number: 21,
        scope: "identity.accounts:manage",
        description: "Operators: sign a person out everywhere",
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
        version: 5,
        sql: include_str!("../migrations/0005_front_channel.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 6,
        sql: include_str!("../migrations/0006_programs.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 7,
        sql: include_str!("../migrations/0007_bound_tokens.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 8,
        sql: include_str!("../migrations/0008_factors.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 9,
        sql: include_str!("../migrations/0009_organisations.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 10,
        sql: include_str!("../migrations/0010_events.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 11,
        sql: include_str!("../migrations/0011_federation.sql"),
    },
    Migration {
        service: "identity",
        home: Home::Control,
        version: 12,
        sql: include_str!("../migrations/0012_phone.sql"),
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
