//! `k2m` and the `bootstrap` binary, as built, against real Apache Kafka; read back by a client that isn't k2m.

mod delivery;
mod demo;
mod driver;
mod flaws;
mod input;
mod rights;
mod scenarios;
mod volume;
