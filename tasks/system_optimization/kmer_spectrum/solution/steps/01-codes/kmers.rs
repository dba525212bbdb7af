//! Count the k-mers of DNA reads: a hash map from their codes, two bits a letter.

use spectrum::Spectrum;
use std::collections::HashMap;

/// The letter's two bits; None for N.
fn bits(letter: u8) -> Option<u64> {
    match letter {
        b'A' => Some(0),
        b'C' => Some(1),
        b'G' => Some(2),
        b'T' => Some(3),
        _ => None,
    }
}

/// The lower code of the k-mer and its reverse complement; None if it has an N. Codes are ordered as
/// words are, and the complement of a letter is 3 minus it.
fn canonical(kmer: &[u8]) -> Option<u64> {
    let (mut code, mut other) = (0, 0);
    for (i, &letter) in kmer.iter().enumerate() {
        let value = bits(letter)?;
        code = code << 2 | value;
        other |= (3 - value) << (2 * i);
    }
    Some(code.min(other))
}

/// The spectrum of the canonical k-mers of `reads`, with the `wanted` most frequent ones.
pub fn spectrum_of(reads: &[u8], k: usize, wanted: usize) -> Spectrum {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for read in reads.split(|&byte| byte == b'\n') {
        for code in read.windows(k).filter_map(canonical) {
            *counts.entry(code).or_insert(0) += 1;
        }
    }
    let mut found: Vec<(u64, u32)> = counts.into_iter().collect();
    let mut spectrum = Spectrum::new();
    for &(code, count) in &found {
        spectrum.add(code, count);
    }
    found.sort_by_key(|&(code, count)| (std::cmp::Reverse(count), code));
    found.truncate(wanted);
    spectrum.top = found;
    spectrum
}
