//! Reading everything that is stored again: what is damaged, missing or refers to nothing is named.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustic_core::repofile::{KeyFile, SnapshotFile};
use serde::Serialize;

use super::index::Index;
use super::pack::{self, Packed};
use super::reader::{Reader, opened};
use super::snapshots::SnapshotFiles;
use super::stored::Packs;
use super::tree::{NodeKind, Tree};
use super::{BlobId, Repository, Snapshot, recipients};
use crate::error::{Kind, Result};
use crate::progress::{Progress, Unit};

/// Something that is stored and wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where: a path below the store's root.
    pub path: String,
    /// What is wrong, and what of it is lost.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.what)
    }
}

/// What a check read, and what it found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checked {
    /// Snapshots whose trees were followed.
    pub snapshots: u64,
    /// Packs that were read.
    pub packs: u64,
    /// Blobs that were decrypted, decompressed and hashed.
    pub blobs: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Packs that no index has, as a killed run leaves them: no damage, and gone with the next prune.
    pub unreferenced: u64,
    /// What is wrong; nothing: all is as it was written.
    pub problems: Vec<Problem>,
    /// The packs in which something is wrong.
    #[serde(skip)]
    pub damaged: BTreeSet<BlobId>,
}

/// So many blobs are looked at before more of the index is read.
const BATCH: usize = 100_000;
/// So many blobs of a pack are named that are damaged.
const NAMED: usize = 10;

/// Blobs that can't be read, with the packs in which they can't.
type Lost = HashSet<(BlobId, BlobId)>;

/// What was found in a pack.
#[derive(Default)]
struct Found {
    bytes: u64,
    /// What is wrong; nothing: it is as it was written.
    wrong: Vec<String>,
    /// The blobs that can't be read.
    gone: Vec<BlobId>,
}

/// Gets blobs with their ids.
type Visit<'a> = &'a (dyn Fn(&BlobId, &[u8]) + Sync);

impl Repository {
    /// Reads everything again: keys, index, snapshots, packs with each blob in them. What damage takes away of snapshots
    /// is said with the snapshot's id.
    ///
    /// # Errors
    /// The store fails; damage is no error but in [`Checked::problems`].
    pub fn check(&self, progress: &dyn Progress) -> Result<Checked> {
        // A snapshot that comes later may need what the index hasn't yet.
        let files = self.snapshot_files()?;
        self.check_each(&files, &self.stored()?.index, progress, &|_, _| {})
    }

    /// As [`check`](Self::check), with snapshots that were read before the index of what is stored was, and hands each blob
    /// that is as it was written to `visit`, from several threads.
    ///
    /// # Errors
    /// The store fails; damage is no error but in [`Checked::problems`].
    pub(crate) fn check_each(
        &self,
        files: &SnapshotFiles,
        index: &Index,
        progress: &dyn Progress,
        visit: Visit<'_>,
    ) -> Result<Checked> {
        let mut checked = Checked::default();
        self.check_keys(&mut checked)?;
        let gone = self.check_packs(&mut checked, progress, visit)?;
        let index = if gone.is_empty() { index.clone() } else { self.without(&gone)? };
        checked.problems.extend(files.damaged.iter().cloned());
        self.check_snapshots(&files.files, &index, &mut checked)?;
        checked.problems.sort();
        checked.problems.dedup();
        Ok(checked)
    }

    fn check_keys(&self, checked: &mut Checked) -> Result<()> {
        for entry in self.store.list("keys")? {
            let bytes = self.store.get(&entry.path)?;
            if !named_by(&entry.path, &bytes) {
                checked.problem(&entry.path, "its content isn't what its name says: this key opens nothing any more");
            } else if serde_json::from_slice::<KeyFile>(&bytes).is_err() {
                checked.problem(&entry.path, "it is no key");
            }
        }
        for entry in self.store.list(recipients::FOLDER)? {
            let name = format!("{}/{}.age", recipients::FOLDER, recipients::name(&self.store.get(&entry.path)?));
            if entry.path != name {
                checked.problem(&entry.path, "its content isn't what its name says: its recipients open nothing by it");
            }
        }
        Ok(())
    }

    /// Returns the blobs that can't be read, with their packs.
    fn check_packs(&self, checked: &mut Checked, progress: &dyn Progress, visit: Visit<'_>) -> Result<Lost> {
        progress.phase("reading packs", self.store.list("data")?.iter().map(|entry| entry.size).sum(), Unit::Bytes);
        let (mut lost, mut batch, mut blobs) = (Lost::new(), Vec::new(), 0);
        let mut read = Ok(());
        let Packs { files, others, .. } = self.packs(&mut |pack, packed| {
            blobs += packed.len();
            batch.push((pack, packed));
            if blobs >= BATCH && read.is_ok() {
                read = self.check_batch(&batch, checked, &mut lost, progress, visit);
                (batch, blobs) = (Vec::new(), 0);
            }
        })?;
        read?;
        checked.unreferenced = others + files.marked();
        checked.problems.extend(files.damaged);
        self.check_batch(&batch, checked, &mut lost, progress, visit)?;
        Ok(lost)
    }

    /// Reads some packs, several at a time.
    fn check_batch(
        &self,
        packs: &[(BlobId, Vec<Packed>)],
        checked: &mut Checked,
        lost: &mut Lost,
        progress: &dyn Progress,
        visit: Visit<'_>,
    ) -> Result<()> {
        let (next, failure, read) = (AtomicUsize::new(0), Mutex::new(None), Mutex::new(Vec::new()));
        let threads = std::thread::available_parallelism().map_or(2, |count| count.get().min(8));
        std::thread::scope(|scope| {
            for _ in 0..threads.min(packs.len()) {
                scope.spawn(|| {
                    while let Some((pack, blobs)) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match self.check_pack(&pack.pack_path(), blobs, visit) {
                            Ok(found) => {
                                progress.advance(found.bytes);
                                guarded(&read).push((*pack, found));
                            }
                            Err(error) => {
                                guarded(&failure).get_or_insert(error);
                                next.store(packs.len(), Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        if let Some(error) = guarded(&failure).take() {
            return Err(error);
        }
        checked.packs += packs.len() as u64;
        checked.blobs += packs.iter().map(|(_, blobs)| blobs.len() as u64).sum::<u64>();
        for (pack, found) in read.into_inner().unwrap_or_else(PoisonError::into_inner) {
            checked.bytes += found.bytes;
            checked.damaged.extend((!found.wrong.is_empty()).then_some(pack));
            checked.problems.extend(found.wrong.into_iter().map(|what| Problem { path: pack.pack_path(), what }));
            lost.extend(found.gone.into_iter().map(|blob| (pack, blob)));
        }
        Ok(())
    }

    /// Returns the index without blobs in packs that can't be read there.
    fn without(&self, lost: &Lost) -> Result<Index> {
        let mut index = Index::default();
        self.packs(&mut |pack, blobs| {
            index.add(pack, blobs.into_iter().filter(|blob| !lost.contains(&(pack, blob.id))));
        })?;
        Ok(index)
    }

    fn check_pack(&self, path: &str, expected: &[Packed], visit: Visit<'_>) -> Result<Found> {
        let mut expected = expected.to_vec();
        expected.sort_unstable_by_key(|blob| blob.offset);
        let mut found = Found::default();
        let read = match self.store.get(path) {
            Ok(read) => read,
            Err(error) if error.kind == Kind::Damaged => {
                found.wrong.push(format!("{error}; {} blobs were in it", expected.len()));
                found.gone = expected.iter().map(|blob| blob.id).collect();
                return Ok(found);
            }
            Err(error) => return Err(error),
        };
        found.bytes = read.len() as u64;
        let whole = named_by(path, &read);
        let mut list = pack::list(&read, &self.sealer);
        if let Some(list) = &mut list {
            list.sort_by_key(|blob| blob.offset);
        }
        let (mut bytes, mut out) = (read.try_into_mut().unwrap_or_else(|shared| shared.as_ref().into()), Vec::new());
        for blob in &expected {
            let start = blob.offset as usize;
            let good = bytes
                .get_mut(start..start + blob.length as usize)
                .and_then(|sealed| opened(&self.sealer, sealed, blob, &mut out))
                .is_some_and(|()| blob.id == BlobId::of(&out));
            if good {
                visit(&blob.id, &out);
            } else {
                if found.gone.len() < NAMED {
                    let kind = if blob.tree { "folder" } else { "content" };
                    found.wrong.push(format!("the {kind} {} at byte {start} of it is damaged", blob.id));
                }
                found.gone.push(blob.id);
            }
        }
        if found.gone.len() > NAMED {
            found.wrong.push(format!("{} more blobs in it are damaged", found.gone.len() - NAMED));
        }
        match list {
            None => found.wrong.push("the list of blobs at its end is damaged; the index still has it".into()),
            Some(list) if list != expected => {
                found.wrong.push("the list of blobs at its end isn't what the index has".into());
            }
            Some(_) if !whole && found.gone.is_empty() => {
                found.wrong.push("its content isn't what its name says".into());
            }
            Some(_) => {}
        }
        Ok(found)
    }

    fn check_snapshots(&self, files: &[SnapshotFile], index: &Index, checked: &mut Checked) -> Result<()> {
        checked.snapshots = files.len() as u64;
        let snapshots: Vec<Snapshot> = files.iter().map(Snapshot::of).collect();
        for (snapshot, lacking) in snapshots.iter().zip(self.lacking(index, &snapshots)?) {
            if lacking > 0 {
                let path = format!("snapshots/{}", snapshot.id);
                checked.problem(&path, &format!("{lacking} files or folders of this snapshot can't be restored"));
            }
        }
        Ok(())
    }

    /// Counts for each of these snapshots the files and folders that can't be restored.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) fn lacking(&self, index: &Index, snapshots: &[Snapshot]) -> Result<Vec<u64>> {
        let trees = follow(&self.reader(index), snapshots.iter().map(|snapshot| snapshot.tree).collect())?;
        let mut counted = HashMap::new();
        Ok(snapshots.iter().map(|snapshot| missing(&trees, snapshot.tree, &mut counted)).collect())
    }
}

/// A folder of a snapshot.
#[derive(Default)]
struct Followed {
    /// How many of its own files are missing or damaged.
    missing: u64,
    below: Vec<BlobId>,
}

/// Reads all folders that can be read, level by level: so a pack is asked once for all that are in it.
fn follow(reader: &Reader<'_>, roots: Vec<BlobId>) -> Result<HashMap<BlobId, Followed>> {
    let look = |tree: &Tree| {
        let mut followed = Followed::default();
        for node in &tree.nodes {
            match (node.kind, node.subtree) {
                (NodeKind::Dir, Some(below)) => followed.below.push(below),
                (NodeKind::Dir, None) => followed.missing += 1,
                _ => followed.missing += u64::from(!reader.index.has(node)),
            }
        }
        followed
    };
    let mut trees: HashMap<BlobId, Followed> = HashMap::new();
    let mut level = roots;
    while !level.is_empty() {
        level.sort_unstable();
        level.dedup();
        level.retain(|id| reader.index.contains_tree(id) && !trees.contains_key(id));
        let found = Mutex::new(Vec::new());
        reader.each(&level, &|place, bytes| {
            let followed = Tree::parse(bytes).map_or(Followed { missing: 1, below: Vec::new() }, |tree| look(&tree));
            guarded(&found).push((level[place], followed));
            Ok(())
        })?;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        level = found.iter().flat_map(|(_, followed)| followed.below.iter().copied()).collect();
        trees.extend(found);
    }
    Ok(trees)
}

/// Counts what is missing below a folder; `counted` are folders that were counted before.
fn missing(trees: &HashMap<BlobId, Followed>, root: BlobId, counted: &mut HashMap<BlobId, u64>) -> u64 {
    if let Some(known) = counted.get(&root) {
        return *known;
    }
    let count = trees.get(&root).map_or(1, |followed| {
        followed.missing + followed.below.iter().map(|below| missing(trees, *below, counted)).sum::<u64>()
    });
    counted.insert(root, count);
    count
}

fn named_by(path: &str, bytes: &[u8]) -> bool {
    path.rsplit('/').next() == Some(BlobId::of(bytes).to_string().as_str())
}

pub(super) fn guarded<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Checked {
    fn problem(&mut self, path: &str, what: &str) {
        self.problems.push(Problem { path: path.to_owned(), what: what.to_owned() });
    }
}
