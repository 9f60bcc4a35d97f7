//! The ground k2m is tested on: Apache Kafka itself in one or three processes, a proxy that loses acknowledgements, a
//! reader that shares no code with k2m, an emulator of AWS, AWS's linter of templates and a judge
//! of what they leave open. Everything listens on 127.0.0.1 and disappears
//! with the test.

pub mod aggregates;
pub mod aws;
pub mod checkov;
pub mod clerk;
pub mod debian;
mod error;
pub mod ground;
pub mod hands;
pub mod iam;
pub mod kafka;
pub mod lint;
pub mod partitions;
mod ports;
mod process;
pub mod proxy;
pub mod readback;
pub mod schema;
pub mod terminal;
mod tls;
mod wait;

pub use aws::AwsEmulator;
pub use checkov::{Failed, checkov};
pub use clerk::Clerk;
pub use debian::Debian;
pub use error::{Error, Result};
pub use hands::Hands;
pub use kafka::{Denied, KafkaCluster, KafkaClusterBuilder, KafkaVersion};
pub use lint::{Complaint, cfn_lint};
pub use proxy::{Proxy, ProxyCounters};
pub use readback::{Readback, ReadbackRequest, readback};
pub use terminal::Terminal;
pub use tls::{ClientCertificate, ClientIdentity, ServerCertificate, ServerFiles};
pub use wait::wait_until;
