//! Who listens to what, and the pump that brings events from an organisation's outbox to them.
use crate::config::Settings;
use hitaji_bus::{Offset, head, since};
use hitaji_core::{CloudEvent, TenantId};
use hitaji_db::{DbError, Place, TenantState};
use hitaji_web::{Platform, Topic, Verified};
use serde::Serialize;
use socketioxide::SendError;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

const BATCH: i64 = 100;
const TOPICS_PER_SOCKET: usize = 32;

/// What the hub is made from, once the platform is there.
pub struct Seed {
    pub settings: Settings,
    pub stamped: broadcast::Sender<Place>,
}

/// All sockets of this process.
pub struct Hub {
    platform: Platform,
    settings: Settings,
    stamped: broadcast::Sender<Place>,
    members: Mutex<HashMap<Sid, Member>>,
    /// The lock of an organisation keeps replay and live apart.
    organisations: Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<Organisation>>>>,
}

/// One connected socket with the token it last showed.
#[derive(Clone)]
struct Member {
    socket: SocketRef,
    tenant: TenantId,
    verified: Arc<Verified>,
}

#[derive(Default)]
struct Organisation {
    /// How far this process has read the stream of each service.
    positions: HashMap<&'static str, Offset>,
    listeners: Vec<(Sid, SocketRef, &'static Topic)>,
}

/// A message on a topic.
#[derive(Serialize)]
struct Message<'a> {
    topic: &'a str,
    offset: Offset,
    event: &'a CloudEvent,
}

/// Why a socket is refused something; the code is for programs.
#[derive(Debug, Serialize)]
pub struct Refusal {
    pub code: &'static str,
    pub message: &'static str,
}

/// The answer to a subscription.
#[derive(Debug, Serialize)]
pub struct Subscribed {
    pub offset: Offset,
    /// Whether everything after the offset the client named has been sent.
    pub recovered: bool,
}

impl Hub {
    pub fn new(platform: Platform, seed: &Seed) -> Hub {
        Hub {
            platform,
            settings: seed.settings.clone(),
            stamped: seed.stamped.clone(),
            members: Mutex::default(),
            organisations: Mutex::default(),
        }
    }

    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sockets of one organisation.
    pub fn count(&self, tenant: TenantId) -> usize {
        self.lock_members().values().filter(|member| member.tenant == tenant).count()
    }

    pub fn join(&self, socket: SocketRef, tenant: TenantId, verified: Arc<Verified>) {
        metrics_sockets(1.0);
        self.lock_members().insert(socket.id, Member { socket, tenant, verified });
    }

    pub async fn leave(&self, id: Sid) {
        let Some(member) = self.lock_members().remove(&id) else { return };
        metrics_sockets(-1.0);
        let organisation = self.organisation(member.tenant);
        let mut organisation = organisation.lock().await;
        organisation.listeners.retain(|(listener, ..)| *listener != id);
        if organisation.listeners.is_empty() {
            // Nobody listens: the stream is not followed any more. The next listener starts at its head.
            organisation.positions.clear();
        }
    }

    /// Takes a renewed token of the same person and organisation; topics it does not cover any more are left.
    pub async fn renew(&self, id: Sid, verified: Arc<Verified>) -> Result<(), Refusal> {
        let tenant = {
            let mut members = self.lock_members();
            let member = members.get_mut(&id).ok_or(Refusal { code: "gone", message: "The socket is closed." })?;
            let same = verified.tenant == Some(member.tenant) && verified.subject == member.verified.subject;
            if !same {
                return Err(Refusal {
                    code: "unauthenticated",
                    message: "The token is for somebody else. Connect again.",
                });
            }
            member.verified = verified.clone();
            member.tenant
        };
        let organisation = self.organisation(tenant);
        organisation
            .lock()
            .await
            .listeners
            .retain(|(listener, _, topic)| *listener != id || self.may_hear(&verified, topic));
        Ok(())
    }

    /// Adds a topic. What came after `after` is sent first, where the stream still has all of it.
    pub async fn subscribe(&self, id: Sid, topic: &str, after: Option<Offset>) -> Result<Subscribed, Refusal> {
        let member =
            self.lock_members().get(&id).cloned().ok_or(Refusal { code: "gone", message: "The socket is closed." })?;
        let topic = self
            .platform
            .registry()
            .topic(topic)
            .filter(|topic| self.may_hear(&member.verified, topic))
            .ok_or(Refusal { code: "not_found", message: "There is no such topic, or you may not hear it." })?;
        let organisation = self.organisation(member.tenant);
        let mut organisation = organisation.lock().await;
        if organisation.listeners.iter().filter(|(listener, ..)| *listener == id).count() >= TOPICS_PER_SOCKET {
            return Err(Refusal { code: "too_many", message: "Leave another topic first." });
        }
        let unavailable = |_: DbError| Refusal { code: "unavailable", message: "Try again in a moment." };
        self.read_on(member.tenant, topic.service, &mut organisation).await.map_err(unavailable)?;
        let offset = organisation.positions[topic.service];
        let missed = self.missed(member.tenant, topic, after, offset).await.map_err(unavailable)?;
        for event in missed.iter().flatten() {
            let sequence = event.sequence;
            let message = Message { topic: topic.name, offset: Offset { sequence, ..offset }, event };
            if member.socket.emit("event", &message).is_err() {
                return Err(Refusal { code: "too_slow", message: "The connection is too slow. Connect again." });
            }
        }
        organisation.listeners.retain(|(listener, _, other)| *listener != id || other.name != topic.name);
        organisation.listeners.push((id, member.socket, topic));
        Ok(Subscribed { offset, recovered: missed.is_some() })
    }

    pub async fn unsubscribe(&self, id: Sid, topic: &str) {
        let Some(tenant) = self.lock_members().get(&id).map(|member| member.tenant) else { return };
        let organisation = self.organisation(tenant);
        organisation.lock().await.listeners.retain(|(listener, _, other)| *listener != id || other.name != topic);
    }

    /// The events of the topic between `after` and `now`; none where they are not all there any more.
    async fn missed(
        &self,
        tenant: TenantId,
        topic: &Topic,
        after: Option<Offset>,
        now: Offset,
    ) -> Result<Option<Vec<CloudEvent>>, DbError> {
        let Some(after) = after else { return Ok(Some(Vec::new())) };
        let gap = now.sequence - after.sequence;
        if after.epoch != now.epoch || !(0..=self.settings.replay).contains(&gap) {
            return Ok(None);
        }
        let mut conn = self.platform.databases().tenant(tenant, topic.service).await?;
        let events = since(&mut conn, topic.service, after.sequence, gap, Some(tenant.0)).await?;
        conn.release();
        if events.len() as i64 != gap {
            return Ok(None);
        }
        Ok(Some(events.into_iter().filter(|event| topic.types.contains(&event.kind.as_str())).collect()))
    }

    /// Reads the service's stream to its end and hands it to the listeners; the first time, only finds the end.
    async fn read_on(
        &self,
        tenant: TenantId,
        service: &'static str,
        organisation: &mut Organisation,
    ) -> Result<(), DbError> {
        let mut conn = self.platform.databases().tenant(tenant, service).await?;
        let Some(position) = organisation.positions.get(service).copied() else {
            let position = head(&mut conn, service).await?;
            conn.release();
            organisation.positions.insert(service, position);
            return Ok(());
        };
        let mut position = position;
        loop {
            let events = since(&mut conn, service, position.sequence, BATCH, Some(tenant.0)).await?;
            for event in &events {
                position.sequence = event.sequence;
                deliver(organisation, event, position);
            }
            organisation.positions.insert(service, position);
            if (events.len() as i64) < BATCH {
                conn.release();
                return Ok(());
            }
        }
    }

    async fn pump(&self, tenant: TenantId) {
        let known = self.organisations.lock().expect("cannot be poisoned").get(&tenant).cloned();
        let Some(organisation) = known else { return };
        let mut organisation = organisation.lock().await;
        let services: Vec<&'static str> = organisation.positions.keys().copied().collect();
        for service in services {
            if let Err(error) = self.read_on(tenant, service, &mut organisation).await {
                tracing::warn!(%tenant, service, %error, "live events are late; they are read at the next turn");
            }
        }
    }

    /// Runs for as long as the process lives: follows what is stamped here, and looks at what others stamped.
    pub async fn run(self: Arc<Self>) {
        let mut stamped = self.stamped.subscribe();
        let mut denials = self.platform.databases().denylist().changes();
        let mut polls = tokio::time::interval(Duration::from_millis(self.settings.poll_ms));
        polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                place = stamped.recv() => match place {
                    Ok(place) => {
                        if let Some(tenant) = place.tenant() {
                            self.pump(tenant).await;
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.pump_all().await,
                    Err(RecvError::Closed) => return,
                },
                // The list lives as long as the platform.
                _ = denials.changed() => self.close_expired().await,
                _ = polls.tick() => {
                    self.close_expired().await;
                    self.pump_all().await;
                }
            }
        }
    }

    async fn pump_all(&self) {
        let tenants: Vec<TenantId> = self.organisations.lock().expect("cannot be poisoned").keys().copied().collect();
        for tenant in tenants {
            self.pump(tenant).await;
        }
    }

    /// Closes sockets whose token expired, whose session ended, or whose organisation is not active any more.
    async fn close_expired(&self) {
        let now = self.platform.clock().now().timestamp();
        let inactive = self.inactive().await;
        let ended = |member: &&Member| {
            let denied = member.verified.is_denied(self.platform.databases().denylist());
            denied || member.verified.expires_at <= now || inactive.contains(&member.tenant)
        };
        let expired: Vec<Member> = self.lock_members().values().filter(ended).cloned().collect();
        for member in expired {
            // It is closed whether or not it can still be told why.
            let _ = member.socket.emit("expired", &serde_json::json!({}));
            let id = member.socket.id;
            close(member.socket);
            self.leave(id).await;
        }
    }

    /// Organisations of connected sockets that nobody may work in now. What cannot be read is looked at next time.
    async fn inactive(&self) -> HashSet<TenantId> {
        let connected: HashSet<TenantId> = self.lock_members().values().map(|member| member.tenant).collect();
        let mut inactive = HashSet::new();
        for id in connected {
            let tenant = self.platform.databases().describe(id).await;
            if tenant.is_ok_and(|tenant| tenant.state != TenantState::Active) {
                inactive.insert(id);
            }
        }
        inactive
    }

    fn may_hear(&self, verified: &Verified, topic: &Topic) -> bool {
        let registry = self.platform.registry();
        topic
            .needs
            .iter()
            .all(|scope| registry.number(scope).is_some_and(|number| verified.permissions.contains(number)))
    }

    fn organisation(&self, tenant: TenantId) -> Arc<tokio::sync::Mutex<Organisation>> {
        self.organisations.lock().expect("cannot be poisoned").entry(tenant).or_default().clone()
    }

    fn lock_members(&self) -> std::sync::MutexGuard<'_, HashMap<Sid, Member>> {
        self.members.lock().expect("cannot be poisoned: nothing panics while it is held")
    }
}

/// Sends one event to its listeners; who cannot take it is dropped, so that it comes back and catches up.
fn deliver(organisation: &mut Organisation, event: &CloudEvent, offset: Offset) {
    organisation.listeners.retain(|(_, socket, topic)| {
        if !topic.types.contains(&event.kind.as_str()) {
            return true;
        }
        match socket.emit("event", &Message { topic: topic.name, offset, event }) {
            Ok(()) => true,
            Err(SendError::Socket(_)) => {
                tracing::info!(socket = %socket.id, "a slow client is dropped");
                close(socket.clone());
                false
            }
            Err(SendError::Serialize(error)) => {
                tracing::error!(event = %event.id, %error, "an event cannot be sent");
                true
            }
        }
    });
}

/// Closes a socket, also one whose buffer is too full for the goodbye.
fn close(socket: SocketRef) {
    tokio::spawn(async move {
        for _ in 0..100 {
            if !socket.connected() || socket.clone().disconnect().is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
}

fn metrics_sockets(change: f64) {
    metrics::gauge!("realtime_sockets").increment(change);
}
