//! A plan as commands for a shell.

use std::io::{self, Write};

use super::super::text::printable;
use crate::ops::Line;
use crate::plan::Plan;

/// Writes a script: remarks say what the lines are for, and what is not in them.
pub fn write_commands(out: &mut dyn Write, plan: &Plan, lines: &[Line]) -> io::Result<()> {
    let remark = |out: &mut dyn Write, text: &str| writeln!(out, "# {}", printable(text));
    remark(out, &format!("Plan {} of stack {}, as commands.", plan.hash, plan.stack))?;
    remark(
        out,
        "vboxmcp compares before and after each of them, and keeps the stack's register: these lines do not.",
    )?;
    for refusal in &plan.refusals {
        remark(out, &format!("Refused: {}", refusal.reason))?;
    }
    for object in &plan.objects {
        for blocked in &object.blocked {
            remark(out, &format!("Left undone, {}: {}", object.address, blocked.reason))?;
        }
    }
    if plan.steps.is_empty() {
        return remark(out, "There is nothing to do.");
    }
    for line in lines {
        match line {
            Line::Remark(text) => {
                writeln!(out)?;
                remark(out, text)?;
            }
            Line::Command(command) => writeln!(out, "{command}")?,
        }
    }
    Ok(())
}
