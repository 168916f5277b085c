//! The expression language of scalars: `${var.name}`, `${index}`, integer arithmetic, and `$${` for a literal `${`.
//!
//! May hold: reading and computing expressions. Where variables come from is not known here.

use std::ops::Range;

/// A scalar's text, cut into literal text and expressions.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// Literal text, escapes undone.
    Text(String),
    /// An expression.
    Expr {
        /// The bytes of `${...}` in the text.
        range: Range<usize>,
        /// What it says.
        expr: Expr,
    },
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Int(i64),
    Var(String),
    Index,
    Negate(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
}

/// An operator of two integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    fn apply(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Remainder => left.checked_rem(right),
        }
    }
}

/// A text that is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExprError {
    /// The bytes it is about.
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EvalError {
    Overflow,
    DivisionByZero,
    /// `${index}` outside a replicated machine.
    NoIndex,
    /// Arithmetic with a variable that is no integer.
    NotAnInteger(String),
    /// A variable without a value; its own diagnostic is given where it is looked up.
    Unknown(String),
}

/// Deepest nesting of parentheses and signs.
const MAX_NESTING: usize = 32;

/// Cuts a text into parts. A text without `${` is one part.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, ExprError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let dollar = at + found;
        if dollar > at && text.as_bytes()[dollar - 1] == b'$' {
            literal.push_str(&text[at..dollar]);
            literal.push('{');
            at = dollar + 2;
            continue;
        }
        literal.push_str(&text[at..dollar]);
        let inner = dollar + 2;
        let Some(length) = text[inner..].find('}') else {
            return Err(ExprError {
                range: dollar..text.len(),
                message: "`${` is not closed".to_owned(),
                help: Some("close it with `}`, or write `$${` for a literal `${`".to_owned()),
            });
        };
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        let end = inner + length;
        let expr = Parser { text, at: inner, end, depth: 0 }.whole(dollar..end + 1)?;
        parts.push(Part::Expr { range: dollar..end + 1, expr });
        at = end + 1;
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    end: usize,
    depth: usize,
}

impl Parser<'_> {
    fn whole(mut self, range: Range<usize>) -> Result<Expr, ExprError> {
        self.blank();
        if self.at == self.end {
            return Err(ExprError {
                range,
                message: "`${}` says nothing".to_owned(),
                help: Some("write `${var.name}` or `${index}`".to_owned()),
            });
        }
        let expr = self.sum()?;
        if self.at < self.end {
            return Err(self.unexpected());
        }
        Ok(expr)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..self.end]
    }

    fn blank(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
            self.blank();
        }
        found
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let length = self.rest().find(|c| !belongs(c)).unwrap_or(self.rest().len());
        let word = self.rest()[..length].to_owned();
        self.at += length;
        word
    }

    fn unexpected(&self) -> ExprError {
        let here = self.rest().chars().next();
        let (range, message) = match here {
            Some(c) => (self.at..self.at + c.len_utf8(), format!("`{c}` is not expected here")),
            None => (self.end..self.end + 1, "the expression ends too early".to_owned()),
        };
        let help =
            "an expression has `var.name`, `index`, whole numbers, + - * / % and parentheses".to_owned();
        ExprError { range, message, help: Some(help) }
    }

    fn sum(&mut self) -> Result<Expr, ExprError> {
        let mut left = self.product()?;
        loop {
            let operator = if self.take('+') {
                Operator::Add
            } else if self.take('-') {
                Operator::Subtract
            } else {
                return Ok(left);
            };
            left = Expr::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, ExprError> {
        let mut left = self.unary()?;
        loop {
            let operator = if self.take('*') {
                Operator::Multiply
            } else if self.take('/') {
                Operator::Divide
            } else if self.take('%') {
                Operator::Remainder
            } else {
                return Ok(left);
            };
            left = Expr::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Result<Expr, ExprError> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(ExprError {
                range: self.at..self.end,
                message: format!("more than {MAX_NESTING} parentheses or signs inside one another"),
                help: None,
            });
        }
        let expr = if self.take('-') {
            Expr::Negate(Box::new(self.unary()?))
        } else if self.take('(') {
            let inner = self.sum()?;
            if !self.take(')') {
                return Err(self.unexpected());
            }
            inner
        } else {
            self.atom()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn atom(&mut self) -> Result<Expr, ExprError> {
        let start = self.at;
        let expr = match self.rest().chars().next() {
            Some(c) if c.is_ascii_digit() => {
                let digits = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
                Expr::Int(digits.parse().map_err(|_| ExprError {
                    range: start..self.at,
                    message: format!("`{digits}` is not a whole number that fits 64 bits"),
                    help: None,
                })?)
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let word = self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
                match word.strip_prefix("var.") {
                    Some(name) if !name.is_empty() && !name.contains('.') => Expr::Var(name.to_owned()),
                    _ if word == "index" => Expr::Index,
                    _ => {
                        return Err(ExprError {
                            range: start..self.at,
                            message: format!("`{word}` is not known in expressions"),
                            help: Some(if word.contains('.') {
                                "there are `var.NAME` and `index`".to_owned()
                            } else {
                                format!("did you mean `var.{word}`?")
                            }),
                        });
                    }
                }
            }
            _ => return Err(self.unexpected()),
        };
        self.blank();
        Ok(expr)
    }
}

/// The integer value of an expression. `variable` gives the integer of a variable.
pub(super) fn evaluate(
    expr: &Expr,
    index: Option<i64>,
    variable: &mut impl FnMut(&str) -> Result<i64, EvalError>,
) -> Result<i64, EvalError> {
    match expr {
        Expr::Int(value) => Ok(*value),
        Expr::Index => index.ok_or(EvalError::NoIndex),
        Expr::Var(name) => variable(name),
        Expr::Negate(inner) => evaluate(inner, index, variable)?.checked_neg().ok_or(EvalError::Overflow),
        Expr::Binary(operator, left, right) => {
            let left = evaluate(left, index, variable)?;
            let right = evaluate(right, index, variable)?;
            if right == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
                return Err(EvalError::DivisionByZero);
            }
            operator.apply(left, right).ok_or(EvalError::Overflow)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<i64, EvalError> {
        let parts = parse(text).unwrap();
        let [Part::Expr { expr, .. }] = parts.as_slice() else { panic!("{parts:?}") };
        evaluate(expr, Some(7), &mut |name| match name {
            "ten" => Ok(10),
            other => Err(EvalError::Unknown(other.to_owned())),
        })
    }

    #[test]
    fn arithmetic_has_precedence() {
        assert_eq!(value("${20000 + index}"), Ok(20007));
        assert_eq!(value("${1 + 2 * 3 - 4 / 2}"), Ok(5));
        assert_eq!(value("${(1+2)*3}"), Ok(9));
        assert_eq!(value("${ -index % 4 }"), Ok(-3));
        assert_eq!(value("${10 - 3 - 2}"), Ok(5));
        assert_eq!(value("${var.ten*var.ten}"), Ok(100));
        assert_eq!(value("${- -3}"), Ok(3));
    }

    #[test]
    fn what_has_no_value_says_why() {
        assert_eq!(value("${1/0}"), Err(EvalError::DivisionByZero));
        assert_eq!(value("${1%(index-7)}"), Err(EvalError::DivisionByZero));
        assert_eq!(value("${9223372036854775807 + 1}"), Err(EvalError::Overflow));
        assert_eq!(value("${var.x}"), Err(EvalError::Unknown("x".into())));
        let expr = Expr::Index;
        assert_eq!(evaluate(&expr, None, &mut |_| Ok(0)), Err(EvalError::NoIndex));
    }

    #[test]
    fn escapes_and_text_stay() {
        assert_eq!(parse("a $ b $x {}"), Ok(vec![Part::Text("a $ b $x {}".into())]));
        assert_eq!(parse("$${var.x}"), Ok(vec![Part::Text("${var.x}".into())]));
        assert_eq!(parse(""), Ok(vec![Part::Text(String::new())]));
        let parts = parse("web-${index}.$${x}").unwrap();
        assert_eq!(parts[0], Part::Text("web-".into()));
        assert_eq!(parts[1], Part::Expr { range: 4..12, expr: Expr::Index });
        assert_eq!(parts[2], Part::Text(".${x}".into()));
    }

    #[test]
    fn mistakes_have_a_place() {
        let range = |text: &str| parse(text).unwrap_err().range;
        assert_eq!(range("a${var.x"), 1..8);
        assert_eq!(range("${}"), 0..3);
        assert_eq!(range("${var.x +}"), 9..10);
        assert_eq!(range("${foo}"), 2..5);
        assert_eq!(range("${1 $ 2}"), 4..5);
        assert_eq!(range("${99999999999999999999}"), 2..22);
        assert_eq!(range("${(1}"), 4..5);
        assert!(parse(&format!("${{{}1}}", "(".repeat(1000))).is_err());
    }
}
