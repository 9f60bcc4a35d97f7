//! Ports that stay ours while a broker is down.
//!
//! Controllers and advertised listeners must know their ports before anything listens, and a killed broker must find its
//! port again. A port from the system's ephemeral range could be given to any outgoing connection meanwhile, so ports
//! come in blocks from below that range, each block locked by a file against other tests.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::{Error, Result};

/// Above the ports of MSK's private connectivity, 14001 to 14100: a broker there would be taken for that.
const FIRST: u16 = 14_125;
const LAST: u16 = 31_999;
/// Three brokers need seven listeners and a proxy each.
const BLOCK: u16 = 25;

/// A block of ports of 127.0.0.1, free when taken and not given to another test while this value lives.
#[derive(Debug)]
pub(crate) struct PortBlock {
    first: u16,
    _lock: File,
}

impl PortBlock {
    /// Takes a free block; `folder` holds the locks.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::io(format!("create {}", folder.display())))?;
        let blocks = (LAST - FIRST + 1) / BLOCK;
        let start = RandomState::new().hash_one(std::process::id()) % u64::from(blocks);
        let start = u16::try_from(start).unwrap_or(0);
        for step in 0..blocks {
            let first = FIRST + (start + step) % blocks * BLOCK;
            let path = folder.join(format!("{first}.lock"));
            let lock = File::create(&path).map_err(Error::io(format!("create {}", path.display())))?;
            match lock.try_lock() {
                Ok(()) if is_free(first) => return Ok(Self { first, _lock: lock }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(Error::Io {
                        doing: format!("lock {}", path.display()),
                        source,
                    });
                }
            }
        }
        Err(Error::NoPorts {
            wanted: BLOCK.into(),
            first: FIRST,
            last: LAST,
        })
    }

    /// The ports, in order.
    pub(crate) fn ports(&self) -> std::ops::Range<u16> {
        self.first..self.first + BLOCK
    }
}

/// Whether nothing listens on any port of the block.
fn is_free(first: u16) -> bool {
    (first..first + BLOCK).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_taken_at_once_do_not_overlap() {
        let folder = tempfile::tempdir().expect("a temp dir");
        let taken: Vec<PortBlock> = (0..20)
            .map(|_| PortBlock::take(folder.path()).expect("a block"))
            .collect();
        let mut ports: Vec<u16> = taken.iter().flat_map(PortBlock::ports).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 20 * usize::from(BLOCK));
    }

    #[test]
    fn a_block_with_a_listener_in_it_is_not_free() {
        let folder = tempfile::tempdir().expect("a temp dir");
        let block = PortBlock::take(folder.path()).expect("a block");
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, block.first + 7)).expect("the block is free");
        assert!(!is_free(block.first));
    }
}
