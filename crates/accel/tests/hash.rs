//! Digests against the published examples of FIPS 180 and against themselves.
#![expect(clippy::unwrap_used, reason = "a file that cannot be written fails the test")]

use std::fs;

use accel::hash::{Sha1, Sha256, has_instructions, sha1, sha1_file, sha1_many, sha256, sha256_file, sha256_many};
use proptest::prelude::*;

const TWO_BLOCKS: &[u8] = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

#[test]
fn sha1_gives_the_published_digests() {
    assert_eq!(sha1(b"").to_string(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_eq!(sha1(b"abc").to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(sha1(TWO_BLOCKS).to_string(), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    assert_eq!(sha1(&b"a".repeat(1_000_000)).to_string(), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

#[test]
fn sha256_gives_the_published_digests() {
    assert_eq!(sha256(b"").to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(sha256(b"abc").to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(sha256(TWO_BLOCKS).to_string(), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    let million = sha256(&b"a".repeat(1_000_000)).to_string();
    assert_eq!(million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

#[test]
fn a_file_longer_than_the_buffer_has_the_digest_of_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content");
    let bytes: Vec<u8> = (0..1_000_003_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(&path, &bytes).unwrap();
    assert_eq!(sha1_file(&path).unwrap(), sha1(&bytes));
    assert_eq!(sha256_file(&path).unwrap(), sha256(&bytes));
}

#[test]
fn a_missing_file_and_a_folder_are_errors_that_name_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let error = sha1_file(&missing).unwrap_err();
    assert_eq!(error.path, missing);
    assert!(error.to_string().contains("missing"));
    assert!(sha256_file(folder.path()).is_err());
}

#[test]
fn only_lower_case_hexadecimal_of_the_right_length_is_a_digest() {
    let text = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    assert_eq!(text.parse::<Sha1>(), Ok(sha1(b"")));
    for wrong in [&text[1..], &text.to_uppercase(), &text.replace('d', "g"), &format!("{text}0"), "", "é"] {
        let error = wrong.parse::<Sha1>().unwrap_err();
        assert!(error.to_string().contains("40 lower-case"), "{error}");
    }
    assert!(text.parse::<Sha256>().is_err());
}

proptest! {
    #[test]
    fn a_digest_survives_being_written_and_read(bytes in any::<Vec<u8>>()) {
        prop_assert_eq!(sha1(&bytes).to_string().parse::<Sha1>(), Ok(sha1(&bytes)));
        prop_assert_eq!(sha256(&bytes).to_string().parse::<Sha256>(), Ok(sha256(&bytes)));
    }
}

#[test]
fn the_processor_s_sha_instructions_are_those_that_linux_tells_of() {
    let Ok(processor) = fs::read_to_string("/proc/cpuinfo") else { return };
    let flags: Vec<&str> = processor.split_whitespace().collect();
    assert_eq!(has_instructions(), flags.contains(&"sha_ni") || flags.contains(&"sha2"));
}

proptest::proptest! {
    #[test]
    fn many_digests_at_once_are_those_of_one_after_the_other(
        lengths in proptest::collection::vec(0_usize..400, 0..60),
        long in 0_usize..20_000,
        seed: u64,
    ) {
        let bytes = |length: usize, number: usize| -> Vec<u8> {
            let mut state = seed ^ number as u64;
            let next = || { state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number as u64 | 1); state.to_be_bytes()[0] };
            std::iter::repeat_with(next).take(length).collect()
        };
        let inputs: Vec<_> = lengths.into_iter().chain([long]).enumerate().map(|(number, length)| bytes(length, number)).collect();
        let slices: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        proptest::prop_assert_eq!(sha1_many(&slices), slices.iter().map(|input| sha1(input)).collect::<Vec<_>>());
        proptest::prop_assert_eq!(sha256_many(&slices), slices.iter().map(|input| sha256(input)).collect::<Vec<_>>());
    }
}
