//! Whether the paper's statements hold in a reproduced figure's data.

use std::fmt;

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
            "verdict: {}: {}: {holding} of {} statements of the paper hold ({})",
            self.figure,
            self.answer,
            self.checks.len(),
            self.basis,
        )
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
        assert_eq!(
            verdict.line(),
            "verdict: f: not reproduced: 1 of 2 statements of the paper hold (cpu scale)"
        );
        let text = verdict.text();
        assert!(
            text.contains("does not hold: it rises\n  rule:  last above first\n  found: 0.1, 0.9"),
            "{text}"
        );
    }
}
