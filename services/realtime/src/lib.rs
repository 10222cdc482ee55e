//! Realtime: Socket.IO topics per organisation, fed from the outboxes, with offsets to catch up by.
mod config;
mod events;
mod http;

use hitaji_bus::Parts;
use hitaji_db::Home;
use hitaji_web::Service;
use std::sync::Arc;

pub fn service() -> Service {
    Service {
        name: "realtime",
        summary: "Live topics over Socket.IO",
        home: Home::Control,
        product: false,
        needs: &["identity"],
        permissions: &[],
        roles: &[],
        resources: &[],
        migrations: &[],
        topics: &[],
        consumers: &[],
        jobs: &[],
        routes: Vec::new,
        setup: |setup| {
            let settings = setup.config.section("realtime").map_err(|error| error.to_string())?;
            let mut parts = Parts::default();
            parts.insert(events::Seed { settings, stamped: setup.stamped.clone() });
            Ok(parts)
        },
        wrap: Some(|router, platform| {
            let seed = platform.parts().get::<events::Seed>();
            let hub = Arc::new(events::Hub::new(platform.clone(), &seed));
            http::attach(router, hub, seed.settings.clone())
        }),
    }
}
