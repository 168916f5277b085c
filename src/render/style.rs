//! Colours. A style that is off writes nothing, so one text serves terminals, files and tests.

use anstyle::{AnsiColor, Style};

use crate::model::Danger;
use crate::plan::Operation;

/// What kinds of text look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Styles {
    /// Headings and addresses.
    pub strong: Style,
    /// What matters less: places, defaults.
    pub faint: Style,
    /// Made.
    pub add: Style,
    /// Changed.
    pub change: Style,
    /// Removed; errors.
    pub remove: Style,
    /// Left undone.
    pub blocked: Style,
    /// Drift and notes.
    pub note: Style,
    /// What to do.
    pub hint: Style,
}

impl Styles {
    /// No colours.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Colours of the terminal's own palette.
    pub fn colored() -> Self {
        let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
        Self {
            strong: Style::new().bold(),
            faint: Style::new().dimmed(),
            add: color(AnsiColor::Green),
            change: color(AnsiColor::Yellow),
            remove: color(AnsiColor::Red),
            blocked: color(AnsiColor::Magenta),
            note: color(AnsiColor::Cyan),
            hint: color(AnsiColor::Blue),
        }
    }

    /// Colours or none.
    pub fn new(colored: bool) -> Self {
        if colored { Self::colored() } else { Self::plain() }
    }

    /// Whether there are any.
    pub fn is_colored(&self) -> bool {
        *self != Self::plain()
    }

    /// The style of what happens to an object.
    pub fn operation(&self, operation: Operation) -> Style {
        match operation {
            Operation::Create => self.add,
            Operation::Change => self.change,
            Operation::Remove | Operation::Recreate => self.remove,
            Operation::Forget | Operation::Adopt => self.note,
            Operation::Blocked => self.blocked,
        }
    }

    /// The style of a danger.
    pub fn danger(&self, danger: Danger) -> Style {
        match danger {
            Danger::Downtime => self.change,
            Danger::PowerCut | Danger::DiscardState | Danger::Revert | Danger::DestroyData => self.remove,
        }
    }
}
