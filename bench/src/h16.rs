//! H16: memory, time until ready, size.
use crate::Size;
use crate::http::Connection;
use crate::machine::resident_mib;
use crate::people::Organisation;
use crate::platform::{CONTROL, Platform, binary};
use crate::report::{Times, at_most, say, times};
use serde_json::json;
use std::time::Duration;

/// About what distroless/cc takes, on which the binary could run; everything else is embedded in it.
const BASE_MB: f64 = 25.0;

/// Rows of the directory, as a sign-up leaves them; they have no database, which memory does not know.
const KNOWN: &str = "insert into directory.tenant (id, slug, name, country, currency, time_zone, products, state)
    select ('0000000a-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'known-' || n, 'Known Academy ' || n, 'KE', 'KES',
        'Africa/Nairobi', array['school'], 'active' from generate_series(1, {known}) n";

pub async fn run(size: Size) -> usize {
    let (known, real) = (size.of(800, 80), size.of(200, 5));
    say(&format!(
        "H16 all services in one process; {} organisations known, of which {real} have been worked in (their databases are real)",
        known + real
    ));
    let settings = [("DATABASE__WARM", "0"), ("DATABASE__IDLE_S", "5")];
    let mut platform = Platform::start(&settings).await;
    let mut organisations = Vec::new();
    for n in 0..real {
        organisations.push(Organisation::make(&platform, &format!("Real{n}")).await);
    }
    platform.postgres.run(CONTROL, &KNOWN.replace("{known}", &known.to_string())).await;
    let mut starts = Vec::new();
    for _ in 0..10 {
        starts.push(platform.serve(&settings).await);
    }
    let starts = Times::new(starts);
    times("process started → /readyz answers", &starts);
    // The first round of upkeep forgets what changed since the process started.
    tokio::time::sleep(Duration::from_secs(3)).await;
    say(&format!("  resident before the first request {:>21.1} MiB", resident_mib(platform.pid())));
    let mut connection = Connection::open(&platform.address).await;
    for n in 1..=known {
        let wish = json!({
            "id": format!("0000000a-0000-7000-8000-{n:012x}"), "name": "Known Academy", "slug": format!("other-{n}"),
            "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi", "products": ["school"],
        });
        // Asked again for an organisation that is there, tenancy looks it up in the cached directory and says so.
        let peer = platform.peer();
        connection.json("POST", "/tenancy/v1/organisations", &peer, &wish).await.expect(200);
    }
    for organisation in &organisations {
        connection.get("/school/v1/students?limit=20", &organisation.authorization).await.expect(200);
    }
    say(&format!("  resident with connections open {:>24.1} MiB", resident_mib(platform.pid())));
    tokio::time::sleep(Duration::from_secs(size.of(15, 8) as u64)).await;
    let idle = resident_mib(platform.pid());
    let megabytes = std::fs::metadata(binary()).map_or(f64::NAN, |file| file.len() as f64 / 1e6);
    platform.stop().await;
    say(&format!("  binary {megabytes:.1} MB; no image is built here: it is reckoned as that and {BASE_MB} MB"));
    at_most("resident, idle", idle, 150.0, "MiB")
        + at_most("ready after the start, median", starts.ms(50.0), 500.0, "ms")
        + at_most("image, reckoned", megabytes + BASE_MB, 60.0, "MB")
}
