//! The one list of services. A product is added here and nowhere else.
use hitaji_web::Service;

pub fn services() -> Vec<Service> {
    vec![hitaji_tenancy::service(), hitaji_identity::service(), hitaji_realtime::service(), hitaji_school::service()]
}
