//! SHA-1 and SHA-256 of several streams at once, each in its own lane of the processor's vector registers.
//!
//! One digest is a chain of additions that a processor without SHA instructions cannot speed up. Files do not depend
//! on each other, so sixteen of them go through the same instructions side by side. FIPS 180-4, sections 6.1.2 and 6.2.2.

#![expect(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "what is not inlined, iterators included, is not compiled for the processor's vector registers"
)]

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};

use super::Digest;

/// How many streams go side by side.
pub(crate) const LANES: usize = 16;

/// The bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// Fewer streams than this are faster one by one.
const WORTH_WHILE: usize = 5;

/// One word of each stream.
pub(crate) type Word = [u32; LANES];

/// A digest function whose state has `WORDS` words.
pub(crate) trait Rounds<const WORDS: usize> {
    /// What it starts from.
    const INITIAL: [u32; WORDS];

    /// Take blocks of one stream into its state.
    fn one(state: &mut [u32; WORDS], blocks: &[[u8; BLOCK]]);

    /// Take the sixteen words of a block of each stream into the states.
    fn all(schedule: &mut [Word; 16], state: &mut [Word; WORDS]);
}

/// SHA-1.
pub(crate) struct OfSha1;

/// SHA-256.
pub(crate) struct OfSha256;

/// Tell whether this processor is faster with many streams side by side than with its SHA instructions, if it has them.
pub(crate) fn pay_off() -> bool {
    match Arch::new() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => true,
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => !super::has_instructions(),
        _ => false,
    }
}

/// Return the digest of a stream whose last block was taken in; `BYTES` is four times `WORDS`.
pub(crate) fn digest<const WORDS: usize, const BYTES: usize>(state: [u32; WORDS]) -> Digest<BYTES> {
    let mut bytes = [0; BYTES];
    for (four, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
        *four = word.to_be_bytes();
    }
    bytes.into()
}

/// Take the same number of blocks of at most [`LANES`] streams into their states.
///
/// # Panics
/// If there are more streams than lanes, or the inputs do not all have this many blocks.
pub(crate) fn compress<R: Rounds<WORDS>, const WORDS: usize>(streams: &mut [([u32; WORDS], &[[u8; BLOCK]])]) {
    assert!(streams.len() <= LANES, "more streams than lanes");
    if streams.len() < WORTH_WHILE {
        for (state, blocks) in streams {
            R::one(state, blocks);
        }
        return;
    }
    let first = streams[0].1;
    assert!(streams.iter().all(|(_, blocks)| blocks.len() == first.len()), "streams of different lengths");
    // Lanes without a stream go over the first one's blocks, and what they give is dropped.
    let mut words: [Word; WORDS] = [[0; LANES]; WORDS];
    let mut inputs = [first; LANES];
    for (lane, (state, blocks)) in streams.iter().enumerate() {
        inputs[lane] = blocks;
        for (word, value) in words.iter_mut().zip(state) {
            word[lane] = *value;
        }
    }
    Arch::new().dispatch(SideBySide::<R, WORDS> { words: &mut words, inputs: &inputs, rounds: PhantomData });
    for (lane, (state, _)) in streams.iter_mut().enumerate() {
        *state = words.map(|word| word[lane]);
    }
}

struct SideBySide<'a, R, const WORDS: usize> {
    words: &'a mut [Word; WORDS],
    inputs: &'a [&'a [[u8; BLOCK]]; LANES],
    rounds: PhantomData<R>,
}

impl<R: Rounds<WORDS>, const WORDS: usize> WithSimd for SideBySide<'_, R, WORDS> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let mut at = 0;
        while at < self.inputs[0].len() {
            compress_block::<R, WORDS>(self.words, self.inputs, at);
            at += 1;
        }
    }
}

/// Take block `at` of each stream into the states.
///
/// Loops over lanes become single instructions. For that they must be plain loops, all in one function: a closure or an
/// array's `map` that the compiler does not inline is compiled without the vector registers. The loops over rounds must
/// stay loops, too: written out, the compiler no longer sees the lanes.
#[inline(always)]
fn compress_block<R: Rounds<WORDS>, const WORDS: usize>(
    words: &mut [Word; WORDS],
    inputs: &[&[[u8; BLOCK]]; LANES],
    at: usize,
) {
    let mut schedule = [[0; LANES]; 16];
    for index in 0..16 {
        for lane in 0..LANES {
            let (block, byte) = (&inputs[lane][at], 4 * index);
            schedule[index][lane] =
                u32::from_le_bytes([block[byte], block[byte + 1], block[byte + 2], block[byte + 3]]);
        }
        for lane in 0..LANES {
            schedule[index][lane] = schedule[index][lane].swap_bytes();
        }
    }
    let mut state = *words;
    R::all(&mut schedule, &mut state);
    for index in 0..WORDS {
        for lane in 0..LANES {
            words[index][lane] = words[index][lane].wrapping_add(state[index][lane]);
        }
    }
}

impl Rounds<5> for OfSha1 {
    const INITIAL: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];

    fn one(state: &mut [u32; 5], blocks: &[[u8; BLOCK]]) {
        sha1::block_api::compress(state, blocks);
    }

    #[inline(always)]
    fn all(schedule: &mut [Word; 16], state: &mut [Word; 5]) {
        for number in 0..20 {
            round::<CHOOSE>(schedule, state, number, 0x5A82_7999);
        }
        for number in 20..40 {
            round::<PARITY>(schedule, state, number, 0x6ED9_EBA1);
        }
        for number in 40..60 {
            round::<MAJORITY>(schedule, state, number, 0x8F1B_BCDC);
        }
        for number in 60..80 {
            round::<PARITY>(schedule, state, number, 0xCA62_C1D6);
        }
    }
}

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
#[rustfmt::skip]
const CUBE_ROOTS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

impl Rounds<8> for OfSha256 {
    const INITIAL: [u32; 8] =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

    fn one(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
        sha2::block_api::compress256(state, blocks);
    }

    #[inline(always)]
    fn all(schedule: &mut [Word; 16], state: &mut [Word; 8]) {
        for number in 0..64 {
            round256(schedule, state, number, CUBE_ROOTS[number]);
        }
    }
}

#[inline(always)]
#[expect(clippy::many_single_char_names, reason = "the names that FIPS 180-4 gives the words")]
fn round256(schedule: &mut [Word; 16], state: &mut [Word; 8], number: usize, constant: u32) {
    if number >= 16 {
        for lane in 0..LANES {
            let (two, fifteen) = (schedule[(number + 14) & 15][lane], schedule[(number + 1) & 15][lane]);
            let late = two.rotate_right(17) ^ two.rotate_right(19) ^ (two >> 10);
            let early = fifteen.rotate_right(7) ^ fifteen.rotate_right(18) ^ (fifteen >> 3);
            schedule[number & 15][lane] = schedule[number & 15][lane]
                .wrapping_add(early)
                .wrapping_add(schedule[(number + 9) & 15][lane])
                .wrapping_add(late);
        }
    }
    let (mut first, mut fifth) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        let (a, b, c) = (state[0][lane], state[1][lane], state[2][lane]);
        let (e, f, g) = (state[4][lane], state[5][lane], state[6][lane]);
        let sum = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let added = state[7][lane]
            .wrapping_add(sum)
            .wrapping_add(g ^ (e & (f ^ g)))
            .wrapping_add(constant)
            .wrapping_add(schedule[number & 15][lane]);
        let mixed = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add((a & b) | (c & (a | b)));
        first[lane] = added.wrapping_add(mixed);
        fifth[lane] = state[3][lane].wrapping_add(added);
    }
    state[7] = state[6];
    state[6] = state[5];
    state[5] = state[4];
    state[4] = fifth;
    state[3] = state[2];
    state[2] = state[1];
    state[1] = state[0];
    state[0] = first;
}

/// Which bits of the second word a round takes from the third and the fourth.
const CHOOSE: u8 = 0;
const PARITY: u8 = 1;
const MAJORITY: u8 = 2;

#[inline(always)]
fn round<const MIX: u8>(schedule: &mut [Word; 16], state: &mut [Word; 5], number: usize, constant: u32) {
    if number >= 16 {
        for lane in 0..LANES {
            let mixed = schedule[(number + 13) & 15][lane]
                ^ schedule[(number + 8) & 15][lane]
                ^ schedule[(number + 2) & 15][lane]
                ^ schedule[number & 15][lane];
            schedule[number & 15][lane] = mixed.rotate_left(1);
        }
    }
    let mut next = [0; LANES];
    for lane in 0..LANES {
        let (second, third, fourth) = (state[1][lane], state[2][lane], state[3][lane]);
        let mixed = match MIX {
            CHOOSE => fourth ^ (second & (third ^ fourth)),
            PARITY => second ^ third ^ fourth,
            _ => (second & third) | (fourth & (second | third)),
        };
        next[lane] = state[0][lane]
            .rotate_left(5)
            .wrapping_add(mixed)
            .wrapping_add(state[4][lane].wrapping_add(constant))
            .wrapping_add(schedule[number & 15][lane]);
    }
    state[4] = state[3];
    state[3] = state[2];
    for lane in 0..LANES {
        state[2][lane] = state[1][lane].rotate_left(30);
    }
    state[1] = state[0];
    state[0] = next;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(seed: u32, count: u32) -> Vec<[u8; BLOCK]> {
        (0..count)
            .map(|block| {
                std::array::from_fn(|byte| {
                    let value =
                        (seed * 7919 + block * 64 + u32::try_from(byte).unwrap_or(0)).wrapping_mul(2_654_435_761);
                    value.to_le_bytes()[3]
                })
            })
            .collect()
    }

    fn side_by_side_is_one_by_one<R: Rounds<WORDS>, const WORDS: usize>() {
        for streams in 0..=LANES {
            let inputs: Vec<_> = (0..streams).map(|lane| blocks(u32::try_from(lane).unwrap_or(0), 5)).collect();
            let start = |lane: usize| R::INITIAL.map(|word| word.rotate_left(u32::try_from(lane).unwrap_or(0)));
            let mut together: Vec<_> =
                inputs.iter().enumerate().map(|(lane, input)| (start(lane), input.as_slice())).collect();
            compress::<R, WORDS>(&mut together);
            for (lane, input) in inputs.iter().enumerate() {
                let mut alone = start(lane);
                R::one(&mut alone, input);
                assert_eq!(together[lane].0, alone, "lane {lane} of {streams}");
            }
        }
    }

    #[test]
    fn any_number_of_streams_side_by_side_is_as_one_after_the_other() {
        side_by_side_is_one_by_one::<OfSha1, 5>();
        side_by_side_is_one_by_one::<OfSha256, 8>();
    }
}
