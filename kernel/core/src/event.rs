//! Events: the typed payloads that services publish, and the CloudEvents 1.0 envelope they travel in.
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// A payload of one event type. Fields are only ever added, and then optional.
pub trait Event: Serialize + DeserializeOwned + Send {
    /// For example `school.attendance.marked.v1`; its first part is the publishing service.
    const TYPE: &'static str;
}

/// CloudEvents 1.0 in JSON, with our extension attributes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CloudEvent {
    pub specversion: String,
    /// The outbox row's id.
    pub id: Uuid,
    /// The publishing service: `/school`.
    pub source: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The record that changed.
    pub subject: String,
    pub time: DateTime<Utc>,
    pub datacontenttype: String,
    pub data: Box<serde_json::value::RawValue>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tenant: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<String>,
    /// Who caused it: an account id, or `service:NAME`.
    pub actor: String,
    /// Per tenant and service; stamped after commit, gapless as delivered.
    pub sequence: i64,
}

impl CloudEvent {
    /// The typed payload, if this is an event of that type.
    pub fn decode<E: Event>(&self) -> Option<Result<E, serde_json::Error>> {
        (self.kind == E::TYPE).then(|| serde_json::from_str(self.data.get()))
    }

    /// The publishing service's name.
    pub fn service(&self) -> &str {
        self.source.trim_start_matches('/')
    }
}
