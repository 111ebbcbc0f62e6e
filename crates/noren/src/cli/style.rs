//! How text looks: tables, headings, marks. No meaning is carried by colour alone; the output
//! stream strips colour where it is no terminal.

use comfy_table::{ContentArrangement, Table, presets};
use owo_colors::OwoColorize;

/// Whether a step succeeded, failed or was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It succeeded.
    Yes,
    /// It failed.
    No,
    /// It was not reached.
    None,
}

/// A mark as one sign.
pub(crate) fn mark(mark: Mark) -> String {
    match mark {
        Mark::Yes => "✓".to_owned(),
        Mark::No => "✗".to_owned(),
        Mark::None => "–".to_owned(),
    }
}

/// A heading.
pub(crate) fn heading(text: &str) -> String {
    text.bold().to_string()
}

/// A command as a user would type it.
pub(crate) fn command(text: &str) -> String {
    format!("$ {text}").cyan().to_string()
}

/// A table with these headings, as wide as its contents: no borders, so that columns can be cut.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().copied());
    table
}

/// A table as text, without spaces at the ends of lines or in front.
pub(crate) fn lines(table: &Table) -> String {
    table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned() + "\n").collect()
}

/// Lines of cells as `kubectl` prints them: columns aligned, three spaces between.
pub(crate) fn columns(lines: &[Vec<String>]) -> String {
    explain::render::table::columns(lines, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_as_kubectls_do() {
        let cell = |text: &str| text.to_owned();
        let lines = [vec![cell("NAME"), cell("STATUS")], vec![cell("aks-1"), cell("Ready")]];
        assert_eq!(columns(&lines), "NAME    STATUS\naks-1   Ready\n");
    }
}
