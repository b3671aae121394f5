//! Where each box stands: a row for each level, cards at the bottom.

use super::model::{Model, Node};

/// Everything is in units of the picture, which a viewer scales.
pub const LINE: usize = 16;
/// A letter; the picture makes the viewer keep to it.
pub const LETTER: usize = 7;
/// Inside a box, around its text.
pub const MARGIN: usize = 8;
/// Between two boxes of a row, and around the picture.
const GAP: usize = 24;
/// Between two rows: room for the lines.
const ROW_GAP: usize = 56;

/// A box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Place {
    /// Its middle.
    pub const fn middle(&self) -> usize {
        self.x + self.width / 2
    }
}

/// The boxes of a model, in its order, and the size of the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub places: Vec<Place>,
    pub width: usize,
    pub height: usize,
}

/// Rows from the bottom up; in a row each box is as near to what it stands on as its neighbours allow.
pub fn layout(model: &Model) -> Layout {
    let mut places: Vec<Place> = model.nodes.iter().map(size).collect();
    let top = model.nodes.iter().map(|node| node.level).max().unwrap_or(0);
    let rows: Vec<Vec<usize>> = (0..=top).map(|level| row(model, level)).collect();
    // Heights are known before anything is placed: the highest row is drawn first.
    let heights: Vec<usize> = rows
        .iter()
        .map(|row| {
            row.iter()
                .filter_map(|at| places.get(*at))
                .map(|p| p.height)
                .max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let mut width = 0;
    for (level, row) in rows.iter().enumerate() {
        let above: usize = heights
            .iter()
            .skip(level + 1)
            .map(|height| height + ROW_GAP)
            .sum();
        let mut order: Vec<(usize, usize)> = row
            .iter()
            .map(|at| (centre(model, &places, *at), *at))
            .collect();
        order.sort_unstable();
        let mut next = GAP;
        for (centre, at) in order {
            if let Some(place) = places.get_mut(at) {
                place.x = centre.saturating_sub(place.width / 2).max(next);
                place.y = GAP + above;
                next = place.x + place.width + GAP;
            }
        }
        width = width.max(next);
    }
    let height = heights.iter().map(|height| height + ROW_GAP).sum::<usize>();
    Layout {
        places,
        width: width.max(2 * GAP),
        height: (height + 2 * GAP).saturating_sub(ROW_GAP),
    }
}

fn row(model: &Model, level: usize) -> Vec<usize> {
    let nodes = model.nodes.iter().enumerate();
    nodes
        .filter(|(_, node)| node.level == level)
        .map(|(at, _)| at)
        .collect()
}

fn size(node: &Node) -> Place {
    let letters = node.lines.iter().map(|line| line.chars().count()).max();
    Place {
        width: letters.unwrap_or(0) * LETTER + 2 * MARGIN,
        height: node.lines.len() * LINE + 2 * MARGIN,
        ..Place::default()
    }
}

/// The mean of what it stands on; 0 on the ground.
fn centre(model: &Model, places: &[Place], at: usize) -> usize {
    let below = model.nodes.get(at).map(|node| node.below.as_slice());
    let middles: Vec<usize> = below
        .unwrap_or_default()
        .iter()
        .filter_map(|below| places.get(*below).map(Place::middle))
        .collect();
    middles
        .iter()
        .sum::<usize>()
        .checked_div(middles.len())
        .unwrap_or(0)
}
