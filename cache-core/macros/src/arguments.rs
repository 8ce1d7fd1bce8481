//! The arguments of the attribute, parsed and checked as far as possible without the function.

use std::time::Duration;

use darling::ast::NestedMeta;
use darling::util::Flag;
use darling::{Error, FromMeta, Result};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit, Meta};

/// The arguments in `#[cached(…)]`.
#[derive(Debug, FromMeta)]
pub(crate) struct Arguments {
    pub(crate) max_capacity: Option<Expr>,
    pub(crate) ttl: Option<DurationArg>,
    pub(crate) tti: Option<DurationArg>,
    pub(crate) policy: Option<Policy>,
    pub(crate) weigher: Option<Expr>,
    pub(crate) skip: Option<Names>,
    pub(crate) clone: Option<Names>,
    pub(crate) key: Option<Key>,
    pub(crate) result: Flag,
    pub(crate) option: Flag,
    pub(crate) associated: Flag,
    pub(crate) name: Option<Ident>,
    pub(crate) runtime: Option<Runtime>,
}

/// The names of the fields above, for the error about an unknown argument.
const ARGUMENT_NAMES: &[&str] = &[
    "max_capacity",
    "ttl",
    "tti",
    "policy",
    "weigher",
    "skip",
    "clone",
    "key",
    "result",
    "option",
    "associated",
    "name",
    "runtime",
];

impl Arguments {
    /// Parses the arguments.
    ///
    /// # Errors
    /// All errors that do not depend on the function.
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self> {
        let metas = NestedMeta::parse_meta_list(tokens)?;
        let mut errors = Error::accumulator();
        for meta in &metas {
            errors.handle(check_name(meta));
        }
        errors.finish()?;
        Self::from_list(&metas)?.check_combinations()
    }

    /// Reports arguments that exclude each other.
    fn check_combinations(self) -> Result<Self> {
        if self.result.is_present() && self.option.is_present() {
            let message = "`result` and `option` exclude each other: a function returns either a \
                           `Result` or an `Option`";
            return Err(Error::custom(message).with_span(&self.option.span()));
        }
        if let (Some(skip), Some(Key::Names(key))) = (&self.skip, &self.key) {
            let message =
                "`skip(…)` and `key(…)` exclude each other: `key(…)` skips all other arguments";
            let span = skip.0.first().or(key.0.first()).map(Ident::span);
            return Err(Error::custom(message).with_span(&span.unwrap_or_else(Span::call_site)));
        }
        Ok(self)
    }
}

/// Reports an unknown argument.
fn check_name(meta: &NestedMeta) -> Result<()> {
    let (name, span) = match meta {
        NestedMeta::Meta(meta) => match meta.path().get_ident() {
            Some(name) if ARGUMENT_NAMES.contains(&name.to_string().as_str()) => return Ok(()),
            _ => (path_text(meta), meta.path().span()),
        },
        NestedMeta::Lit(literal) => ("a literal".to_owned(), literal.span()),
    };
    let message = format!(
        "`#[cached]` has no argument {name}; its arguments are {}",
        ARGUMENT_NAMES.join(", ")
    );
    Err(Error::custom(message).with_span(&span))
}

fn path_text(meta: &Meta) -> String {
    let segments = meta.path().segments.iter();
    let segments: Vec<_> = segments.map(|segment| segment.ident.to_string()).collect();
    format!("`{}`", segments.join("::"))
}

/// A time to live or to idle, as in `"60s"`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DurationArg(pub(crate) Duration);

const UNITS: &str = "ns, us, ms, s, m, h, d, as in \"60s\" or \"1h 30m\"";

impl FromMeta for DurationArg {
    fn from_string(value: &str) -> Result<Self> {
        let problem = match humantime::parse_duration(value) {
            Ok(Duration::ZERO) => "it must be longer than zero".to_owned(),
            Ok(duration) => return Ok(Self(duration)),
            Err(_) if value.trim().parse::<f64>().is_ok() => "the unit is missing".to_owned(),
            Err(error) => error.to_string(),
        };
        let message = format!("\"{value}\" is not a duration: {problem}. The units are {UNITS}");
        Err(Error::custom(message))
    }

    fn from_expr(expr: &Expr) -> Result<Self> {
        match expr {
            Expr::Lit(ExprLit { lit, .. }) => Self::from_value(lit),
            Expr::Group(group) => Self::from_expr(&group.expr),
            _ => Err(Self::not_quoted("this")),
        }
        .map_err(|error| error.with_span(expr))
    }

    fn from_value(value: &Lit) -> Result<Self> {
        match value {
            Lit::Str(text) => Self::from_string(&text.value()),
            Lit::Int(number) => Err(Self::not_quoted(number.token().to_string().as_str())),
            Lit::Float(number) => Err(Self::not_quoted(number.token().to_string().as_str())),
            _ => Err(Self::not_quoted("this")),
        }
        .map_err(|error| error.with_span(value))
    }
}

impl ToTokens for DurationArg {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (secs, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        tokens.extend(quote!(::core::time::Duration::new(#secs, #nanos)));
    }
}

impl DurationArg {
    fn not_quoted(value: &str) -> Error {
        let message = format!(
            "{value} is not a duration: write it in quotes, with a unit. The units are {UNITS}"
        );
        Error::custom(message)
    }
}

/// Which entry is evicted when the cache is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Lru,
    S3Fifo,
}

impl FromMeta for Policy {
    fn from_string(value: &str) -> Result<Self> {
        match value {
            "lru" => Ok(Self::Lru),
            "s3-fifo" => Ok(Self::S3Fifo),
            _ => {
                let message =
                    format!("unknown policy \"{value}\": the policies are \"lru\" and \"s3-fifo\"");
                Err(Error::custom(message))
            }
        }
    }
}

/// The runtime whose adapter provides the cache.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub(crate) name: String,
    pub(crate) span: Span,
}

impl FromMeta for Runtime {
    fn from_value(value: &Lit) -> Result<Self> {
        let name = String::from_value(value)?;
        let span = value.span();
        Ok(Self { name, span })
    }
}

/// Arguments of the function, by name.
#[derive(Debug)]
pub(crate) struct Names(pub(crate) Vec<Ident>);

impl FromMeta for Names {
    fn from_list(items: &[NestedMeta]) -> Result<Self> {
        let name = |item: &NestedMeta| match item {
            NestedMeta::Meta(Meta::Path(path)) if path.get_ident().is_some() => {
                Ok(path.get_ident().expect("the guard has checked it").clone())
            }
            other => {
                let message = "expected the name of an argument of the function";
                Err(Error::custom(message).with_span(other))
            }
        };
        items.iter().map(name).collect::<Result<_>>().map(Self)
    }
}

/// What the key is made of.
#[derive(Debug)]
pub(crate) enum Key {
    /// `key(a, b)`.
    Names(Names),
    /// `key = "expression"`, or the expression itself.
    Expression(Box<Expr>),
}

impl FromMeta for Key {
    fn from_list(items: &[NestedMeta]) -> Result<Self> {
        Names::from_list(items).map(Self::Names)
    }

    fn from_expr(expr: &Expr) -> Result<Self> {
        let expr = match expr {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => text.parse()?,
            other => other.clone(),
        };
        Ok(Self::Expression(Box::new(expr)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(tokens: TokenStream) -> Vec<String> {
        let error = Arguments::parse(tokens).expect_err("the arguments have errors");
        error.into_iter().map(|error| error.to_string()).collect()
    }

    #[test]
    fn durations_have_units() {
        for (text, millis) in [("60s", 60_000), ("1h 30m", 5_400_000), ("5ms", 5)] {
            let ttl = DurationArg::from_string(text).expect("the duration is valid");
            assert_eq!(ttl.0, Duration::from_millis(millis));
        }
        for text in ["60", "", "0s", "s", "60 parsecs", "-1s"] {
            let error = DurationArg::from_string(text).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{text}\"")), "{error}");
            assert!(error.contains("The units are ns, us, ms, s"), "{error}");
        }
    }

    #[test]
    fn every_unknown_argument_is_reported_with_the_known_ones() {
        let errors = errors(quote!(tll = "60s", refresh_after = "1s", ttl = "60s"));
        assert_eq!(errors.len(), 2);
        for name in ARGUMENT_NAMES {
            assert!(errors[0].contains(name), "{name} in {errors:?}");
        }
        assert!(errors[1].contains("`refresh_after`"));
    }

    #[test]
    fn every_name_in_the_error_is_an_argument() {
        for name in ARGUMENT_NAMES {
            let name = Ident::new(name, Span::call_site());
            // Most of them need a value, but no error is about the name.
            if let Err(error) = Arguments::parse(quote!(#name)) {
                assert!(!error.to_string().contains("Unknown"), "{name}: {error}");
            }
        }
    }

    #[test]
    fn arguments_that_repeat_or_exclude_each_other_are_reported_once() {
        assert_eq!(errors(quote!(ttl = "1s", ttl = "2s")).len(), 1);
        assert_eq!(errors(quote!(result, option)).len(), 1);
        assert_eq!(errors(quote!(skip(a), key(b))).len(), 1);
    }

    #[test]
    fn a_key_is_a_list_of_arguments_or_an_expression() {
        let parsed = |tokens| {
            Arguments::parse(tokens)
                .expect("the arguments are valid")
                .key
        };
        assert!(matches!(parsed(quote!(key(a, b))), Some(Key::Names(names)) if names.0.len() == 2));
        for tokens in [quote!(key = "(a, b.c)"), quote!(key = (a, b.c))] {
            assert!(matches!(parsed(tokens), Some(Key::Expression(_))));
        }
    }
}
