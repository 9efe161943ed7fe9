//! SHA-1 of several streams at once, each in its own lane of the processor's vector registers.
//!
//! One SHA-1 is a chain of additions that a processor without SHA instructions cannot speed up. Files do not depend
//! on each other, so sixteen of them go through the same instructions side by side. FIPS 180-4, section 6.1.2.

#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the processor's vector registers")]

use pulp::{Arch, Simd, WithSimd};

use super::Sha1;

/// How many streams go side by side.
pub(crate) const LANES: usize = 16;

/// The bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// What SHA-1 starts from.
pub(crate) const INITIAL: State = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];

/// Fewer streams than this are faster one by one.
const WORTH_WHILE: usize = 5;

/// The five words of one stream.
pub(crate) type State = [u32; 5];

/// One word of each stream.
type Word = [u32; LANES];

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

/// Return the digest of a stream whose last block was taken in.
pub(crate) fn digest(state: State) -> Sha1 {
    let mut bytes = [0; 20];
    for (four, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
        *four = word.to_be_bytes();
    }
    bytes.into()
}

/// Take the same number of blocks of at most [`LANES`] streams into their states.
///
/// # Panics
/// If there are more streams than lanes, or the inputs do not all have this many blocks.
pub(crate) fn compress(streams: &mut [(State, &[[u8; BLOCK]])]) {
    assert!(streams.len() <= LANES, "more streams than lanes");
    if streams.len() < WORTH_WHILE {
        for (state, blocks) in streams {
            sha1::block_api::compress(state, blocks);
        }
        return;
    }
    let first = streams[0].1;
    assert!(streams.iter().all(|(_, blocks)| blocks.len() == first.len()), "streams of different lengths");
    // Lanes without a stream go over the first one's blocks, and what they give is dropped.
    let mut words: [Word; 5] = [[0; LANES]; 5];
    let mut inputs = [first; LANES];
    for (lane, (state, blocks)) in streams.iter().enumerate() {
        inputs[lane] = blocks;
        for (word, value) in words.iter_mut().zip(state) {
            word[lane] = *value;
        }
    }
    Arch::new().dispatch(SideBySide { words: &mut words, inputs: &inputs });
    for (lane, (state, _)) in streams.iter_mut().enumerate() {
        *state = words.map(|word| word[lane]);
    }
}

struct SideBySide<'a> {
    words: &'a mut [Word; 5],
    inputs: &'a [&'a [[u8; BLOCK]]; LANES],
}

impl WithSimd for SideBySide<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for block in 0..self.inputs[0].len() {
            compress_block(self.words, &self.inputs.map(|input| &input[block]));
        }
    }
}

/// One block of each stream. The loops over lanes become single instructions, the loops over rounds must stay loops:
/// written out, the compiler no longer sees the lanes.
#[inline(always)]
fn compress_block(words: &mut [Word; 5], blocks: &[&[u8; BLOCK]; LANES]) {
    let mut schedule = [[0; LANES]; 16];
    for (index, word) in schedule.iter_mut().enumerate() {
        let at = 4 * index;
        *word = blocks.map(|block| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]));
        *word = word.map(u32::swap_bytes);
    }
    let mut rounds = Rounds { schedule, words: *words };
    for round in 0..20 {
        rounds.go(round, 0x5A82_7999, |b, c, d| d ^ (b & (c ^ d)));
    }
    for round in 20..40 {
        rounds.go(round, 0x6ED9_EBA1, |b, c, d| b ^ c ^ d);
    }
    for round in 40..60 {
        rounds.go(round, 0x8F1B_BCDC, |b, c, d| (b & c) | (d & (b | c)));
    }
    for round in 60..80 {
        rounds.go(round, 0xCA62_C1D6, |b, c, d| b ^ c ^ d);
    }
    for (word, worked) in words.iter_mut().zip(rounds.words) {
        *word = each(|lane| word[lane].wrapping_add(worked[lane]));
    }
}

struct Rounds {
    schedule: [Word; 16],
    words: [Word; 5],
}

impl Rounds {
    #[inline(always)]
    fn go(&mut self, round: usize, constant: u32, mix: impl Fn(u32, u32, u32) -> u32) {
        let schedule = &mut self.schedule;
        if round >= 16 {
            let [old, two, eight, thirteen] = [round, round + 2, round + 8, round + 13].map(|at| schedule[at & 15]);
            schedule[round & 15] = each(|lane| (thirteen[lane] ^ eight[lane] ^ two[lane] ^ old[lane]).rotate_left(1));
        }
        let input = schedule[round & 15];
        let words = self.words;
        let next = each(|lane| {
            words[0][lane]
                .rotate_left(5)
                .wrapping_add(mix(words[1][lane], words[2][lane], words[3][lane]))
                .wrapping_add(words[4][lane].wrapping_add(constant))
                .wrapping_add(input[lane])
        });
        self.words = [next, words[0], words[1].map(|word| word.rotate_left(30)), words[2], words[3]];
    }
}

#[inline(always)]
fn each(word: impl FnMut(usize) -> u32) -> Word {
    std::array::from_fn(word)
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

    #[test]
    fn any_number_of_streams_side_by_side_is_as_one_after_the_other() {
        for streams in 0..=LANES {
            let inputs: Vec<_> = (0..streams).map(|lane| blocks(u32::try_from(lane).unwrap_or(0), 5)).collect();
            let start = |lane: usize| INITIAL.map(|word| word.rotate_left(u32::try_from(lane).unwrap_or(0)));
            let mut together: Vec<_> =
                inputs.iter().enumerate().map(|(lane, input)| (start(lane), input.as_slice())).collect();
            compress(&mut together);
            for (lane, input) in inputs.iter().enumerate() {
                let mut alone = start(lane);
                sha1::block_api::compress(&mut alone, input);
                assert_eq!(together[lane].0, alone, "lane {lane} of {streams}");
            }
        }
    }
}
