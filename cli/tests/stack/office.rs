//! Somebody with a pipeline to deploy, whose way to AWS may lead through a proxy. No record ever flows.

use std::path::Path;
use std::process::Command;

use crate::driver::Account;
use crate::proxy::{Call, Proxy, Verdict};

/// The smallest file that Lambda could run as far as its header says. Nothing here invokes it.
pub(crate) fn handler(folder: &Path) {
    let mut file = vec![0; 64];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    for (at, value) in [(16, 2), (18, 62), (20, 1), (26, 0x40), (52, 64)] {
        file[at] = value;
    }
    std::fs::write(folder.join("bootstrap"), file).unwrap();
}

/// A user with an account, and with a handler in their folder.
pub(crate) struct Office {
    pub(crate) account: Account,
}

impl Office {
    /// An account in which nothing is deployed yet.
    pub(crate) fn new() -> Self {
        let account = Account::without_kafka(&["orders"]);
        handler(account.file("bootstrap").parent().unwrap());
        Self { account }
    }

    /// A proxy before AWS that does with each call what is decided.
    pub(crate) fn through(&self, decide: impl Fn(&Call) -> Verdict + Send + Sync + 'static) -> Proxy {
        Proxy::start(&self.account.emulator.endpoint(), decide)
    }

    /// A command on the pipeline.
    pub(crate) fn on(&self, arguments: &[&str]) -> Command {
        let mut command = self.account.k2m(arguments);
        command
            .env("K2M_STREAM", self.account.stream("orders"))
            .env("K2M_CLUSTER", &self.account.cluster);
        command
    }

    /// The same through a proxy.
    pub(crate) fn by(&self, proxy: &Proxy, arguments: &[&str]) -> Command {
        let mut command = self.on(arguments);
        command.env("AWS_ENDPOINT_URL", proxy.endpoint());
        command
    }

    /// A deployment with that handler.
    pub(crate) fn deploy(&self, more: &[&str]) -> Command {
        self.on(&[&["deploy", "--handler", "bootstrap"], more].concat())
    }
}
