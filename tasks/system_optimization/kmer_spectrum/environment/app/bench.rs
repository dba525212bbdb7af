//! Measure kmers.rs yourself: ./bench_kmers check | time GENOME K.
//! Pinned, and only for you: the verifier has its own driver, clock and reads.

use spectrum::Spectrum;
use std::collections::BTreeMap;
use std::time::Instant;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as usize) % limit
    }
}

fn letters(random: &mut Random, count: usize) -> Vec<u8> {
    (0..count).map(|_| b"ACGT"[random.below(4)]).collect()
}

fn reverse_complement(read: &[u8]) -> Vec<u8> {
    read.iter()
        .rev()
        .map(|letter| match letter {
            b'A' => b'T',
            b'C' => b'G',
            b'G' => b'C',
            b'T' => b'A',
            other => *other,
        })
        .collect()
}

/// Reads of 150 letters from both strands of a genome, with an error in a hundred letters.
fn sequenced(random: &mut Random, genome_size: usize) -> Vec<u8> {
    let genome = letters(random, genome_size);
    let length = genome_size.min(150);
    let mut reads = Vec::new();
    for _ in 0..genome_size * 12 / length + 1 {
        let start = random.below(genome_size - length + 1);
        let mut read = genome[start..start + length].to_vec();
        for _ in 0..random.below(4) {
            read[random.below(length)] = b"ACGTN"[random.below(5)];
        }
        reads.extend(if random.below(2) == 0 { read } else { reverse_complement(&read) });
        reads.push(b'\n');
    }
    reads
}

/// Short reads, empty ones, long runs of one letter, and N in odd places.
fn strange(random: &mut Random) -> Vec<u8> {
    let mut reads = Vec::new();
    for _ in 0..200 {
        let length = random.below(70);
        let alphabet: &[u8] = [&b"ACGT"[..], b"A", b"T", b"AT", b"ACGTN"][random.below(5)];
        reads.extend((0..length).map(|_| alphabet[random.below(alphabet.len())]));
        reads.push(b'\n');
    }
    reads
}

/// The definition, without any cleverness.
fn defined(reads: &[u8], k: usize, wanted: usize) -> Spectrum {
    let mut counts: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for read in reads.split(|&byte| byte == b'\n') {
        for kmer in read.windows(k).filter(|kmer| !kmer.contains(&b'N')) {
            let other = reverse_complement(kmer);
            *counts.entry(other.min(kmer.to_vec())).or_insert(0) += 1;
        }
    }
    let mut spectrum = Spectrum::new();
    let mut all = Vec::new();
    for (kmer, &count) in &counts {
        let value = |letter: &u8| b"ACGT".iter().position(|known| known == letter).unwrap() as u64;
        let code = kmer.iter().fold(0, |code, letter| code * 4 + value(letter));
        spectrum.add(code, count);
        all.push((code, count));
    }
    all.sort_by_key(|&(code, count)| (std::cmp::Reverse(count), code));
    all.truncate(wanted);
    spectrum.top = all;
    spectrum
}

fn check() -> bool {
    let mut random = Random(88172645463325252);
    let mut right = true;
    for k in [1, 2, 3, 4, 8, 13, 16, 21, 25, 30, 31] {
        for reads in [sequenced(&mut random, 400), strange(&mut random), b"\n".to_vec()] {
            for wanted in [0, 5, 1000] {
                let found = kmers::spectrum_of(&reads, k, wanted);
                let expected = defined(&reads, k, wanted);
                if found != expected {
                    let what = if found.seen != expected.seen {
                        "seen"
                    } else if found.total != expected.total {
                        "total"
                    } else if found.digest != expected.digest {
                        "digest"
                    } else {
                        "top"
                    };
                    println!("WRONG {what}: k {k}, {wanted} wanted, {} bytes of reads", reads.len());
                    right = false;
                }
            }
        }
    }
    println!("check: {}", if right { "ok" } else { "FAILED" });
    right
}

fn measure(genome: usize, k: usize) {
    let mut random = Random(0x9E3779B97F4A7C15);
    let mut times = Vec::new();
    let mut total = 0;
    for _ in 0..5 {
        let reads = sequenced(&mut random, genome);
        let start = Instant::now();
        total = kmers::spectrum_of(&reads, k, 1000).total;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let per = times[2] * 1e9 / total as f64;
    println!("{total} {k}-mers: median {:.3} ms of 5, {per:.1} ns each", times[2] * 1e3);
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
    match words.get(1).map(String::as_str) {
        Some("check") if words.len() == 2 => std::process::exit(i32::from(!check())),
        Some("time") if number(2) > 0 && (1..=31).contains(&number(3)) => measure(number(2), number(3)),
        _ => {
            eprintln!("usage: {} check | time GENOME K (1 to 31)", words[0]);
            std::process::exit(2);
        }
    }
}
