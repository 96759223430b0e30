//! Numbers that depend on a seed alone: SplitMix64 (Steele, Lea and Flood, "Fast Splittable
//! Pseudorandom Number Generators", 2014; the constants are those of Vigna's public-domain
//! version).

/// A stream of numbers. Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// The stream of a seed and of a path of numbers, so that each part of the data has a
    /// stream of its own and changing one part leaves the others as they are.
    pub(crate) fn new(seed: u64, path: &[u64]) -> Self {
        let fold = |state: u64, part: &u64| mix(state.wrapping_add(STEP) ^ mix(*part));
        Self {
            state: path.iter().fold(mix(seed), fold),
        }
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number below `bound`, 0 if that is 0; the bias of the remainder does not matter for
    /// test data.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// A number of a closed range.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Whether something happens that happens `percent` times of a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of a list that is not empty.
    pub(crate) fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[usize::try_from(self.below(list.len() as u64)).expect("below a length")]
    }

    /// An index by weight; 0 if all weights are.
    pub(crate) fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, &weight) in weights.iter().enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_the_published_algorithm() {
        // The first outputs for the state 1234567, as published with the algorithm.
        let mut random = Random { state: 1_234_567 };
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn paths_have_their_own_streams() {
        let first = |seed, path: &[u64]| Random::new(seed, path).next();
        assert_eq!(first(42, &[1, 2]), first(42, &[1, 2]));
        assert_ne!(first(42, &[1, 2]), first(42, &[2, 1]));
        assert_ne!(first(42, &[1]), first(43, &[1]));
    }

    #[test]
    fn weights_count() {
        let mut random = Random::new(1, &[]);
        let picks: Vec<usize> = (0..100).map(|_| random.weighted(&[0, 1, 0])).collect();
        assert!(picks.iter().all(|&pick| pick == 1));
        assert_eq!(random.weighted(&[0, 0]), 0);
        assert_eq!(random.below(0), 0);
    }
}
