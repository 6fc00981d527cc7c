//! The table of what was found.

use std::fmt;

use crate::checker::Findings;

/// One row: a fault and what came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// What happened.
    pub fault: &'static str,
    /// What was found.
    pub findings: Findings,
    /// How long after the fault everything was as before, in seconds; nothing where there was nothing to heal.
    pub recovery: Option<f64>,
    /// What the servers said last, where something is wrong.
    pub logs: String,
}

impl Report {
    /// Whether all promises were kept.
    pub fn is_ok(&self) -> bool {
        self.findings.violations.is_empty()
    }

    /// What is wrong, and what the servers said.
    pub fn complaint(&self) -> String {
        let lines: Vec<_> = self.findings.violations.lines().collect();
        format!("{}:\n  {}\n{}", self.fault, lines.join("\n  "), self.logs)
    }
}

/// The columns.
pub const HEAD: &str = "fault                                sent  delivered  interrupted  silent  recovery\n\
     -------------------------------- -------- ---------- ------------ ------- ---------";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { sent, delivered, interrupted, silent, .. } = &self.findings;
        let recovery = self.recovery.map_or("-".to_owned(), |seconds| format!("{seconds:.2} s"));
        let mark = if self.is_ok() { "" } else { "  FAILED" };
        write!(f, "{:32} {sent:8} {delivered:10} {interrupted:12} {silent:7} {recovery:>9}{mark}", self.fault)
    }
}
