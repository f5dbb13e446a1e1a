//! How much of a set a meta-test asks for.

use serde::{Deserialize, Serialize};

/// Episodes of a set, and fresh examples that are asked for after the context of each.
///
/// An episode predicts each of its examples once: after 99 examples it says right or wrong. Queries ask the same context for
/// many examples, so that the accuracy there is known to a part of a point from the same number of episodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sample {
    /// Episodes.
    pub episodes: usize,
    /// Queries after all but the last example of an episode; an eighth as many, at least one, after [`Sample::EARLY`]
    /// examples. 0: none.
    pub queries: usize,
}

impl Sample {
    /// After how many examples there are queries too, where the episode is longer.
    pub const EARLY: [usize; 6] = [1, 2, 5, 10, 20, 50];

    /// Most episodes, queries, and examples of an episode: what is more would not end.
    pub const MOST: usize = 1_000_000;

    /// What is wrong with a number, if one is: its field, the problem, the fix.
    pub fn fault(self) -> Option<(&'static str, String, String)> {
        let Self { episodes, queries } = self;
        let most = || format!("give at most {}", Self::MOST);
        match (episodes, queries) {
            (0..=1, _) => {
                Some(("episodes", format!("is {episodes}"), "an interval needs at least 2".to_string()))
            }
            (2..=Self::MOST, 0..=Self::MOST) => None,
            (2..=Self::MOST, _) => Some(("queries", format!("is {queries}"), most())),
            _ => Some(("episodes", format!("is {episodes}"), most())),
        }
    }

    /// Only `episodes` episodes, without queries.
    pub fn episodes(episodes: usize) -> Self {
        Self { episodes, queries: 0 }
    }

    /// After how many examples of an episode of `length` how many queries are asked, of `available`.
    pub fn asked(self, length: usize, available: usize) -> Vec<(usize, usize)> {
        let most = self.queries.min(available);
        if most == 0 {
            return Vec::new();
        }
        let early = Self::EARLY.into_iter().filter(|&examples| examples + 1 < length);
        let early = early.map(|examples| (examples, (self.queries / 8).clamp(1, most)));
        early.chain([(length - 1, most)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        let fault = |episodes, queries| Sample { episodes, queries }.fault().map(|(field, ..)| field);
        assert_eq!([fault(2, 0), fault(Sample::MOST, Sample::MOST)], [None; 2]);
        assert_eq!([fault(1, 0), fault(Sample::MOST + 1, 0)], [Some("episodes"); 2]);
        assert_eq!([fault(2, Sample::MOST + 1), fault(2, usize::MAX)], [Some("queries"); 2]);
    }

    #[test]
    fn the_last_position_gets_all_queries_and_early_ones_an_eighth() {
        let sample = Sample { episodes: 4, queries: 64 };
        let early = [1, 2, 5, 10, 20, 50].map(|examples| (examples, 8));
        assert_eq!(sample.asked(100, usize::MAX), [&early[..], &[(99, 64)]].concat());
        assert_eq!(sample.asked(11, 5), [(1, 5), (2, 5), (5, 5), (10, 5)], "the last one is no early one");
        assert_eq!(sample.asked(100, 0), []);
        assert_eq!(Sample::episodes(4).asked(100, 9), []);
        assert_eq!(Sample { queries: 3, ..sample }.asked(3, 9), [(1, 1), (2, 3)]);
    }
}
