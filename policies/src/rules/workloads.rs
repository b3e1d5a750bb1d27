//! Images, resources, probes and availability.

pub mod availability;
pub mod images;
pub mod provenance;
pub mod resources;
