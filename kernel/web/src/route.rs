//! A route: its handler and everything its conventions, its guard and its OpenAPI operation need to know.
use crate::Platform;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use schemars::{JsonSchema, SchemaGenerator};
use std::time::Duration;

/// Who may call a route. There is no default: a route without authority cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A token of an organisation that carries this permission.
    Scope(&'static str),
    /// Any token of an organisation; the text says why no permission is asked.
    Member(&'static str),
    /// A token of somebody who runs the platform that carries this permission. What is not a `:read` or `:use` asks
    /// for a recent sign-in.
    Operator(&'static str),
    /// Nobody needs to be signed in; the text says why.
    Public(&'static str),
    /// Only other services of the platform; the text says for what.
    Peer(&'static str),
}

/// Whether `Idempotency-Key` is taken. Required where money, stock or messages move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    None,
    Accepted,
    Required,
}

/// A JSON schema: of a type, or written by the resource engine.
#[derive(Clone)]
pub enum Schema {
    Type(fn(&mut SchemaGenerator) -> schemars::Schema),
    Value(serde_json::Value),
}

impl Schema {
    pub fn of<T: JsonSchema>() -> Schema {
        Schema::Type(|generator| generator.subschema_for::<T>())
    }

    /// `{data: [T], page: {…}}`.
    pub fn page_of<T: JsonSchema>() -> Schema {
        Schema::Type(|generator| {
            let record = generator.subschema_for::<T>();
            schemars::json_schema!({"type": "object", "required": ["data", "page"], "properties": {
                "data": {"type": "array", "items": record}, "page": {"$ref": "#/components/schemas/Page"}}})
        })
    }
}

/// One query parameter, for OpenAPI.
#[derive(Clone)]
pub struct Parameter {
    pub name: String,
    pub description: String,
}

#[derive(Clone)]
pub struct Route {
    pub method: Method,
    /// Below `/{service}/v1`, or absolute where `protocol` is set.
    pub path: String,
    pub access: Access,
    pub summary: String,
    pub idempotency: Idempotency,
    /// Follows a specification of its own (OAuth, Socket.IO, pages) and stands outside our conventions and OpenAPI.
    pub protocol: bool,
    pub if_match: bool,
    pub body: Option<(&'static str, Schema)>,
    pub answers: Vec<(u16, Option<Schema>)>,
    pub parameters: Vec<Parameter>,
    pub list: bool,
    pub deadline: Duration,
    /// Goes on when a limit of the organisation's plan is reached: what helps to get out of that.
    pub way_out: bool,
    /// Asks for a sign-in of the last 15 minutes: what changes who may do what. Operators' writes always do.
    pub recent_sign_in: bool,
    /// The permission in any one place of the organisation is enough.
    pub by_node: bool,
    pub(crate) handler: MethodRouter<Platform>,
}

impl Route {
    pub fn new<H, T>(method: Method, path: impl Into<String>, access: Access, handler: H) -> Route
    where
        H: Handler<T, Platform>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("cannot fail: routes use standard methods");
        let writes = method == Method::POST || method == Method::PATCH;
        Route {
            idempotency: if writes { Idempotency::Accepted } else { Idempotency::None },
            if_match: false,
            path: path.into(),
            access,
            summary: String::new(),
            protocol: false,
            body: None,
            answers: Vec::new(),
            parameters: Vec::new(),
            list: false,
            deadline: Duration::from_secs(15),
            way_out: method == Method::DELETE,
            recent_sign_in: matches!(access, Access::Operator(scope) if !is_for_looking(scope)),
            by_node: false,
            handler: on(filter, handler),
            method,
        }
    }

    pub fn get<H: Handler<T, Platform>, T: 'static>(path: impl Into<String>, access: Access, handler: H) -> Route {
        Route::new(Method::GET, path, access, handler)
    }

    pub fn post<H: Handler<T, Platform>, T: 'static>(path: impl Into<String>, access: Access, handler: H) -> Route {
        Route::new(Method::POST, path, access, handler)
    }

    pub fn patch<H: Handler<T, Platform>, T: 'static>(path: impl Into<String>, access: Access, handler: H) -> Route {
        Route::new(Method::PATCH, path, access, handler)
    }

    pub fn delete<H: Handler<T, Platform>, T: 'static>(path: impl Into<String>, access: Access, handler: H) -> Route {
        Route::new(Method::DELETE, path, access, handler)
    }

    /// What it does, in a few words for the API reference.
    pub fn summary(mut self, summary: impl Into<String>) -> Route {
        self.summary = summary.into();
        self
    }

    /// A page or endpoint that follows its own specification, at an absolute path.
    pub fn protocol(mut self) -> Route {
        self.protocol = true;
        self.idempotency = Idempotency::None;
        self
    }

    pub fn body<T: JsonSchema>(self) -> Route {
        self.body_schema("application/json", Schema::of::<T>())
    }

    pub fn body_schema(mut self, content_type: &'static str, schema: Schema) -> Route {
        self.body = Some((content_type, schema));
        self
    }

    pub fn answers<T: JsonSchema>(self, status: u16) -> Route {
        self.answers_schema(status, Some(Schema::of::<T>()))
    }

    pub fn answers_schema(mut self, status: u16, schema: Option<Schema>) -> Route {
        self.answers.push((status, schema));
        self
    }

    pub fn parameter(mut self, name: impl Into<String>, description: impl Into<String>) -> Route {
        self.parameters.push(Parameter { name: name.into(), description: description.into() });
        self
    }

    pub fn idempotency(mut self, idempotency: Idempotency) -> Route {
        self.idempotency = idempotency;
        self
    }

    /// Takes `If-Match`.
    pub fn if_match(mut self) -> Route {
        self.if_match = true;
        self
    }

    /// Answers a page: `data` and `page`.
    pub fn list(mut self) -> Route {
        self.list = true;
        self.parameter("limit", "1 to 200, 50 by default").parameter("cursor", "`page.next` of the page before")
    }

    /// Goes on when a limit of the organisation's plan is reached. Every DELETE does by itself.
    pub fn way_out(mut self) -> Route {
        self.way_out = true;
        self
    }

    /// Asks for a sign-in of the last 15 minutes (RFC 9470).
    pub fn recent_sign_in(mut self) -> Route {
        self.recent_sign_in = true;
        self
    }

    /// The permission in any one place of the organisation is enough to call it; what it then shows and changes is
    /// limited by `Ctx::reach`, which its handler must ask.
    pub fn by_node(mut self) -> Route {
        self.by_node = true;
        self
    }

    pub fn deadline(mut self, deadline: Duration) -> Route {
        self.deadline = deadline;
        self
    }
}

fn is_for_looking(scope: &str) -> bool {
    scope.ends_with(":read") || scope.ends_with(":use")
}
