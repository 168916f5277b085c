//! Columns of text.

use std::io::{self, Write};

use super::View;
use super::text::printable;

/// A table with a heading. A column that is empty in every row is left out.
#[derive(Debug)]
pub struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// One row more; its texts are made printable here.
    pub fn row<const N: usize>(&mut self, cells: &[String; N]) {
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }

    /// Writes it.
    pub fn write(&self, out: &mut dyn Write, view: &View) -> io::Result<()> {
        let s = &view.styles;
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            let widest = cells.max().unwrap_or(0);
            (widest > 0).then(|| widest.max(self.heading.get(column).map_or(0, |text| text.len())))
        };
        let columns: Vec<(usize, usize)> =
            (0..self.heading.len()).filter_map(|column| Some((column, width(column)?))).collect();
        let heading: Vec<String> = self.heading.iter().map(|text| (*text).to_owned()).collect();
        let line = |cells: &[String]| {
            let padded: Vec<String> = columns
                .iter()
                .filter_map(|(column, width)| {
                    let cell = cells.get(*column)?;
                    Some(format!("{cell}{}", " ".repeat(width.saturating_sub(cell.chars().count()))))
                })
                .collect();
            padded.join("  ").trim_end().to_owned()
        };
        writeln!(out, "{}{}{:#}", s.faint, line(&heading), s.faint)?;
        for row in &self.rows {
            writeln!(out, "{}", line(row))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        let mut table = Table::new(&["NAME", "REASON", "CPUS"]);
        table.row(&["a\u{7}".to_owned(), String::new(), "2".to_owned()]);
        table.row(&["longer".to_owned(), String::new(), "16".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out, &View::default()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME    CPUS\na\\u{7}  2\nlonger  16\n");
    }
}
