//! Chance from the kernel.

use super::clock;
use crate::value::Rng;

/// GRND_INSECURE, Linux 5.6: what the pool has now. Transaction ids and jitter need no more, and waiting for the pool
/// stops a virtual machine without a hardware generator for seconds.
const GRND_INSECURE: libc::c_uint = 4;

/// A generator that starts elsewhere at each boot and in each process.
pub fn rng() -> Rng {
    Rng::new(
        kernel(GRND_INSECURE)
            .or_else(|| kernel(libc::GRND_NONBLOCK))
            .unwrap_or_else(guess),
    )
}

fn kernel(flags: libc::c_uint) -> Option<u64> {
    let mut seed = [0u8; 8];
    // SAFETY: the kernel writes at most `seed.len()` bytes into `seed`, which is valid for writes of that length.
    let got = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), flags) };
    (got == 8).then(|| u64::from_ne_bytes(seed))
}

/// Before Linux 5.6 with an empty pool: clocks and process id differ between machines by their boot's jitter.
fn guess() -> u64 {
    let clocks = clock::now().as_nanos() ^ clock::wall().as_nanos() as u64;
    clocks.rotate_left(32) ^ u64::from(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generators_differ() {
        assert_ne!(rng().next_u64(), rng().next_u64());
    }
}
