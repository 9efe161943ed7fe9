//! The committed headers are what cbindgen makes of the code.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read or written fails the test")]

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The header, and the copy from which PHP gets its declarations.
const HEADERS: [&str; 2] = ["include/accel.h", "../../plugins/local_accel/native/accel.h"];

fn crate_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn generate() -> String {
    let config = cbindgen::Config::from_file(crate_path("cbindgen.toml")).unwrap();
    let mut text = Vec::new();
    let builder = cbindgen::Builder::new().with_config(config).with_src(crate_path("src/lib.rs"));
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn the_headers_are_up_to_date() {
    let expected = generate();
    for header in HEADERS {
        let path = crate_path(header);
        if env::var_os("WRITE_HEADERS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &expected).unwrap();
        }
        let actual = fs::read_to_string(&path).unwrap_or_default();
        assert!(actual == expected, "{header} is out of date: WRITE_HEADERS=1 cargo test -p accel-ffi --test header");
    }
}

#[test]
fn the_header_holds_no_line_for_a_preprocessor() {
    let lines = generate();
    assert_eq!(lines.lines().find(|line| line.trim_start().starts_with('#')), None);
}
