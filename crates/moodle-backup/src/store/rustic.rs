//! The store as `rustic_core` wants one.

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use super::Store;

/// Returns where a repository has its file; only packs are spread over folders.
pub(crate) fn path_of(kind: FileType, id: &str) -> String {
    match kind {
        FileType::Config => "config".into(),
        FileType::Pack => format!("data/{}/{id}", &id[..2]),
        _ => format!("{}/{id}", kind.dirname()),
    }
}

fn told(error: crate::error::Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, "The store fails.", error)
}

impl ReadBackend for Store {
    fn location(&self) -> String {
        Store::location(self).to_owned()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            return match self.get("config") {
                Ok(bytes) => Ok(vec![(Id::default(), u32::try_from(bytes.len()).unwrap_or(u32::MAX))]),
                Err(error) if error.kind == crate::error::Kind::Damaged => Ok(Vec::new()),
                Err(error) => Err(told(error)),
            };
        }
        let found = self.list(kind.dirname()).map_err(told)?;
        let id = |path: &str| path.rsplit('/').next().and_then(|name| Id::parse_some(name, kind));
        let size = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
        Ok(found.iter().filter_map(|entry| Some((id(&entry.path)?, size(entry.size)))).collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.get(&path_of(kind, id.to_hex().as_str())).map_err(told)
    }

    fn read_partial(&self, kind: FileType, id: &Id, _cacheable: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        let range = u64::from(offset)..u64::from(offset) + u64::from(length);
        self.get_range(&path_of(kind, id.to_hex().as_str()), range).map_err(told)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        path_of(kind, id.to_hex().as_str())
    }
}

impl WriteBackend for Store {
    fn write_bytes(&self, kind: FileType, id: &Id, _cacheable: bool, content: BytesList) -> RusticResult<()> {
        let pieces = content.into_vec();
        let bytes = if pieces.len() == 1 { pieces[0].clone() } else { Bytes::from(pieces.concat()) };
        self.put(&path_of(kind, id.to_hex().as_str()), bytes).map_err(told)
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.delete(&path_of(kind, id.to_hex().as_str())).map_err(told)
    }
}
