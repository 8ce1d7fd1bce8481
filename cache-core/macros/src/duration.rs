//! Durations in the arguments of the attribute.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Lit, LitStr, Result};

/// A duration, as in `"60s"`, or an expression of type `Duration`.
#[derive(Clone)]
pub(crate) enum DurationArg {
    Literal { text: LitStr, duration: Duration },
    Expression(Box<Expr>),
}

const UNITS: &str = "the units are ns, us, ms, s, m, h, d, as in \"60s\" or \"1h 30m\"";

impl DurationArg {
    /// # Errors
    /// If the expression is a literal that is not a duration.
    pub(crate) fn parse(expr: &Expr) -> Result<Self> {
        let literal = match expr {
            Expr::Lit(ExprLit { lit, .. }) => lit,
            Expr::Group(group) => return Self::parse(&group.expr),
            _ => return Ok(Self::Expression(Box::new(expr.clone()))),
        };
        let Lit::Str(text) = literal else {
            let message = format!(
                "{} is not a duration: write it in quotes, with a unit; {UNITS}",
                literal.to_token_stream()
            );
            return Err(Error::new_spanned(literal, message));
        };
        parse_text(text).map(|duration| Self::Literal {
            text: text.clone(),
            duration,
        })
    }

    /// The duration, unless it is an expression.
    pub(crate) const fn literal(&self) -> Option<Duration> {
        match self {
            Self::Literal { duration, .. } => Some(*duration),
            Self::Expression(_) => None,
        }
    }

    /// The argument as it is written, for an error.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Literal { text, .. } => format!("\"{}\"", text.value()),
            Self::Expression(expression) => {
                expression.to_token_stream().to_string().replace(' ', "")
            }
        }
    }

    /// Where the argument is written.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Literal { text, .. } => text.span(),
            Self::Expression(expression) => expression.span(),
        }
    }

    /// An error at the argument.
    pub(crate) fn error(&self, message: impl core::fmt::Display) -> Error {
        match self {
            Self::Literal { text, .. } => Error::new_spanned(text, message),
            Self::Expression(expression) => Error::new_spanned(expression, message),
        }
    }
}

fn parse_text(literal: &LitStr) -> Result<Duration> {
    let text = literal.value();
    let problem = match humantime::parse_duration(&text) {
        Ok(Duration::ZERO) => "it must be longer than zero".to_owned(),
        Ok(duration) => return Ok(duration),
        Err(_) if text.trim().parse::<f64>().is_ok() => format!("its unit is missing; {UNITS}"),
        Err(humantime::DurationError::UnknownUnit { unit, .. }) if !unit.is_empty() => {
            format!("`{unit}` is not a unit; {UNITS}")
        }
        Err(_) => format!("each number needs a unit; {UNITS}"),
    };
    let message = format!("\"{text}\" is not a duration: {problem}");
    Err(Error::new_spanned(literal, message))
}

impl ToTokens for DurationArg {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Literal { duration, .. } => {
                let (secs, nanos) = (duration.as_secs(), duration.subsec_nanos());
                quote!(::core::time::Duration::new(#secs, #nanos))
            }
            Self::Expression(expression) => expression.to_token_stream(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<DurationArg> {
        let literal = LitStr::new(text, proc_macro2::Span::call_site());
        DurationArg::parse(&syn::parse_quote!(#literal))
    }

    fn error_of(text: &str) -> String {
        parsed(text)
            .err()
            .expect("the text is no duration")
            .to_string()
    }

    #[test]
    fn durations_have_units() {
        for (text, millis) in [("60s", 60_000), ("1h 30m", 5_400_000), ("5ms", 5)] {
            let duration = parsed(text).expect("the duration is valid");
            assert_eq!(duration.literal(), Some(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn an_error_names_the_text_and_lists_the_units_once() {
        for text in ["60", "", "s", "60 parsecs", "-1s", "5S", "1h 30"] {
            let error = error_of(text);
            assert!(error.contains(&format!("\"{text}\"")), "{error}");
            assert_eq!(error.matches("ns, us, ms, s").count(), 1, "{error}");
            assert!(!error.contains("hours"), "{error}");
        }
        assert!(error_of("5S").contains("`S` is not a unit"));
    }

    #[test]
    fn zero_is_not_a_time_to_live() {
        let error = error_of("0s");
        assert_eq!(
            error,
            "\"0s\" is not a duration: it must be longer than zero"
        );
    }
}
