//! Lines between boxes that pass behind no other box: a line behind a box looks as if it led there. They go where nothing
//! stands: beside a box's column, above a frame, along the picture's left edge.

use super::picture::{Frame, GAP, Node};

/// Half of what is between boxes, and between frames.
const MIDDLE: i32 = GAP / 2;

/// The points of a line from box to box. Lines with different numbers keep some distance from each other.
pub(super) fn between(frames: &[Frame], from: &Node, to: &Node, number: usize) -> Vec<(i32, i32)> {
    // As far from the middle as there is room.
    let lane = i32::try_from(number % 5).unwrap_or_default() * 2 - 4;
    // Out on the right and in on the left, so that what comes and what goes keep apart.
    let height = |node: &Node| node.y + node.h / 2 + lane;
    let start = (from.x + from.w + MIDDLE + lane, height(from));
    let end = (to.x - MIDDLE + lane, height(to));
    let ((from_x, from_y), (to_x, to_y)) = (start, end);
    let frame_of = |node: &Node| frames.iter().find(|frame| has(frame, (node.x, node.y)));
    let mut way = vec![(from.x + from.w, from_y), start];
    if let (Some(own), Some(other)) = (frame_of(from), frame_of(to)) {
        let (above_own, above_other) = (own.y - MIDDLE + lane, other.y - MIDDLE + lane);
        let is_clear = |x: i32, y: (i32, i32)| {
            let (low, high) = (y.0.min(y.1), y.0.max(y.1));
            let crosses =
                |frame: &Frame| frame.x <= x && x <= frame.x + frame.w && frame.y < high && low < frame.y + frame.h;
            !frames.iter().any(|frame| frame != own && crosses(frame))
        };
        if own == other && from_x == to_x {
            // Both stand beside it.
        } else if own == other {
            // Beside its own column, over all boxes of the frame, and down beside the other column.
            way.extend([(from_x, above_own), (to_x, above_own)]);
        } else if is_clear(from_x, (from_y, above_other)) {
            way.extend([(from_x, above_other), (to_x, above_other)]);
        } else {
            let edge = MIDDLE + lane;
            way.extend([(from_x, above_own), (edge, above_own), (edge, above_other), (to_x, above_other)]);
        }
    }
    way.extend([end, (to.x, to_y)]);
    way.dedup();
    way
}

const fn has(frame: &Frame, (x, y): (i32, i32)) -> bool {
    frame.x <= x && x <= frame.x + frame.w && frame.y <= y && y <= frame.y + frame.h
}
