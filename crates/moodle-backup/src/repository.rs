//! A restic repository: keys, packs, index, snapshots, lock.
