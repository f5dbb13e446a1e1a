//! Learning curves for a terminal.

use gpicl::eval::LearningCurve;

/// Letters that draw the curves, in the order of the legend.
const MARKS: [char; 6] = ['*', 'o', '+', 'x', '#', '@'];

/// Learning curves in a terminal: accuracy from 0 to 1 upwards, examples seen to the right. Plain ASCII.
pub fn ascii_curve(curves: &[LearningCurve], width: usize, height: usize) -> String {
    let length = curves.iter().map(|curve| curve.accuracy.len()).max().unwrap_or(0);
    if length == 0 || width < 2 || height < 2 {
        return String::new();
    }
    let mut grid = vec![vec![' '; width]; height];
    for (i, curve) in curves.iter().enumerate().rev() {
        let mark = MARKS[i % MARKS.len()];
        let accuracy: Vec<f64> = curve.accuracy.iter().map(|interval| interval.mean).collect();
        for (column, at) in (0..width).map(|column| (column, column * accuracy.len() / width)) {
            // The mean over the positions under the column; a narrow curve repeats its positions.
            let to = ((column + 1) * accuracy.len() / width).clamp(at + 1, accuracy.len());
            let mean = accuracy[at..to].iter().sum::<f64>() / (to - at) as f64;
            let row = ((1.0 - mean.clamp(0.0, 1.0)) * (height - 1) as f64).round() as usize;
            grid[row][column] = mark;
        }
    }
    let mut text = String::from("accuracy\n");
    for (i, row) in grid.iter().enumerate() {
        let value = 1.0 - i as f64 / (height - 1) as f64;
        let line: String = row.iter().collect();
        text.push_str(&format!("{value:>5.2} |{}\n", line.trim_end()));
    }
    let end = (length - 1).to_string();
    text.push_str(&format!("      +{}\n       0{end:>1$}  examples seen\n", "-".repeat(width), width - 1));
    for (curve, mark) in curves.iter().zip(MARKS.iter().cycle()) {
        text.push_str(&format!("       {mark} {}\n", curve.label));
    }
    text
}

#[cfg(test)]
mod tests {
    use gpicl::eval::CurveAccumulator;

    use super::*;

    #[test]
    fn a_rising_curve_rises_on_the_terminal() {
        let mut accumulator = CurveAccumulator::new(8);
        for _ in 0..4 {
            accumulator.add_episode(&[false, false, false, false, true, true, true, true], &[0.0; 8]);
        }
        let text = ascii_curve(&[accumulator.finish("toy").unwrap()], 8, 5);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], " 1.00 |    ****");
        assert_eq!(lines[5], " 0.00 |****");
        assert!(text.contains("* toy") && text.is_ascii());
        assert_eq!(ascii_curve(&[], 8, 5), "");
    }
}
