//! A whole stack: deployed by `k2m` as built into an emulator of AWS, its `bootstrap` fed from Kinesis, its records counted in Apache Kafka.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

mod asked;
mod bad_input;
mod by_hand;
mod chosen;
mod denied;
mod diagnosis;
mod doors;
mod driver;
mod evidence;
mod from_nothing;
mod given;
mod given_to_the_stack;
mod hanging;
mod imported;
mod json;
mod kept;
mod matrix;
mod mended;
mod networks;
mod office;
mod outside;
mod pictures;
mod proxy;
mod released;
mod sample;
mod secrets;
mod story;
mod terminal;
mod topics;
mod verified;
mod watched;
