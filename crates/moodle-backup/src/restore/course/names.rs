//! Names that a file system can have: Moodle's have up to 255 characters, a file system's up to 255 bytes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// How many bytes a name may have.
const LONGEST: usize = 255;

/// How many bytes an ending may have to be kept.
const ENDING: usize = 32;

/// Gives each file a path of its own.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<PathBuf>,
    folders: HashSet<PathBuf>,
    /// What files are called, and what they should be.
    pub(super) renamed: Vec<(PathBuf, PathBuf)>,
}

impl Names {
    /// Makes names for files that should have these paths.
    pub(super) fn of<'a>(wanted: impl Iterator<Item = &'a Path>) -> Self {
        let folders = wanted.filter_map(Path::parent).map(folder).collect::<HashSet<_>>();
        let folders = folders.iter().flat_map(|path| path.ancestors().map(Path::to_owned)).collect();
        Self { folders, ..Self::default() }
    }

    /// Returns the path for a file that should have `wanted`: the same where it can be had.
    pub(super) fn take(&mut self, wanted: PathBuf) -> PathBuf {
        let folder = folder(wanted.parent().unwrap_or(Path::new("")));
        let name = wanted.file_name().unwrap_or_default().to_string_lossy();
        let mut path = folder.join(shortened(&name, ""));
        let mut number = 1;
        while self.folders.contains(&path) || !self.taken.insert(path.clone()) {
            number += 1;
            path = folder.join(shortened(&name, &format!("~{number}")));
        }
        if path != wanted {
            self.renamed.push((path.clone(), wanted));
        }
        path
    }
}

/// Returns the path of a folder with names that can be had.
fn folder(path: &Path) -> PathBuf {
    path.iter().map(|part| shortened(&part.to_string_lossy(), "")).collect()
}

/// Returns a name with `mark` before its ending, cut before the mark where it is too long.
fn shortened(name: &str, mark: &str) -> String {
    if name.len() + mark.len() <= LONGEST && mark.is_empty() {
        return name.to_owned();
    }
    let ending = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= ENDING).unwrap_or(name.len());
    let (stem, ending) = name.split_at(ending);
    let room = LONGEST - ending.len() - mark.len();
    let cut = stem.floor_char_boundary(room.min(stem.len()));
    format!("{}{mark}{ending}", &stem[..cut])
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{LONGEST, Names};

    fn taken<const N: usize>(wanted: [&str; N]) -> [String; N] {
        let mut names = Names::of(wanted.iter().map(Path::new));
        let taken = wanted.map(|path| names.take(path.into()).display().to_string());
        let renamed = taken.iter().zip(wanted).filter(|(path, wanted)| *path != wanted).count();
        assert_eq!(names.renamed.len(), renamed);
        taken
    }

    #[test]
    fn a_long_name_keeps_its_ending_and_no_two_files_get_the_same() {
        let long = "Ж".repeat(140);
        let [first, second] = taken([&format!("1/{long}a.pdf"), &format!("1/{long}b.pdf")]).map(PathBuf::from);
        for (path, end) in [(&first, "Ж.pdf"), (&second, "Ж~2.pdf")] {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            assert!(name.len() <= LONGEST && name.len() > LONGEST - 4 && name.ends_with(end), "{name}");
        }
    }

    #[test]
    fn a_name_stays_as_it_is_unless_a_file_or_a_folder_has_it() {
        let names = ["a/b", "a/b/c.txt", "a/b/c.txt", ".hidden", "a/d"];
        assert_eq!(taken(names), ["a/b~2", "a/b/c.txt", "a/b/c~2.txt", ".hidden", "a/d"]);
    }
}
