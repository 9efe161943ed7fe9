//! The program `moodle-backup`.

#![forbid(unsafe_code)]

mod cli;

/// The allocator of musl, with which the static program is linked, serves many threads slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
