//! More classes than label slots: every member of an ensemble tells groups of classes apart, other groups each (output codes:
//! Dietterich and Bakiri 1995).

use std::iter::zip;

/// Rounds of [`classes`]: after fewer than these its estimates hardly move.
const ROUNDS: usize = 60;

/// Members that are enough to tell `classes` classes apart by codes of `slots` digits, with one to spare.
pub(super) fn least_members(classes: usize, slots: usize) -> usize {
    if classes <= slots {
        return 1;
    }
    let mut digits = 1;
    let mut codes = slots;
    while codes < classes {
        (digits, codes) = (digits + 1, codes.saturating_mul(slots));
    }
    digits + 1
}

/// Adds to `out` the probabilities of classes, given those that each member has for its groups: `members[m]` has the group of
/// every class and the probability of every group.
///
/// Where no two classes share a group it is the mean of the members'. Else it is the distribution under which the members'
/// groups are most likely, each member counting once: expectation and maximisation in turn, from the uniform one.
pub(super) fn classes(members: &[(&[u32], Vec<f32>)], out: &mut [f32]) {
    let share = 1.0 / members.len() as f32;
    let apart = |(groups, of_groups): &(&[u32], Vec<f32>)| groups.len() <= of_groups.len();
    if members.iter().all(apart) {
        for (groups, of_groups) in members {
            for (out, &group) in zip(&mut *out, *groups) {
                *out += share * of_groups[group as usize];
            }
        }
        return;
    }
    let mut p = vec![1.0 / out.len() as f32; out.len()];
    for _ in 0..ROUNDS {
        let mut next = vec![0.0; p.len()];
        for (groups, of_groups) in members {
            let mut sums = vec![0.0; of_groups.len()];
            for (&p, &group) in zip(&p, *groups) {
                sums[group as usize] += p;
            }
            for ((next, &p), &group) in zip(zip(&mut next, &p), *groups) {
                let group = group as usize;
                if sums[group] > 0.0 {
                    *next += share * p * of_groups[group] / sums[group];
                }
            }
        }
        p = next;
    }
    zip(out, p).for_each(|(out, p)| *out += p);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_as_many_groups_as_classes_are_averaged() {
        let mut out = vec![0.0; 2];
        classes(&[(&[0, 1], vec![0.9, 0.1]), (&[2, 0], vec![0.5, 0.0, 0.5])], &mut out);
        assert!((out[0] - 0.7).abs() < 1e-6 && (out[1] - 0.3).abs() < 1e-6, "{out:?}");
    }

    #[test]
    fn groups_that_overlap_tell_classes_apart() {
        // Nine classes by two digits of three; members agree with p = 0.6 for class 5 and the rest for class 1.
        let tens: Vec<u32> = (0..9).map(|class| class / 3).collect();
        let ones: Vec<u32> = (0..9).map(|class| class % 3).collect();
        let mut out = vec![0.0; 9];
        classes(&[(&tens, vec![0.4, 0.6, 0.0]), (&ones, vec![0.0, 0.4, 0.6])], &mut out);
        let total: f32 = out.iter().sum();
        assert!((total - 1.0).abs() < 1e-5, "{out:?}");
        let best = (0..9).max_by(|&a, &b| out[a].total_cmp(&out[b]));
        assert_eq!(best, Some(5), "{out:?}");
        assert!(out[0] < 1e-6 && out[8] < 1e-6, "what a member excludes is excluded: {out:?}");
    }

    #[test]
    fn enough_members_for_all_codes() {
        assert_eq!([2, 10, 11, 100, 101].map(|classes| least_members(classes, 10)), [1, 1, 3, 3, 4]);
    }
}
