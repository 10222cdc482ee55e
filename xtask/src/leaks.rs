//! `cargo xtask leaks`: plants leaks between organisations into a copy of the tree, one after another, and wants the isolation
//! tests to fail at each. A leak that nobody notices is a hole in the tests.

use std::path::Path;
use std::process::{Command, ExitCode};

/// A change that lets something through.
struct Leak {
    what: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const LEAKS: &[Leak] = &[
    Leak {
        what: "a cache key without its tenant: whoever was looked up first is everybody",
        file: "kernel/db/src/databases.rs",
        from: "if let Some(placements) = self.0.placements.read().expect(\"cannot be poisoned\").get(&id) {",
        to: "if let Some(placements) = self.0.placements.read().expect(\"cannot be poisoned\").values().next() {",
    },
    Leak {
        what: "a pool by name: connections of all organisations are kept under one",
        file: "kernel/db/src/databases.rs",
        from: "known.map_or(Place::Tenant(id), |migration| Place::Service(id, migration.service))\n    }\n\n    /// The directory's name",
        to: "known.map_or(Place::Tenant(TenantId(Uuid::nil())), |migration| Place::Service(id, migration.service))\n    }\n\n    /// The directory's name",
    },
    Leak {
        what: "a missing filter: the list of members is everybody's",
        file: "services/identity/src/store/organisation.rs",
        from: "where m.organisation_id = $1 and m.ended_at is null and m.id > $2 order by m.id limit $3",
        to: "where $1::uuid is not null and m.ended_at is null and m.id > $2 order by m.id limit $3",
    },
    Leak {
        what: "a missing filter on one record: an invitation is found by its id alone",
        file: "services/identity/src/http/api/invitations.rs",
        from: "found.filter(|invitation| invitation.organisation_id == ctx.tenant().id.0)",
        to: "found.filter(|invitation| !invitation.organisation_id.is_nil())",
    },
    Leak {
        what: "the description of an organisation from a cache without its key",
        file: "kernel/db/src/databases.rs",
        from: "if let Some(tenant) = self.0.tenants.read().expect(\"cannot be poisoned\").get(&id) {",
        to: "if let Some(tenant) = self.0.tenants.read().expect(\"cannot be poisoned\").values().next() {",
    },
];

pub fn run() -> ExitCode {
    let folder = std::env::temp_dir().join(format!("hitaji-leaks-{}", std::process::id()));
    let made = git(&["worktree", "add", "--detach", "--quiet", &folder.display().to_string()]);
    let mut missed = 0;
    if made {
        for leak in LEAKS {
            let caught = plant(&folder, leak);
            eprintln!("{}  {}", if caught { "caught" } else { "MISSED" }, leak.what);
            missed += usize::from(!caught);
        }
        git(&["worktree", "remove", "--force", &folder.display().to_string()]);
    }
    eprintln!("leaks: {} planted, {missed} missed", LEAKS.len());
    ExitCode::from(u8::from(!made || missed > 0))
}

fn git(arguments: &[&str]) -> bool {
    Command::new("git").args(arguments).status().is_ok_and(|status| status.success())
}

/// Whether the tests fail with this leak, though everything compiles.
fn plant(folder: &Path, leak: &Leak) -> bool {
    let path = folder.join(leak.file);
    let Ok(text) = std::fs::read_to_string(&path) else { return false };
    if text.matches(leak.from).count() != 1 || std::fs::write(&path, text.replace(leak.from, leak.to)).is_err() {
        eprintln!("{} has changed: plant this leak anew in xtask/src/leaks.rs", leak.file);
        return false;
    }
    let compiles = cargo(folder, &["test", "--quiet", "--no-run", "--package", "hitaji", "--test", "it"]);
    let tests = ["test", "--quiet", "--package", "hitaji", "--test", "it", "--", "isolation", "random_tries"];
    let caught = compiles && !cargo(folder, &tests);
    let restored = std::fs::write(&path, text).is_ok();
    caught && restored
}

fn cargo(folder: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(folder).env("RUST_BACKTRACE", "0");
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
