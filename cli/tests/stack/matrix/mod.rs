//! The fault matrix: a healthy deployment of each topology is broken in one way after another, and `k2m doctor` has to name what was broken, first, and
//! nothing else. What is broken is an account of the emulator's and, where a broker takes part, Apache Kafka; nothing that doctor judges is written by hand.
//!
//! Each topology is a test with its part of the table in docs/faults-doctor.md, which it prints and compares; with `K2M_UPDATE_DOCS=1` it writes the part
//! anew instead.

mod bench;
mod table;

mod brokers_vpc;
mod certificates;
mod dropped;
mod given;
mod iam;
mod joined;
mod other_doors;
mod outside;
mod scram;
