//! One argument of the attribute, and what its value may be.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Lit, LitStr, Path, Result, Token, parenthesized, token};

use crate::arguments::{FORMS, Key, Names, Policy, Remember};
use crate::duration::DurationArg;

/// An argument as it is written.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    value: Value,
}

enum Value {
    /// `name`.
    Absent,
    /// `name = value`.
    Expression(Box<Expr>),
    /// `name(value)`.
    List(TokenStream),
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(Ident::peek_any) {
            let message = "expected the name of an argument, as in `ttl = \"60s\"`";
            return Err(input.error(message));
        }
        let name = Ident::parse_any(input)?;
        let value = if input.peek(token::Paren) {
            let list;
            parenthesized!(list in input);
            Value::List(list.parse()?)
        } else if input.parse::<Option<Token![=]>>()?.is_some() {
            Value::Expression(Box::new(input.parse()?))
        } else {
            Value::Absent
        };
        Ok(Self { name, value })
    }
}

impl Argument {
    pub(crate) fn flag(&self) -> Result<Span> {
        match self.value {
            Value::Absent => Ok(self.name.span()),
            _ => Err(self.other_form()),
        }
    }

    pub(crate) fn expression(&self) -> Result<Expr> {
        match &self.value {
            Value::Expression(expression) => Ok((**expression).clone()),
            _ => Err(self.other_form()),
        }
    }

    pub(crate) fn duration(&self) -> Result<DurationArg> {
        self.optional_duration()?.ok_or_else(|| self.other_form())
    }

    pub(crate) fn optional_duration(&self) -> Result<Option<DurationArg>> {
        match &self.value {
            Value::Absent => Ok(None),
            Value::Expression(expression) => DurationArg::parse(expression).map(Some),
            Value::List(_) => Err(self.other_form()),
        }
    }

    /// A percentage of at most 50, or an expression.
    pub(crate) fn percent(&self) -> Result<Expr> {
        let expression = self.expression()?;
        let Expr::Lit(literal) = ungrouped(&expression) else {
            return Ok(expression);
        };
        let percent = match &literal.lit {
            Lit::Int(number) => number.base10_parse::<u8>().ok(),
            _ => None,
        };
        if percent.is_some_and(|percent| percent <= 50) {
            return Ok(expression);
        }
        let message = format!(
            "`{}` is {}, but it must be a percentage of at most 50",
            self.name,
            literal.to_token_stream()
        );
        Err(Error::new_spanned(literal, message))
    }

    pub(crate) fn remember(&self) -> Result<Remember> {
        Ok(Remember {
            span: self.name.span(),
            duration: self.optional_duration()?,
        })
    }

    pub(crate) fn policy(&self) -> Result<Policy> {
        let expression = self.expression()?;
        let text = string(&expression).ok_or_else(|| self.other_form())?;
        match &*text.value() {
            "lru" => Ok(Policy::Lru),
            "s3-fifo" => Ok(Policy::S3Fifo),
            other => {
                let message =
                    format!("unknown policy \"{other}\": the policies are \"lru\" and \"s3-fifo\"");
                Err(Error::new_spanned(text, message))
            }
        }
    }

    pub(crate) fn names(&self) -> Result<Names> {
        let Value::List(list) = &self.value else {
            return Err(self.other_form());
        };
        let name = |input: ParseStream<'_>| {
            if !input.peek(Ident::peek_any) {
                return Err(input.error("expected the name of an argument of the function"));
            }
            Ident::parse_any(input)
        };
        let names = |input: ParseStream<'_>| {
            Punctuated::<Ident, Token![,]>::parse_terminated_with(input, name)
        };
        Ok(Names(names.parse2(list.clone())?.into_iter().collect()))
    }

    pub(crate) fn key(&self) -> Result<Key> {
        let expression = match &self.value {
            Value::Absent => return Err(self.other_form()),
            Value::List(_) => return self.names().map(Key::Names),
            Value::Expression(expression) => expression,
        };
        let expression = match string(expression) {
            Some(text) => text.parse()?,
            None => expression.clone(),
        };
        Ok(Key::Expression(expression))
    }

    pub(crate) fn ident(&self) -> Result<Ident> {
        let path = self.path()?;
        path.get_ident().cloned().ok_or_else(|| self.other_form())
    }

    pub(crate) fn path(&self) -> Result<Path> {
        let expression = self.expression()?;
        match ungrouped(&expression) {
            Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
            other => {
                let text = string(other).ok_or_else(|| self.other_form())?;
                text.parse_with(Path::parse_mod_style)
            }
        }
    }

    /// The error about an argument that is not written as it should be.
    fn other_form(&self) -> Error {
        let form = FORMS.iter().find(|(name, _)| self.name == name);
        let form = form.expect("unknown arguments are reported before").1;
        let message = format!("`{}` is written as `{form}`", self.name);
        Error::new_spanned(&self.name, message)
    }
}

/// A string. The names in it mean what they mean where the attribute is, also if a macro got the
/// string from its caller.
fn string(expression: &Expr) -> Option<LitStr> {
    match ungrouped(expression) {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => {
            let mut text = text.clone();
            text.set_span(text.span().resolved_at(Span::call_site()));
            Some(text)
        }
        _ => None,
    }
}

/// The expression, also if a macro has put it in a group.
fn ungrouped(expression: &Expr) -> &Expr {
    match expression {
        Expr::Group(group) => ungrouped(&group.expr),
        other => other,
    }
}

/// What other caches call the arguments.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("capacity", "max_capacity"),
    ("maxsize", "max_capacity"),
    ("max_size", "max_capacity"),
    ("size", "max_capacity"),
    ("time", "ttl"),
    ("time_to_live", "ttl"),
    ("ttl_millis", "ttl"),
    ("ttl_secs", "ttl"),
    ("time_to_idle", "tti"),
    ("jitter", "ttl_jitter"),
    ("refresh_ahead", "refresh_after"),
    ("swr", "stale_while_revalidate"),
    ("result_fallback", "stale_if_error"),
    ("soft_timeout", "stale_if_slow"),
    ("eviction_policy", "policy"),
    ("weighter", "weigher"),
    ("convert", "key"),
    ("skip_args", "skip"),
    ("error_ttl", "cache_err"),
    ("negative_ttl", "cache_none"),
    ("runtime", "crate"),
];

/// The error about an argument that the attribute does not have.
pub(crate) fn unknown(name: &Ident) -> Error {
    let given = name.to_string();
    let known = FORMS.iter().map(|(known, _)| *known);
    let meant = OTHER_NAMES
        .iter()
        .find(|(other, _)| *other == given)
        .map(|(_, known)| *known)
        .or_else(|| {
            let nearest = known.clone().min_by_key(|known| distance(known, &given))?;
            (distance(nearest, &given) <= given.len() / 3).then_some(nearest)
        });
    let help = match meant {
        Some(meant) => format!(": did you mean `{meant}`?"),
        None => format!(
            "; its arguments are {}",
            known.collect::<Vec<_>>().join(", ")
        ),
    };
    let message = format!("`#[cached]` has no argument `{given}`{help}");
    Error::new_spanned(name, message)
}

/// How many letters must be inserted, removed or replaced to make `a` from `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_letters() {
        for (a, b, expected) in [
            ("ttl", "tll", 1),
            ("key", "keys", 1),
            ("", "abc", 3),
            ("a", "a", 0),
        ] {
            assert_eq!(
                (distance(a, b), distance(b, a)),
                (expected, expected),
                "{a} {b}"
            );
        }
    }

    #[test]
    fn every_other_name_leads_to_an_argument() {
        for (other, known) in OTHER_NAMES {
            assert!(FORMS.iter().all(|(name, _)| name != other), "{other}");
            assert!(FORMS.iter().any(|(name, _)| name == known), "{known}");
        }
    }
}
