//! Count the k-mers of DNA reads: in parts small enough for a table in a near cache.

use spectrum::Spectrum;
use std::cmp::Reverse;

const NEWLINE_OR_N: u8 = 4;

/// Two bits for each letter; everything else ends a run.
const fn letter_bits() -> [u8; 256] {
    let mut table = [NEWLINE_OR_N; 256];
    table[b'A' as usize] = 0;
    table[b'C' as usize] = 1;
    table[b'G' as usize] = 2;
    table[b'T' as usize] = 3;
    table
}
const BITS: [u8; 256] = letter_bits();

/// Hands every canonical code to `take`. A letter enters the code on the right, and its complement
/// enters the reverse complement's on the left.
fn for_each_code(reads: &[u8], k: usize, mut take: impl FnMut(u64)) {
    let mask = u64::MAX >> (64 - 2 * k);
    let left = 2 * (k - 1);
    let (mut code, mut other, mut length) = (0, 0, 0);
    for &byte in reads {
        let value = u64::from(BITS[usize::from(byte)]);
        if value > 3 {
            length = 0;
            continue;
        }
        code = (code << 2 | value) & mask;
        other = other >> 2 | (3 - value) << left;
        length += 1;
        if length >= k {
            take(code.min(other));
        }
    }
}

/// What decides a code's part, by its high bits, and its place in the part's table, by the bits below.
fn hash_of(code: u64) -> u64 {
    code.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A part should have about as many codes as this; most are of k-mers that others repeat, so that the
/// part of its table that is in use fits a first cache.
const PART: usize = 2048;

/// The codes of all parts, one part after another, and where each ends.
fn parts_of(reads: &[u8], k: usize) -> (Vec<u64>, Vec<usize>, u32) {
    let part_bits = (reads.len() / PART).next_power_of_two().trailing_zeros().clamp(1, 14);
    let shift = 64 - part_bits;
    let mut sizes = vec![0; 1 << part_bits];
    for_each_code(reads, k, |code| sizes[(hash_of(code) >> shift) as usize] += 1);
    let mut next = sizes;
    let mut total = 0;
    for place in &mut next {
        total += *place;
        *place = total - *place;
    }
    let mut codes = vec![0; total];
    for_each_code(reads, k, |code| {
        let place = &mut next[(hash_of(code) >> shift) as usize];
        codes[*place] = code;
        *place += 1;
    });
    (codes, next, part_bits) // each place has moved to its part's end
}

/// Counts in open addressing, for one part at a time: a slot is free while its count is 0. `used` lists
/// the slots that are not, so that nobody has to look for them.
struct Table {
    slots: Vec<(u64, u32)>,
    used: Vec<u32>,
    part_bits: u32,
}

impl Table {
    /// Hands every distinct code of `part` and its count to `take`, and is empty again.
    fn count(&mut self, part: &[u64], mut take: impl FnMut(u64, u32)) {
        let size = (part.len() * 2).next_power_of_two().max(2);
        if self.slots.len() < size {
            self.slots.resize(size, (0, 0));
            self.used.resize(size, 0);
        }
        let slots = &mut self.slots[..size];
        let used = &mut self.used[..size];
        let (mask, shift) = (size - 1, 64 - size.trailing_zeros());
        let mut distinct = 0;
        for &code in part {
            let mut at = (hash_of(code) << self.part_bits >> shift) as usize & mask;
            while (slots[at].1 != 0) & (slots[at].0 != code) {
                at = (at + 1) & mask;
            }
            let slot = &mut slots[at];
            used[distinct & mask] = at as u32; // stays only if the slot was free
            distinct += usize::from(slot.1 == 0);
            *slot = (code, slot.1 + 1);
        }
        for &at in &used[..distinct] {
            let slot = &mut slots[at as usize];
            take(slot.0, slot.1);
            slot.1 = 0;
        }
    }
}

/// The most frequent k-mers seen so far. Whenever there are twice as many as wanted, the better half
/// stays, and what does not reach its least count need not be looked at.
struct Top {
    found: Vec<(u64, u32)>,
    wanted: usize,
    least: u32,
}

impl Top {
    #[inline]
    fn offer(&mut self, code: u64, count: u32) {
        if count >= self.least {
            self.found.push((code, count));
            if self.found.len() >= 2 * self.wanted + 64 {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        let order = |&(code, count): &(u64, u32)| (Reverse(count), code);
        if self.wanted < self.found.len() {
            self.found.select_nth_unstable_by_key(self.wanted, order);
            self.found.truncate(self.wanted);
            self.least = self.found.iter().map(|one| one.1).min().unwrap_or(u32::MAX);
        }
    }

    fn sorted(mut self) -> Vec<(u64, u32)> {
        self.shrink();
        self.found.sort_unstable_by_key(|&(code, count)| (Reverse(count), code));
        self.found
    }
}

/// The spectrum of the canonical k-mers of `reads`, with the `wanted` most frequent ones.
pub fn spectrum_of(reads: &[u8], k: usize, wanted: usize) -> Spectrum {
    let (codes, ends, part_bits) = parts_of(reads, k);
    let mut table = Table { slots: Vec::new(), used: Vec::new(), part_bits };
    let mut spectrum = Spectrum::new();
    let mut top = Top { found: Vec::new(), wanted, least: 1 };
    let mut start = 0;
    for end in ends {
        table.count(&codes[start..end], |code, count| {
            spectrum.add(code, count);
            top.offer(code, count);
        });
        start = end;
    }
    spectrum.top = top.sorted();
    spectrum
}
