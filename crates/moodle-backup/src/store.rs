//! Named bytes in a folder, S3, GCS, Azure or MinIO, by `object_store`.
//!
//! Calls block; they may come from many threads. Object stores are asked again with growing pauses when they answer 5xx,
//! time out or drop the connection, and check what they get by its SHA-256 where they can; folders are synced to disk.

mod answer;
#[cfg(feature = "faults")]
mod faults;
mod rustic;

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, RetryConfig, aws, azure, gcp, local::LocalFileSystem,
};
use serde::Serialize;
use tokio::runtime::Runtime;
use url::Url;

use self::answer::Answer;
use crate::error::{Error, Kind, Result};

/// How often a request is tried again.
const RETRIES: usize = 6;
/// After so many seconds a request isn't tried again; `MOODLE_BACKUP_PATIENCE` says otherwise.
const PATIENCE: u64 = 120;
/// A request that takes longer is given up: even a pack over a slow line is there by then.
const TIMEOUT: Duration = Duration::from_mins(5);
/// What can be done about an object that isn't what it was.
const DAMAGED: &str = "moodle-backup verify --data names all that is damaged";

/// An object of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the store's root.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: jiff::Timestamp,
}

/// How often a store was asked, and how much went there and came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Objects written.
    pub puts: u64,
    /// Objects or parts of them read.
    pub gets: u64,
    /// Lists.
    pub lists: u64,
    /// Objects deleted.
    pub deletes: u64,
    /// Bytes written.
    pub sent: u64,
    /// Bytes read.
    pub received: u64,
}

#[derive(Default)]
struct Counters {
    puts: AtomicU64,
    gets: AtomicU64,
    lists: AtomicU64,
    deletes: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// A place for named bytes; clones are the same place.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    objects: Box<dyn ObjectStore>,
    /// What all paths begin with.
    prefix: Path,
    /// The folder, where it is one.
    folder: Option<PathBuf>,
    location: String,
    runtime: Runtime,
    counters: Counters,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Store").field(&self.0.location).finish()
    }
}

impl Store {
    /// Opens `/path`, `file:///path`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. Who asks is
    /// known from the usual variables of each vendor (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT` for MinIO, …).
    ///
    /// # Errors
    /// The location can't be understood, a variable is missing, or the folder can't be made.
    pub fn open(location: &str) -> Result<Self> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| unusable(location, "no threads can be started").because(error))?;
        let (objects, prefix, folder) = opened(location)?;
        let inner =
            Inner { objects, prefix, folder, location: shown(location), runtime, counters: Counters::default() };
        Ok(Self(Arc::new(inner)))
    }

    /// Opens the store of a repository that is there: a folder that isn't is an error, and is not made.
    ///
    /// # Errors
    /// As [`open`](Self::open); there is no such folder.
    pub fn existing(location: &str) -> Result<Self> {
        if let Some(folder) = local(location).filter(|folder| !folder.exists()) {
            let what = format!("there is no repository in {}: there is no such folder", folder.display());
            return Err(Error::new(Kind::Repository, what, "name the right one; moodle-backup init makes a new one"));
        }
        Self::open(location)
    }

    /// The location, without anything secret.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.0.location
    }

    /// The folder, where it is one.
    pub(crate) fn folder(&self) -> Option<&std::path::Path> {
        self.0.folder.as_deref()
    }

    /// Writes an object, whole or not at all; one that is there is replaced.
    ///
    /// # Errors
    /// The store fails.
    pub fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        self.write(path, bytes, false)
    }

    /// Writes an object whose name no other content has; one that is there is the same, and stays.
    ///
    /// # Errors
    /// The store fails.
    pub fn create(&self, path: &str, bytes: Bytes) -> Result<()> {
        // A folder knows no such write but by links, which exFAT, shares of SMB and others don't have.
        self.write(path, bytes, self.0.folder.is_none())
    }

    fn write(&self, path: &str, bytes: Bytes, where_nothing_is: bool) -> Result<()> {
        #[cfg(feature = "faults")]
        let fault = faults::Point::reached(self.0.folder.as_deref(), path, &bytes);
        let length = bytes.len() as u64;
        let put = |bytes: Bytes, mode: PutMode| {
            self.0.counters.puts.fetch_add(1, Ordering::Relaxed);
            let options = PutOptions { mode, ..PutOptions::default() };
            self.wait(self.0.objects.put_opts(&self.path(path), PutPayload::from(bytes), options))
        };
        let mut written = put(bytes.clone(), if where_nothing_is { PutMode::Create } else { PutMode::Overwrite });
        // By a server that knows no conditions: the name says that nothing else can be there.
        if where_nothing_is && written.as_ref().is_err_and(answer::knows_no_conditions) {
            written = put(bytes, PutMode::Overwrite);
        }
        match written {
            Ok(_) => {}
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                return Ok(());
            }
            Err(error) => return Err(self.failed("write", path, error)),
        }
        self.synced(path)?;
        self.0.counters.sent.fetch_add(length, Ordering::Relaxed);
        #[cfg(feature = "faults")]
        fault.passed();
        Ok(())
    }

    /// Makes what was written to a folder outlive a power cut.
    fn synced(&self, path: &str) -> Result<()> {
        let Some(folder) = &self.0.folder else { return Ok(()) };
        let file = folder.join(path);
        let above = file.parent().unwrap_or(folder);
        File::open(&file).and_then(|file| file.sync_all()).and_then(|()| File::open(above)?.sync_all()).map_err(
            |error| self.failed("write", path, object_store::Error::Generic { store: "folder", source: error.into() }),
        )
    }

    /// Reads an object.
    ///
    /// # Errors
    /// It isn't there, or the store fails.
    pub fn get(&self, path: &str) -> Result<Bytes> {
        self.read(path, None)
    }

    /// Reads a part of an object.
    ///
    /// # Errors
    /// It isn't there or is too short, or the store fails.
    pub fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        self.read(path, Some(&range))
    }

    fn read(&self, path: &str, range: Option<&Range<u64>>) -> Result<Bytes> {
        let mut last = None;
        // A body that breaks off is no failed request, so the client doesn't ask again.
        for _ in 0..=1 {
            self.0.counters.gets.fetch_add(1, Ordering::Relaxed);
            let options = GetOptions { range: range.cloned().map(GetRange::Bounded), ..GetOptions::default() };
            let place = self.path(path);
            let asked = async {
                let found = self.0.objects.get_opts(&place, options).await?;
                let expected = found.range.end - found.range.start;
                Ok((expected, found.bytes().await?))
            };
            match self.wait(asked) {
                Ok((expected, bytes)) => {
                    let wanted = range.map_or(expected, |range| range.end - range.start);
                    if bytes.len() as u64 == wanted {
                        self.0.counters.received.fetch_add(wanted, Ordering::Relaxed);
                        return Ok(bytes);
                    }
                    let what = format!("{path} of {} has {} bytes and not {wanted}", self.location(), bytes.len());
                    last = Some(Error::new(Kind::Damaged, what, DAMAGED));
                }
                Err(error) => {
                    let gone = matches!(error, object_store::Error::NotFound { .. });
                    let error = self.failed("read", path, error);
                    if gone {
                        return Err(error);
                    }
                    // Each store has its own words for a range that begins behind the end.
                    if let (Some(range), Ok(Some(size))) = (range, self.size(path))
                        && size < range.end
                    {
                        let what = format!("{path} of {} ends at byte {size}, before {}", self.location(), range.end);
                        return Err(Error::new(Kind::Damaged, what, DAMAGED));
                    }
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| unusable(self.location(), "it gives no answer")))
    }

    /// Returns the size of an object; nothing: it isn't there.
    ///
    /// # Errors
    /// The store fails.
    pub fn size(&self, path: &str) -> Result<Option<u64>> {
        self.0.counters.gets.fetch_add(1, Ordering::Relaxed);
        match self.wait(self.0.objects.head(&self.path(path))) {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", path, error)),
        }
    }

    /// Lists all objects below a folder; none: the store is empty there.
    ///
    /// # Errors
    /// The store fails.
    pub fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.0.counters.lists.fetch_add(1, Ordering::Relaxed);
        let place = self.path(folder);
        let listed = self.wait(self.0.objects.list(Some(&place)).try_collect::<Vec<_>>());
        let cut = if self.0.prefix.as_ref().is_empty() { 0 } else { self.0.prefix.as_ref().len() + 1 };
        let entry = |found: object_store::ObjectMeta| Entry {
            path: found.location.as_ref().get(cut..).unwrap_or_default().to_owned(),
            size: found.size,
            modified: jiff::Timestamp::from_second(found.last_modified.timestamp()).unwrap_or_default(),
        };
        match listed {
            Ok(found) => Ok(found.into_iter().map(entry).collect()),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(self.failed("list", folder, error)),
        }
    }

    /// Deletes an object; one that isn't there is no error.
    ///
    /// # Errors
    /// The store fails.
    pub fn delete(&self, path: &str) -> Result<()> {
        #[cfg(feature = "faults")]
        let fault = faults::Point::reached(None, path, &[]);
        self.0.counters.deletes.fetch_add(1, Ordering::Relaxed);
        let place = self.path(path);
        match self.wait(self.0.objects.delete(&place)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(self.failed("delete", path, error)),
        }
        #[cfg(feature = "faults")]
        fault.passed();
        Ok(())
    }

    /// Removes what writes left in a folder of the store that were killed half-way. Nobody may write there meanwhile.
    ///
    /// # Errors
    /// The folder fails.
    pub(crate) fn sweep(&self, folder: &str) -> Result<()> {
        let Some(root) = &self.0.folder else { return Ok(()) };
        let failed = |error: std::io::Error| {
            self.failed("delete", folder, object_store::Error::Generic { store: "folder", source: error.into() })
        };
        let mut folders = vec![root.join(folder)];
        while let Some(folder) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                if entry.file_type().map_err(failed)?.is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name().to_string_lossy().contains('#') {
                    std::fs::remove_file(entry.path()).map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// How often this store was asked since it was opened.
    #[must_use]
    pub fn requests(&self) -> Requests {
        let counters = &self.0.counters;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Requests {
            puts: of(&counters.puts),
            gets: of(&counters.gets),
            lists: of(&counters.lists),
            deletes: of(&counters.deletes),
            sent: of(&counters.sent),
            received: of(&counters.received),
        }
    }

    fn path(&self, path: &str) -> Path {
        self.0.prefix.parts().chain(path.split('/').filter(|part| !part.is_empty()).map(Into::into)).collect()
    }

    fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        self.0.runtime.block_on(asked)
    }

    fn failed(&self, verb: &str, path: &str, error: object_store::Error) -> Error {
        let location = self.location();
        let object = if path.is_empty() { location.to_owned() } else { format!("{path} of {location}") };
        let what = format!("{object} can't be {verb}").replace("can't be write", "can't be written");
        let what = what.replace("be delete", "be deleted").replace("be list", "be listed");
        if matches!(error, object_store::Error::NotFound { .. }) {
            let what = format!("{object} isn't there");
            return Error::new(Kind::Damaged, what, "moodle-backup verify names all that is missing");
        }
        let answer = Answer::of(&error);
        let fix = match (&error, &answer) {
            (object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }, _) => {
                answer::RIGHTS
            }
            (_, Some(answer)) => answer.fix(),
            _ => answer::GOES_ON,
        };
        let failed = Error::new(Kind::Store, what, fix);
        match answer {
            Some(answer) => failed.because(answer),
            None => failed.because(error),
        }
    }
}

type Opened = (Box<dyn ObjectStore>, Path, Option<PathBuf>);

/// Returns the folder that a location names; nothing: it is no folder's.
fn local(location: &str) -> Option<PathBuf> {
    match Url::parse(location) {
        Ok(address) if address.scheme() == "file" => {
            Some(address.to_file_path().unwrap_or_else(|()| PathBuf::from(address.path())))
        }
        Ok(address) if address.scheme().len() > 1 => None,
        _ => Some(PathBuf::from(location)),
    }
}

/// Says how the location of an object store is written, whose bucket isn't where it should be: restic writes `s3:HOST/…`.
fn respelled(scheme: &str, rest: &str) -> String {
    let (secure, rest) = match rest.split_once("://") {
        Some((protocol, rest)) => (Some(protocol), rest),
        None => (None, rest),
    };
    let first = rest.split('/').next().unwrap_or_default();
    let is_server = secure.is_some() || first.contains('.');
    match rest.split_once('/').filter(|_| is_server) {
        Some((server, path)) => format!(
            "write {scheme}://{path}, with AWS_ENDPOINT={}://{server} where that isn't Amazon's",
            secure.unwrap_or("https")
        ),
        None => format!("write {scheme}://{}", rest.trim_start_matches('/').replace(":/", "/")),
    }
}

fn opened(location: &str) -> Result<Opened> {
    if let Some(path) = local(location) {
        return folder(path);
    }
    let address = Url::parse(location).map_err(|error| unusable(location, "it can't be used").because(error))?;
    if address.host_str().is_none_or(str::is_empty) && matches!(address.scheme(), "s3" | "gs" | "az") {
        let fix = respelled(address.scheme(), address.path());
        return Err(Error::new(Kind::Usage, format!("the location {} names no bucket", shown(location)), fix));
    }
    let wrong = |error: object_store::Error| unusable(location, "it can't be used").because(error);
    let prefix = Path::from_url_path(address.path()).map_err(|error| wrong(error.into()))?;
    let bucket = address.host_str().unwrap_or_default();
    let patience = std::env::var("MOODLE_BACKUP_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
    let patience = Duration::from_secs(patience.unwrap_or(PATIENCE));
    let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: RETRIES, retry_timeout: patience };
    let client =
        ClientOptions::new().with_timeout(TIMEOUT).with_connect_timeout(Duration::from_secs(15)).with_allow_http(true);
    let objects: Box<dyn ObjectStore> = match address.scheme() {
        "s3" => {
            let builder = aws::AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .with_client_options(client)
                .with_retry(retry)
                .with_checksum_algorithm(aws::Checksum::SHA256);
            let of = |key| builder.get_config_value(&key);
            is_one_line("AWS_ACCESS_KEY_ID", of(aws::AmazonS3ConfigKey::AccessKeyId))?;
            is_one_line("AWS_SECRET_ACCESS_KEY", of(aws::AmazonS3ConfigKey::SecretAccessKey))?;
            is_one_line("AWS_SESSION_TOKEN", of(aws::AmazonS3ConfigKey::Token))?;
            is_one_line("AWS_REGION", of(aws::AmazonS3ConfigKey::Region))?;
            is_address("AWS_ENDPOINT", of(aws::AmazonS3ConfigKey::Endpoint))?;
            Box::new(builder.build().map_err(wrong)?)
        }
        "gs" => Box::new(
            gcp::GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(bucket)
                .with_client_options(client)
                .with_retry(retry)
                .build()
                .map_err(wrong)?,
        ),
        "az" => {
            let builder = azure::MicrosoftAzureBuilder::from_env()
                .with_container_name(bucket)
                .with_client_options(client)
                .with_retry(retry);
            let of = |key| builder.get_config_value(&key);
            is_one_line("AZURE_STORAGE_ACCOUNT_NAME", of(azure::AzureConfigKey::AccountName))?;
            is_one_line("AZURE_STORAGE_ACCOUNT_KEY", of(azure::AzureConfigKey::AccessKey))?;
            is_one_line("AZURE_STORAGE_TOKEN", of(azure::AzureConfigKey::Token))?;
            is_address("AZURE_STORAGE_ENDPOINT", of(azure::AzureConfigKey::Endpoint))?;
            Box::new(builder.build().map_err(wrong)?)
        }
        other => {
            let what = format!("there is no kind of store {other:?}");
            return Err(Error::new(
                Kind::Usage,
                what,
                "name a folder, or s3://, gs:// or az:// with a bucket and a prefix",
            ));
        }
    };
    Ok((objects, prefix, None))
}

/// Fails where a server's address is none: the client would panic at its first request.
fn is_address(variable: &str, address: Option<String>) -> Result<()> {
    let is_one = |address: &str| {
        ["https://", "http://"].iter().any(|scheme| address.starts_with(scheme)) && Url::parse(address).is_ok()
    };
    if address.as_deref().is_some_and(|address| !is_one(address)) {
        let what = format!("{variable} is no address of a server");
        return Err(Error::new(Kind::Usage, what, "begin it with https:// or http://, or unset it"));
    }
    is_one_line(variable, address)
}

/// Fails where a value ends in a line break, as one from a file does: the client would panic.
fn is_one_line(variable: &str, value: Option<String>) -> Result<()> {
    if value.is_some_and(|value| value.contains(char::is_control)) {
        return Err(Error::new(Kind::Usage, format!("{variable} has a line break in it"), "set it without"));
    }
    Ok(())
}

fn folder(path: PathBuf) -> Result<Opened> {
    let path = std::path::absolute(&path).unwrap_or(path);
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        let what = format!("the folder {} can't be used", path.display());
        Error::new(Kind::Store, what, "make it, or let this user write there").because(error)
    };
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(&path).map_err(|error| failed(error.into()))?;
    let objects = LocalFileSystem::new_with_prefix(&path).map_err(|error| failed(error.into()))?;
    Ok((Box::new(objects), Path::default(), Some(path.clone())))
}

fn unusable(location: &str, what: &str) -> Error {
    Error::new(
        Kind::Store,
        format!("the store {}: {what}", shown(location)),
        "see the documents for the variables that each kind of store takes",
    )
}

/// Returns a location without a user and password in it.
fn shown(location: &str) -> String {
    let Ok(mut address) = Url::parse(location) else { return location.to_owned() };
    address.set_username("").ok();
    address.set_password(None).ok();
    address.to_string()
}

#[cfg(test)]
mod tests {
    use super::respelled;

    #[test]
    fn a_location_as_restic_writes_it_is_told_as_it_is_written_here() {
        let amazon = "write s3://backup/moodle, with AWS_ENDPOINT=https://s3.amazonaws.com where that isn't Amazon's";
        assert_eq!(respelled("s3", "s3.amazonaws.com/backup/moodle"), amazon);
        let minio = "write s3://backup, with AWS_ENDPOINT=http://minio:9000 where that isn't Amazon's";
        assert_eq!(respelled("s3", "http://minio:9000/backup"), minio);
        assert_eq!(respelled("s3", "backup/moodle"), "write s3://backup/moodle");
        assert_eq!(respelled("gs", "backup:/moodle"), "write gs://backup/moodle");
    }
}
