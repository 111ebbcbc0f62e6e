//! The matrix as a table: one line for each group of vantages that fare alike with a group of clusters.

use crate::{matrix::Row, question::Verdict};

/// How many names of a group are written out.
pub(crate) const NAMES_MAX: usize = 3;

/// The matrix for people.
pub fn matrix(rows: &[Row]) -> String {
    let mut lines = vec![["CLUSTER", "FROM", "CONNECTS", "CAUSE"].map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(line));
    columns(&lines, 2)
}

fn line(row: &Row) -> Vec<String> {
    let clusters = some_of(row.clusters.len(), row.clusters.iter().map(|id| id.name().to_owned()));
    let vantages = some(row.vantages.iter().map(network::Vantage::name));
    let connects = match row.outcome.verdict {
        Verdict::Connects => "✓",
        Verdict::ConnectsByPublicFqdn => "~ public FQDN",
        Verdict::Fails => "✗",
    };
    let cause = row.outcome.cause.map_or("", |code| code.as_str());
    vec![clusters, vantages, connects.to_owned(), cause.to_owned()]
}

/// The first names, and how many more there are.
pub(crate) fn some(names: impl ExactSizeIterator<Item = String>) -> String {
    some_of(names.len(), names)
}

/// The first of so many names, and how many more there are.
pub(crate) fn some_of(all: usize, names: impl Iterator<Item = String>) -> String {
    let mut text = names.take(NAMES_MAX).collect::<Vec<_>>().join(", ");
    if all > NAMES_MAX {
        text += &format!(" and {} more", all - NAMES_MAX);
    }
    text
}

/// Lines of cells with aligned columns, `gap` spaces between.
pub fn columns(lines: &[Vec<String>], gap: usize) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut cells = String::new();
        for (width, cell) in widths.iter().zip(line) {
            cells.push_str(cell);
            cells.extend(std::iter::repeat_n(' ', width + gap - cell.chars().count()));
        }
        text.push_str(cells.trim_end());
        text.push('\n');
    }
    text
}
