//! `moodle-backup create`: a snapshot of a site.

use clap::{Args, ValueEnum};
use moodle_backup::create::{self, PoolMode, Request};
use moodle_backup::error::Result;
use moodle_backup::site::Site;

use super::Context;
use super::report::{Report, bytes, count, duration, many};
use super::site_options::SiteOptions;

/// Backs up a site, which goes on meanwhile: database, file pool, the rest of the dataroot and config.php.
#[derive(Args, Debug)]
pub(crate) struct Create {
    #[command(flatten)]
    site: SiteOptions,
    /// What happens with content that is in an object store: copy it, or only say where it is.
    #[arg(long, value_enum, default_value_t = Pool::Value)]
    pool: Pool,
    /// Record content that the site itself lacks, instead of failing with exit code 16.
    #[arg(long)]
    allow_missing: bool,
    /// Leave out what of the dataroot can't be read, and name it, instead of failing with exit code 10.
    #[arg(long)]
    allow_unreadable: bool,
    /// Take nothing over from the last snapshot: read all of the site again. What is stored isn't stored again, so damage is
    /// mended by `verify --data --repair`.
    #[arg(long)]
    full: bool,
    /// How often the database is looked at again before missing content counts as missing.
    #[arg(long, value_name = "N", default_value_t = create::ROUNDS, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    rounds: usize,
    /// A word to find the snapshot by; may be repeated.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The name of this machine in the snapshot.
    #[arg(long, value_name = "NAME", default_value_t = hostname(), hide_default_value = true)]
    hostname: String,
}

/// As [`PoolMode`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Pool {
    Value,
    Reference,
}

impl Create {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let request = Request {
            site: Site::open(&self.site.options()?)?,
            pool: match self.pool {
                Pool::Value => PoolMode::Value,
                Pool::Reference => PoolMode::Reference,
            },
            jobs: context.options.jobs(),
            allow_missing: self.allow_missing,
            allow_unreadable: self.allow_unreadable,
            full: self.full,
            rounds: self.rounds,
            tags: self.tag.clone(),
            hostname: self.hostname.clone(),
            wait: context.options.wait,
        };
        let outcome = create::run(&context.repository()?, &request, context.progress())?;
        Ok(Report::new(&outcome, text(&outcome))
            .figure("new_bytes", outcome.new_bytes)
            .figure("stored_bytes", outcome.stored_bytes)
            .figure("pool_files", outcome.pool.listed)
            .figure("pool_bytes", outcome.pool.bytes)
            .figure("copied_files", outcome.pool.copied)
            .figure("missing_files", outcome.pool.missing.len() as u64)
            .figure("left_out_files", outcome.left_out.len() as u64)
            .figure("lost_packs", outcome.lost_packs)
            .figure("database_rows", outcome.rows))
    }
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn text(outcome: &create::Outcome) -> String {
    let pool = &outcome.pool;
    let mut lines = vec![
        format!("snapshot {} of {} in {}", outcome.snapshot, outcome.taken, duration(outcome.seconds)),
        format!(
            "  database  {}, {}, {}",
            many(outcome.tables, "table"),
            many(outcome.rows, "row"),
            bytes(outcome.database_bytes)
        ),
        format!(
            "  pool      {}, {}; {} copied ({}), {} gone, all that the database lists are there",
            many(pool.listed, "content"),
            bytes(pool.bytes),
            count(pool.copied),
            bytes(pool.copied_bytes),
            count(pool.gone)
        ),
        format!("  others    {}, {}", many(outcome.dataroot_files, "file"), bytes(outcome.dataroot_bytes)),
        format!("  stored    {} new, {} in the repository", bytes(outcome.new_bytes), bytes(outcome.stored_bytes)),
    ];
    if !pool.missing.is_empty() {
        let lacking = format!("all but {} that the site itself lacks", count(pool.missing.len() as u64));
        lines[2] = lines[2].replace("all that the database lists are there", &lacking);
        lines.extend(pool.missing.iter().map(|hash| format!("  missing   {hash}")));
    }
    if pool.referenced > 0 {
        lines.push(format!("  elsewhere {} in their object store", many(pool.referenced, "content")));
    }
    if outcome.lost_packs > 0 {
        let lost = count(outcome.lost_packs);
        lines.push(format!("  lost      {lost} packs of the repository, before this run: see `moodle-backup verify`"));
    }
    lines
        .extend(outcome.left_out.iter().chain(&outcome.left_out_of_database).map(|what| format!("  left out  {what}")));
    lines.join("\n")
}
