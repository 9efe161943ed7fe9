//! SHA-1 of several streams at once, each in its own lane of the processor's vector registers.
//!
//! One SHA-1 is a chain of additions that a processor without SHA instructions cannot speed up. Files do not depend
//! on each other, so sixteen of them go through the same instructions side by side. FIPS 180-4, section 6.1.2.

#![expect(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "what is not inlined, iterators included, is not compiled for the processor's vector registers"
)]

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
        let mut at = 0;
        while at < self.inputs[0].len() {
            compress_block(self.words, self.inputs, at);
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
fn compress_block(words: &mut [Word; 5], inputs: &[&[[u8; BLOCK]]; LANES], at: usize) {
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
    for number in 0..20 {
        round::<CHOOSE>(&mut schedule, &mut state, number, 0x5A82_7999);
    }
    for number in 20..40 {
        round::<PARITY>(&mut schedule, &mut state, number, 0x6ED9_EBA1);
    }
    for number in 40..60 {
        round::<MAJORITY>(&mut schedule, &mut state, number, 0x8F1B_BCDC);
    }
    for number in 60..80 {
        round::<PARITY>(&mut schedule, &mut state, number, 0xCA62_C1D6);
    }
    for index in 0..5 {
        for lane in 0..LANES {
            words[index][lane] = words[index][lane].wrapping_add(state[index][lane]);
        }
    }
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
