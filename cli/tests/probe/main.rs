//! The probe, as `k2m run --probe` asks the `bootstrap` binary for it, against real Apache Kafka and against everything that can stand in its
//! place. What it says of each broken case is the table of docs/probe.md.

mod broken;
mod driver;
mod healthy;
mod network;
mod ports;
mod table;
mod topics;
