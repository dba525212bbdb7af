//! What is made of the counts. Pinned: the verifier takes its own copy.

/// How many times 255 stands for: that or more.
pub const MOST: usize = 255;

/// The k-mers of a set of reads. Codes are canonical and below 4^31.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spectrum {
    /// `seen[n]` distinct k-mers occur n times; the last entry is for `MOST` and more.
    pub seen: [u64; MOST + 1],
    /// All occurrences of all k-mers.
    pub total: u64,
    /// A sum over all distinct k-mers and their counts, in whatever order they are added.
    pub digest: u64,
    /// The most frequent k-mers, as (code, count): higher counts first, then lower codes.
    pub top: Vec<(u64, u32)>,
}

impl Spectrum {
    /// A spectrum of nothing.
    pub fn new() -> Self {
        Spectrum { seen: [0; MOST + 1], total: 0, digest: 0, top: Vec::new() }
    }

    /// Enter one distinct k-mer with its final count, at least 1. `top` is not touched.
    #[inline]
    pub fn add(&mut self, code: u64, count: u32) {
        self.seen[(count as usize).min(MOST)] += 1;
        self.total += u64::from(count);
        let mixed = (code ^ u64::from(count).rotate_left(40)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        self.digest = self.digest.wrapping_add((mixed ^ (mixed >> 32)).wrapping_mul(0xCF1B_BCDC_B7A5_6463));
    }
}

impl Default for Spectrum {
    fn default() -> Self {
        Spectrum::new()
    }
}
