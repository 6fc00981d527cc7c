//! The goals beside what was measured.

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) work: String,
    pub(super) goal: String,
    pub(super) measured: String,
    /// `None` where there is no goal, or nothing to judge by.
    pub(super) met: Option<bool>,
    /// What helps to understand it: absolute figures, which depend on the machine.
    pub(super) context: String,
}

const HEAD: [&str; 5] = ["work", "goal", "measured", "met", "for context"];

impl Row {
    fn cells(&self) -> [&str; 5] {
        let met = match self.met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        [&self.work, &self.goal, &self.measured, met, &self.context]
    }
}

/// For a terminal.
pub(super) fn plain(rows: &[Row]) -> String {
    let lines: Vec<_> = std::iter::once(HEAD).chain(rows.iter().map(Row::cells)).collect();
    let widths: [usize; 5] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
    let line = |cells: &[&str; 5]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// For `docs/performance.md`.
pub(super) fn markdown(rows: &[Row]) -> String {
    let line = |cells: [&str; 5]| format!("| {} |", cells.join(" | "));
    let mut lines = vec![line(HEAD), "|---|---|---|---|---|".to_owned()];
    lines.extend(rows.iter().map(|row| line(row.cells())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |work: &str, met| Row {
            work: work.into(),
            goal: "≥ 0.9".into(),
            measured: "0.95".into(),
            met,
            context: "160k/s".into(),
        };
        vec![row("echo", Some(true)), row("fan-out", None)]
    }

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let expected = "work     goal   measured  met  for context\n\
                        echo     ≥ 0.9  0.95      yes  160k/s\n\
                        fan-out  ≥ 0.9  0.95      –    160k/s";
        assert_eq!(plain(&rows()), expected);
    }

    #[test]
    fn it_is_markdown_if_wanted() {
        let text = markdown(&rows());
        assert_eq!(text.lines().nth(2), Some("| echo | ≥ 0.9 | 0.95 | yes | 160k/s |"));
        assert!(text.lines().all(|line| line.matches('|').count() == 6));
    }
}
