//! Attributes of files, and permissions as restic has them: Go's bits for the kind, set-user-id, set-group-id and sticky,
//! not the system's.

use crate::repository::tree::{FOLDER, LINK, Node, NodeKind};
use crate::site::pool::Attributes;

/// The system's bits, and Go's.
const BITS: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

/// Returns what a node has for a file's permission bits.
pub(crate) fn stored(kind: NodeKind, mode: u32) -> u32 {
    let kind = match kind {
        NodeKind::File | NodeKind::Other => 0,
        NodeKind::Dir => FOLDER,
        NodeKind::Symlink => LINK,
    };
    let special: u32 = BITS.iter().filter(|(system, _)| mode & system != 0).map(|(_, go)| go).sum();
    kind | special | (mode & 0o777)
}

/// Returns a file's permission bits by what its node has.
pub(crate) fn of(stored: u32) -> u32 {
    let special: u32 = BITS.iter().filter(|(_, go)| stored & go != 0).map(|(system, _)| system).sum();
    special | (stored & 0o777)
}

/// Returns a node's owner, permissions and time.
pub(crate) fn attributes(node: &Node) -> Attributes {
    // Before 1970, seconds and nanoseconds have one sign there and nanoseconds none here.
    let (seconds, nanoseconds) = (node.mtime.as_second(), node.mtime.subsec_nanosecond());
    let borrow = i64::from(nanoseconds < 0);
    Attributes {
        mode: of(node.mode),
        uid: node.uid,
        gid: node.gid,
        seconds: seconds - borrow,
        nanoseconds: u32::try_from(i64::from(nanoseconds) + borrow * 1_000_000_000).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::{of, stored};
    use crate::repository::tree::NodeKind;

    #[test]
    fn all_permission_bits_come_back() {
        for mode in 0..=0o7777 {
            for kind in [NodeKind::File, NodeKind::Dir, NodeKind::Symlink] {
                assert_eq!(of(stored(kind, mode)), mode);
            }
        }
    }
}
