//! Digests of many inputs at once, side by side where that is faster.

use super::lanes::{self, BLOCK, LANES, OfSha1, OfSha256, Rounds};
use super::{Digest, Sha1, Sha256};

/// Return the SHA-1 of each of `inputs`.
#[must_use]
pub fn sha1_many(inputs: &[&[u8]]) -> Vec<Sha1> {
    if lanes::pay_off() {
        many::<OfSha1, 5, 20>(inputs)
    } else {
        inputs.iter().map(|input| super::sha1(input)).collect()
    }
}

/// Return the SHA-256 of each of `inputs`.
#[must_use]
pub fn sha256_many(inputs: &[&[u8]]) -> Vec<Sha256> {
    if lanes::pay_off() {
        many::<OfSha256, 8, 32>(inputs)
    } else {
        inputs.iter().map(|input| super::sha256(input)).collect()
    }
}

/// An input on its way: its whole blocks, and then the last ones, which are padded.
struct Stream<'a, const WORDS: usize> {
    number: usize,
    state: [u32; WORDS],
    whole: &'a [[u8; BLOCK]],
    /// One or two blocks at the start of this.
    last: [[u8; BLOCK]; 2],
    left: usize,
}

impl<'a, const WORDS: usize> Stream<'a, WORDS> {
    fn new(number: usize, initial: [u32; WORDS], input: &'a [u8]) -> Self {
        let (whole, rest) = input.as_chunks::<BLOCK>();
        let mut last = [[0; BLOCK]; 2];
        last[0][..rest.len()].copy_from_slice(rest);
        last[0][rest.len()] = 0x80;
        let left = if rest.len() < BLOCK - 8 { 1 } else { 2 };
        last[left - 1][BLOCK - 8..].copy_from_slice(&(input.len() as u64 * 8).to_be_bytes());
        Self { number, state: initial, whole, last, left }
    }

    /// The blocks that come next, whole ones before padded ones.
    fn next(&self) -> &[[u8; BLOCK]] {
        if self.whole.is_empty() { &self.last[..self.left] } else { self.whole }
    }

    fn advance(&mut self, count: usize) {
        if self.whole.is_empty() {
            self.last.rotate_left(count % 2);
            self.left -= count;
        } else {
            self.whole = &self.whole[count..];
        }
    }
}

fn many<R: Rounds<WORDS>, const WORDS: usize, const BYTES: usize>(inputs: &[&[u8]]) -> Vec<Digest<BYTES>> {
    let mut digests = vec![Digest::from([0; BYTES]); inputs.len()];
    // Long inputs first: what is left at the end, alone in its lane, is short then.
    let mut waiting: Vec<usize> = (0..inputs.len()).collect();
    waiting.sort_unstable_by_key(|number| inputs[*number].len());
    let mut under_way: Vec<Stream<'_, WORDS>> = Vec::with_capacity(LANES);
    loop {
        while under_way.len() < LANES
            && let Some(number) = waiting.pop()
        {
            under_way.push(Stream::new(number, R::INITIAL, inputs[number]));
        }
        let Some(count) = under_way.iter().map(|stream| stream.next().len()).min() else { return digests };
        let mut streams: Vec<_> = under_way.iter().map(|stream| (stream.state, &stream.next()[..count])).collect();
        lanes::compress::<R, WORDS>(&mut streams);
        let states: Vec<_> = streams.into_iter().map(|(state, _)| state).collect();
        for (stream, state) in under_way.iter_mut().zip(states) {
            stream.state = state;
            stream.advance(count);
        }
        under_way.retain(|stream| {
            if stream.left == 0 {
                digests[stream.number] = lanes::digest(stream.state);
            }
            stream.left > 0
        });
    }
}
