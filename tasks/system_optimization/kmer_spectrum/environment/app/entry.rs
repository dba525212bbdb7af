//! From the verifier's byte blobs to `kmers::spectrum_of`. Pinned: the verifier takes its own copy.

use spectrum::Spectrum;

const HEAD: usize = 8;
const FIXED: usize = 8 * (256 + 2);

/// Input: two little-endian u32 (k, how many of the most frequent are wanted), then the reads.
/// Output: u64 `seen` [256], `total`, `digest`, then a code and a count for each wanted k-mer, zeros
/// where there are not that many.
///
/// # Safety
/// Both pointers must be good for their sizes.
#[no_mangle]
pub unsafe extern "C" fn autolab_solve(
    input: *const u8,
    input_size: usize,
    output: *mut u8,
    output_size: usize,
) -> i32 {
    let input = std::slice::from_raw_parts(input, input_size);
    let output = std::slice::from_raw_parts_mut(output, output_size);
    if input.len() < HEAD {
        return 1;
    }
    let number = |at: usize| u32::from_le_bytes([input[at], input[at + 1], input[at + 2], input[at + 3]]) as usize;
    let (k, wanted) = (number(0), number(4));
    if !(1..=31).contains(&k) || output.len() != FIXED + 16 * wanted {
        return 2;
    }
    let found: Spectrum = kmers::spectrum_of(&input[HEAD..], k, wanted);
    if found.top.len() > wanted {
        return 3;
    }
    let listed = found.top.iter().flat_map(|&(code, count)| [code, u64::from(count)]);
    let numbers = found.seen.into_iter().chain([found.total, found.digest]).chain(listed);
    let mut places = output.chunks_exact_mut(8);
    for (place, number) in places.by_ref().zip(numbers.chain(std::iter::repeat(0))) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    0
}
