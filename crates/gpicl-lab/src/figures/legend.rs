//! Where in a chart a legend covers the least.

/// Places tried along either side.
const PLACES: usize = 13;
/// Points looked at along a line as long as the chart.
const DENSITY: f64 = 150.0;

/// The upper left corner of a box of `size` in the unit square, `y` downwards, that covers the fewest of `points` and the least
/// of `lines`; of several the one nearest to a corner of the square, the upper left before the others.
pub(super) fn place(size: (f64, f64), points: &[(f64, f64)], lines: &[Vec<(f64, f64)>]) -> (f64, f64) {
    let mut drawn = points.to_vec();
    for (a, b) in lines.iter().flat_map(|line| line.windows(2)).map(|pair| (pair[0], pair[1])) {
        let steps = ((b.0 - a.0).hypot(b.1 - a.1) * DENSITY).ceil().max(1.0) as usize;
        let along = |step: usize| step as f64 / steps as f64;
        drawn.extend(
            (0..=steps).map(|step| (a.0 + along(step) * (b.0 - a.0), a.1 + along(step) * (b.1 - a.1))),
        );
    }
    let room = ((1.0 - size.0).max(0.0), (1.0 - size.1).max(0.0));
    let at = |place: usize, room: f64| room * place as f64 / (PLACES - 1) as f64;
    let from_corner = |(i, j): (usize, usize)| i.min(PLACES - 1 - i) + j.min(PLACES - 1 - j);
    let covered = |(i, j): (usize, usize)| {
        let (x, y) = (at(i, room.0), at(j, room.1));
        drawn.iter().filter(|(px, py)| (x..=x + size.0).contains(px) && (y..=y + size.1).contains(py)).count()
    };
    let places = (0..PLACES).flat_map(|j| (0..PLACES).map(move |i| (i, j)));
    let (i, j) = places.min_by_key(|&place| (covered(place), from_corner(place))).expect("there are places");
    (at(i, room.0), at(j, room.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_corner_is_found_and_the_upper_left_is_the_first() {
        let size = (0.3, 0.2);
        assert_eq!(place(size, &[], &[]), (0.0, 0.0));
        // Rising lines leave room above, falling ones at the right.
        assert_eq!(place(size, &[], &[vec![(0.0, 1.0), (1.0, 0.0)]]), (0.0, 0.0));
        let falling = place(size, &[], &[vec![(0.0, 0.0), (1.0, 1.0)]]);
        assert!((falling.0 - 0.7).abs() < 1e-9 && falling.1 == 0.0, "{falling:?}");
    }

    #[test]
    fn where_every_corner_is_taken_it_stands_between_them() {
        let corners = [(0.05, 0.05), (0.95, 0.05), (0.05, 0.95), (0.95, 0.95)];
        let (x, y) = place((0.2, 0.2), &corners, &[]);
        assert!(corners.iter().all(|(px, py)| !(x..=x + 0.2).contains(px) || !(y..=y + 0.2).contains(py)));
        assert!(x == 0.0 || y == 0.0, "{x} {y}");
    }

    #[test]
    fn a_box_larger_than_the_chart_begins_at_its_corner() {
        assert_eq!(place((2.0, 0.5), &[(0.5, 0.1)], &[]), (0.0, 0.5));
    }
}
