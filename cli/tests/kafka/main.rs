//! `k2m` and the `bootstrap` binary, as built, against real Apache Kafka; read back by a client that isn't k2m.

mod authentication;
mod canary;
mod deadline;
mod delivery;
mod demo;
mod driver;
mod examples;
mod flaws;
mod frozen;
mod input;
mod one;
mod payload;
mod poison;
mod rights;
mod scenarios;
mod volume;
