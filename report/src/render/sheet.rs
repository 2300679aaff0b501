//! Tables for a document of the reader: a run or a comparison as Markdown or LaTeX. A [`Sheet`] is the tables as text; each format
//! escapes its own special characters.

mod budget;
mod comparison;
mod run;

use crate::clean;

pub use budget::{budget_markdown, increase_markdown, increase_text, quality_of};
pub use comparison::{comparison_csv, comparison_latex, comparison_markdown};
pub use run::{latex, markdown};

/// A title, tables and remarks.
struct Sheet {
    title: String,
    tables: Vec<Table>,
    notes: Vec<String>,
}

/// A table: columns of text, then columns of numbers.
struct Table {
    caption: String,
    text_columns: usize,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(caption: &str, head: &[&str]) -> Self {
        Self {
            caption: caption.to_owned(),
            text_columns: 1,
            head: head.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }
}

impl Sheet {
    /// Returns the sheet as Markdown (GitHub's tables).
    fn markdown(&self) -> String {
        let cell = |text: &String| clean::markdown(text.trim_end_matches(['\u{2007}', '\u{2008}']));
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = format!("## {}\n", clean::markdown(&self.title));
        for table in &self.tables {
            out += &format!("\n**{}**\n\n", clean::markdown(&table.caption));
            out += &line(table.head.iter().map(cell).collect());
            let align = |at: usize| if at < table.text_columns { "---".to_owned() } else { "---:".to_owned() };
            out += &line((0..table.head.len()).map(align).collect());
            table.rows.iter().for_each(|row| out += &line(row.iter().map(cell).collect()));
        }
        self.notes.iter().for_each(|note| out += &format!("\n{}\n", clean::markdown(note)));
        out
    }

    /// Returns the sheet as LaTeX tables, which need no package.
    fn latex(&self) -> String {
        let cell = |text: &String| clean::latex(text.trim_end_matches(['\u{2007}', '\u{2008}']));
        let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        let mut out = format!("% {}, by eco2\n", clean::latex(&self.title));
        for table in &self.tables {
            let numbers = table.head.len().saturating_sub(table.text_columns);
            let columns = "l".repeat(table.text_columns) + &"r".repeat(numbers);
            out += &format!("\\begin{{table}}\n\\centering\n\\caption{{{}}}\n", clean::latex(&table.caption));
            out += &format!(
                "\\begin{{tabular}}{{{columns}}}\n\\hline\n{}\\hline\n",
                line(table.head.iter().map(cell).collect())
            );
            table.rows.iter().for_each(|row| out += &line(row.iter().map(cell).collect()));
            out += "\\hline\n\\end{tabular}\n\\end{table}\n";
        }
        self.notes.iter().for_each(|note| out += &format!("{}\n", clean::latex(note)));
        out
    }
}
