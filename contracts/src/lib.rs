//! Who talks to whom: the events each service publishes and the REST questions it answers to other services.
pub mod identity;
pub mod school;
pub mod tenancy;
