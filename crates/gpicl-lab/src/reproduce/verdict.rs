//! Whether the paper's statements hold in a reproduced figure's data.

use std::fmt;
use std::path::Path;

use gpicl::Result;
use gpicl::eval::Interval;
use gpicl::fs::read_text;
use serde::Serialize;

/// A statement of the paper, and what the data say about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What the paper states.
    pub paper: String,
    /// When it counts as holding here, as a rule over the data.
    pub rule: String,
    /// The numbers that the rule was applied to.
    pub found: String,
    /// Whether it holds; `None` where the data cannot tell.
    pub holds: Option<bool>,
}

impl Check {
    /// A statement judged.
    pub fn new(paper: &str, rule: impl Into<String>, found: impl Into<String>, holds: Option<bool>) -> Self {
        Self { paper: paper.into(), rule: rule.into(), found: found.into(), holds }
    }
}

/// What [`at_least`] asks for, after the least number.
pub(super) const BY_INTERVAL: &str = "with a 95% interval above 0; it is refuted where the whole interval is below that \
    number, else it cannot be told";

/// Whether a difference is at least `least`: it is where its mean is and its interval is above 0, it is not where the interval
/// is below `least`, and else it cannot be told, as without an interval.
pub(super) fn at_least(difference: impl Into<Option<Interval>>, least: f64) -> Option<bool> {
    let difference = difference.into()?;
    if difference.mean >= least && difference.above(0.0) {
        Some(true)
    } else {
        difference.below(least).then_some(false)
    }
}

/// Whether an accuracy is less than `most`, by its interval.
pub(super) fn less_than(accuracy: impl Into<Option<Interval>>, most: f64) -> Option<bool> {
    let accuracy = accuracy.into()?;
    if accuracy.below(most) { Some(true) } else { accuracy.above(most).then_some(false) }
}

/// Whether all hold: not where one does not, and not to be told where one cannot be.
pub(super) fn all(holds: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let holds: Vec<Option<bool>> = holds.into_iter().collect();
    if holds.contains(&Some(false)) { Some(false) } else { (!holds.contains(&None)).then_some(true) }
}

/// Whether something holds under every seed; not if it does under none. To be told, it takes two seeds that agree.
pub(super) fn every_seed(each: impl IntoIterator<Item = bool>) -> Option<bool> {
    let each: Vec<bool> = each.into_iter().collect();
    let [first, rest @ ..] = each.as_slice() else { return None };
    (!rest.is_empty() && rest.iter().all(|other| other == first)).then_some(*first)
}

/// An interval as text: `0.62 [0.51, 0.73]`.
pub(super) fn written(interval: impl Into<Option<Interval>>) -> String {
    match interval.into() {
        Some(Interval { mean, low, high }) => format!("{mean:.2} [{low:.2}, {high:.2}]"),
        None => FEW.into(),
    }
}

/// Where there is no interval.
pub(super) const FEW: &str = "(too few seeds for an interval)";

/// What a verdict's first line starts with.
const START: &str = "verdict: ";

/// What a figure's data say about the paper's statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// All statements hold.
    Reproduced,
    /// At least one does not.
    NotReproduced,
    /// None is refuted, but the data cannot tell all.
    Undecided,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reproduced => "reproduced",
            Self::NotReproduced => "not reproduced",
            Self::Undecided => "undecided",
        })
    }
}

/// The statements behind a figure, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Name of the figure.
    pub figure: String,
    /// What the data are: scale, runs, seeds.
    pub basis: String,
    /// All in all.
    pub answer: Answer,
    /// The statements.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// From the statements: reproduced if all hold.
    pub fn new(figure: &str, basis: String, checks: Vec<Check>) -> Self {
        let answer = if checks.iter().any(|check| check.holds == Some(false)) {
            Answer::NotReproduced
        } else if checks.is_empty() || checks.iter().any(|check| check.holds.is_none()) {
            Answer::Undecided
        } else {
            Answer::Reproduced
        };
        Self { figure: figure.into(), basis, answer, checks }
    }

    /// In a line.
    pub fn line(&self) -> String {
        let holding = self.checks.iter().filter(|check| check.holds == Some(true)).count();
        format!(
            "{START}{}: {}: {holding} of {} statements hold ({})",
            self.figure,
            self.answer,
            self.checks.len(),
            self.basis,
        )
    }

    /// The figure whose verdict the file `path` is; none if it is not there, or something else.
    pub(super) fn figure_in(path: &Path) -> Result<Option<String>> {
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text(path)?;
        let found = text.strip_prefix(START).and_then(|rest| rest.split_once(':'));
        Ok(found.map(|(figure, _)| figure.to_string()))
    }

    /// The line, then every statement with its rule and its numbers.
    pub fn text(&self) -> String {
        let mut text = self.line();
        for check in &self.checks {
            let holds = match check.holds {
                Some(true) => "holds",
                Some(false) => "does not hold",
                None => "cannot be told",
            };
            let Check { paper, rule, found, .. } = check;
            text.push_str(&format!("\n\n{holds}: {paper}\n  rule:  {rule}\n  found: {found}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_can_leave_a_statement_open() {
        let at = |mean: f64, half: f64| Interval { mean, low: mean - half, high: mean + half };
        assert_eq!(at_least(at(0.3, 0.2), 0.1), Some(true));
        assert_eq!(at_least(at(0.3, 0.4), 0.1), None, "0 is inside");
        assert_eq!(at_least(at(0.05, 0.2), 0.1), None);
        assert_eq!(at_least(at(0.05, 0.02), 0.1), Some(false));
        assert_eq!(less_than(at(0.1, 0.05), 0.2), Some(true));
        assert_eq!(less_than(at(0.1, 0.15), 0.2), None);
        assert_eq!(less_than(at(0.4, 0.15), 0.2), Some(false));
        assert_eq!((at_least(None, 0.1), less_than(None, 0.2), written(None)), (None, None, FEW.into()));
        assert_eq!(all([Some(true), None]), None);
        assert_eq!(all([None, Some(false)]), Some(false));
        assert_eq!((all([Some(true)]), written(at(0.5, 0.25))), (Some(true), "0.50 [0.25, 0.75]".into()));
    }

    #[test]
    fn two_seeds_at_least_have_to_agree() {
        assert_eq!((every_seed([true, true]), every_seed([false; 3])), (Some(true), Some(false)));
        assert_eq!((every_seed([true, false, true]), every_seed([true]), every_seed([])), (None, None, None));
    }

    #[test]
    fn all_statements_have_to_hold() {
        let check = |holds| Check::new("it rises", "last above first", "0.1, 0.9", holds);
        let answer = |holds: &[Option<bool>]| {
            Verdict::new("f", "cpu scale".into(), holds.iter().copied().map(check).collect()).answer
        };
        assert_eq!(answer(&[Some(true), Some(true)]), Answer::Reproduced);
        assert_eq!(answer(&[Some(true), None, Some(false)]), Answer::NotReproduced);
        assert_eq!(answer(&[Some(true), None]), Answer::Undecided);
        assert_eq!(answer(&[]), Answer::Undecided);
        let verdict = Verdict::new("f", "cpu scale".into(), vec![check(Some(true)), check(Some(false))]);
        assert_eq!(verdict.line(), "verdict: f: not reproduced: 1 of 2 statements hold (cpu scale)");
        let text = verdict.text();
        assert!(
            text.contains("does not hold: it rises\n  rule:  last above first\n  found: 0.1, 0.9"),
            "{text}"
        );
    }
}
