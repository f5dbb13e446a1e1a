//! Random changes of a file, of the kinds that break readers.

use gpicl::rng::Rng;

/// Numbers at the ends of ranges, and around them.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, i64::MAX as u64, u64::MAX];
/// The same in text.
const TEXTS: [&str; 12] =
    ["0", "1", "-1", "3", "0.5", "1e999", "nan", "65536", "4294967296", "9223372036854775808", "\"\"", "[]"];
/// Most changes of one file.
const CHANGES: u64 = 4;
/// Longest part that is added, left out or copied.
const PART: u64 = 64;

/// Changes `bytes` once to a few times; `other` is a file to take parts from, `words` are the format's own.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], rng: &mut Rng) {
    for _ in 0..=rng.below(CHANGES) {
        change(bytes, other, words, rng);
    }
}

fn change(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], rng: &mut Rng) {
    let at = below(rng, bytes.len() + 1);
    let part = |rng: &mut Rng, length: usize| {
        let start = below(rng, length + 1);
        start..length.min(start + rng.below(PART) as usize)
    };
    match rng.below(10) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = rng.bits() as u8;
            }
        }
        2 => bytes.truncate(at),
        3 => {
            bytes.drain(part(rng, bytes.len()));
        }
        4 => {
            let part = bytes[part(rng, bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
        5 => {
            let part = other[part(rng, other.len())].to_vec();
            let end = if rng.below(2) == 0 { at } else { bytes.len().min(at + part.len()) };
            bytes.splice(at..end, part);
        }
        6 | 7 => {
            // A number, of any size and either order of bytes.
            let number = NUMBERS[below(rng, NUMBERS.len())];
            let size = 1 << rng.below(4);
            let number = if rng.below(2) == 0 {
                number.to_le_bytes()[..size].to_vec()
            } else {
                number.to_be_bytes()[8 - size..].to_vec()
            };
            let end = bytes.len().min(at + size);
            bytes.splice(at..end, number);
        }
        8 => {
            // A number in text, the first one from here.
            let digit = |byte: &u8| byte.is_ascii_digit();
            let Some(found) = bytes[at..].iter().position(digit) else { return };
            let start = at + found;
            let end = start + bytes[start..].iter().take_while(|byte| digit(byte)).count();
            bytes.splice(start..end, TEXTS[below(rng, TEXTS.len())].bytes());
        }
        _ => {
            if !words.is_empty() {
                let word = words[below(rng, words.len())];
                let end = if rng.below(2) == 0 { at } else { bytes.len().min(at + word.len()) };
                bytes.splice(at..end, word.bytes());
            }
        }
    }
}

fn below(rng: &mut Rng, count: usize) -> usize {
    rng.below(count as u64) as usize
}
