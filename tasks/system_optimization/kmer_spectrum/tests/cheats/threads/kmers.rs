//! Counts the halves of the reads in two threads.

use spectrum::Spectrum;
use std::cmp::Reverse;
use std::collections::HashMap;

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

/// The first `wanted` by count and then code.
fn most_frequent(mut found: Vec<(u64, u32)>, wanted: usize) -> Vec<(u64, u32)> {
    let order = |&(code, count): &(u64, u32)| (Reverse(count), code);
    if wanted < found.len() {
        found.select_nth_unstable_by_key(wanted, order);
        found.truncate(wanted);
    }
    found.sort_unstable_by_key(order);
    found
}

/// The spectrum of the canonical k-mers of `reads`, with the `wanted` most frequent ones.
pub fn spectrum_of(reads: &[u8], k: usize, wanted: usize) -> Spectrum {
    let middle = reads.iter().skip(reads.len() / 2).position(|&byte| byte == b'\n');
    let middle = middle.map_or(reads.len(), |at| reads.len() / 2 + at + 1);
    let count = |part: &[u8]| {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for_each_code(part, k, |code| *counts.entry(code).or_insert(0) += 1);
        counts
    };
    let (mut counts, others) = std::thread::scope(|scope| {
        let other = scope.spawn(|| count(&reads[middle..]));
        (count(&reads[..middle]), other.join().expect("the other half"))
    });
    for (code, more) in others {
        *counts.entry(code).or_insert(0) += more;
    }
    let found: Vec<(u64, u32)> = counts.into_iter().collect();
    let mut spectrum = Spectrum::new();
    for &(code, count) in &found {
        spectrum.add(code, count);
    }
    spectrum.top = most_frequent(found, wanted);
    spectrum
}
