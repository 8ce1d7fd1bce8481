//! The arguments of the attribute, parsed and checked as far as possible without the function.

use proc_macro2::{Span, TokenStream};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, Path, Result, Token};

use crate::argument::{Argument, unknown};
use crate::duration::DurationArg;
use crate::errors::Errors;
use crate::freshness::Freshness;

/// The arguments in `#[cached(…)]`.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) max_capacity: Option<Expr>,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) tti: Option<DurationArg>,
    pub(crate) freshness: Freshness,
    pub(crate) policy: Option<Policy>,
    pub(crate) weigher: Option<Expr>,
    pub(crate) builder: Option<Expr>,
    pub(crate) skip: Option<Names>,
    pub(crate) key: Option<Key>,
    pub(crate) clone: Option<Names>,
    pub(crate) cache_err: Option<Remember>,
    pub(crate) cache_none: Option<Remember>,
    pub(crate) result: Option<Span>,
    pub(crate) option: Option<Span>,
    pub(crate) associated: Option<Span>,
    pub(crate) name: Option<Ident>,
    pub(crate) krate: Option<Path>,
}

/// The names of the arguments, and how each is written.
pub(crate) const FORMS: &[(&str, &str)] = &[
    ("max_capacity", "max_capacity = 1_000"),
    ("ttl", "ttl = \"60s\"` or `ttl"),
    ("tti", "tti = \"10m\""),
    ("refresh_after", "refresh_after = \"4m\""),
    ("stale_while_revalidate", "stale_while_revalidate = \"1m\""),
    ("stale_if_error", "stale_if_error = \"1h\""),
    ("stale_if_slow", "stale_if_slow = \"200ms\""),
    ("ttl_jitter", "ttl_jitter = 10"),
    ("policy", "policy = \"lru\"` or `policy = \"s3-fifo\""),
    ("weigher", "weigher = |key, value| …"),
    ("builder", "builder = |builder| builder.…"),
    ("skip", "skip(a, b)"),
    ("key", "key(a, b)` or `key = \"…\""),
    ("clone", "clone(a)"),
    ("cache_err", "cache_err` or `cache_err = \"5s\""),
    ("cache_none", "cache_none` or `cache_none = \"5s\""),
    ("result", "result"),
    ("option", "option"),
    ("associated", "associated"),
    ("name", "name = other_name"),
    ("crate", "crate = my_adapter"),
];

/// How long an entry lives.
pub(crate) enum Ttl {
    /// `ttl` without a duration: 60 seconds.
    Default,
    /// `ttl = …`.
    After(DurationArg),
}

/// How long a failure is remembered.
pub(crate) struct Remember {
    /// Where the argument is written.
    pub(crate) span: Span,
    /// The duration. Without it, a failure lives as long as a value.
    pub(crate) duration: Option<DurationArg>,
}

/// Which entry is evicted when the cache is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Lru,
    S3Fifo,
}

/// Arguments of the function, by name.
pub(crate) struct Names(pub(crate) Vec<Ident>);

/// What the key is made of.
pub(crate) enum Key {
    /// `key(a, b)`.
    Names(Names),
    /// `key = "expression"`, or the expression itself.
    Expression(Box<Expr>),
}

impl Arguments {
    /// Parses the arguments.
    ///
    /// # Errors
    /// All errors that do not depend on the function.
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self> {
        let given = Punctuated::<Argument, Token![,]>::parse_terminated.parse2(tokens)?;
        let (mut arguments, mut errors) = (Self::default(), Errors::default());
        for (position, argument) in given.iter().enumerate() {
            let mut before = given.iter().take(position);
            if before.any(|other| other.name == argument.name) {
                let message = format!("`{}` is given twice", argument.name);
                errors.push(Error::new_spanned(&argument.name, message));
            } else {
                errors.take(arguments.set(argument));
            }
        }
        errors.take(arguments.check_combinations());
        errors.finish().map(|()| arguments)
    }

    fn set(&mut self, argument: &Argument) -> Result<()> {
        match &*argument.name.to_string() {
            "max_capacity" => self.max_capacity = Some(argument.expression()?),
            "ttl" => {
                let duration = argument.optional_duration()?;
                self.ttl = Some(duration.map_or(Ttl::Default, Ttl::After));
            }
            "tti" => self.tti = Some(argument.duration()?),
            "refresh_after" => self.freshness.refresh_after = Some(argument.duration()?),
            "stale_while_revalidate" => {
                self.freshness.stale_while_revalidate = Some(argument.duration()?);
            }
            "stale_if_error" => self.freshness.stale_if_error = Some(argument.duration()?),
            "stale_if_slow" => self.freshness.stale_if_slow = Some(argument.duration()?),
            "ttl_jitter" => self.freshness.ttl_jitter = Some(argument.percent()?),
            "policy" => self.policy = Some(argument.policy()?),
            "weigher" => self.weigher = Some(argument.expression()?),
            "builder" => self.builder = Some(argument.expression()?),
            "skip" => self.skip = Some(argument.names()?),
            "key" => self.key = Some(argument.key()?),
            "clone" => self.clone = Some(argument.names()?),
            "cache_err" => self.cache_err = Some(argument.remember()?),
            "cache_none" => self.cache_none = Some(argument.remember()?),
            "result" => self.result = Some(argument.flag()?),
            "option" => self.option = Some(argument.flag()?),
            "associated" => self.associated = Some(argument.flag()?),
            "name" => self.name = Some(argument.ident()?),
            "crate" => self.krate = Some(argument.path()?),
            _ => return Err(unknown(&argument.name)),
        }
        Ok(())
    }

    /// Reports arguments that exclude each other.
    fn check_combinations(&self) -> Result<()> {
        if let (Some(skip), Some(Key::Names(key))) = (&self.skip, &self.key) {
            let message =
                "`skip(…)` and `key(…)` exclude each other: `key(…)` skips all other arguments";
            let span = skip.0.first().or(key.0.first()).map(Ident::span);
            return Err(Error::new(span.unwrap_or_else(Span::call_site), message));
        }
        self.freshness
            .check(self.ttl.as_ref(), self.builder.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn errors(tokens: TokenStream) -> Vec<String> {
        let error = Arguments::parse(tokens)
            .err()
            .expect("the arguments have errors");
        error.into_iter().map(|error| error.to_string()).collect()
    }

    #[test]
    fn an_unknown_argument_is_reported_with_the_nearest_one_or_with_all() {
        let errors = errors(quote!(tll = "60s", frequency = "1s", ttl = "60s"));
        assert_eq!(errors.len(), 2);
        assert!(errors[0].ends_with("`#[cached]` has no argument `tll`: did you mean `ttl`?"));
        for (name, _) in FORMS {
            assert!(errors[1].contains(name), "{name} in {errors:?}");
        }
    }

    #[test]
    fn windows_that_cannot_work_are_reported_at_the_value() {
        let cases = [
            (
                quote!(ttl, refresh_after = "60s"),
                "`refresh_after` is \"60s\", but it must be shorter than the ttl of 60s",
            ),
            (
                quote!(tti = "1m", stale_if_error = "1h"),
                "`stale_if_error` is \"1h\", but it counts from the end of a `ttl`, and there is none",
            ),
            (
                quote!(ttl, ttl_jitter = 51),
                "`ttl_jitter` is 51, but it must be a percentage of at most 50",
            ),
        ];
        for (tokens, expected) in cases {
            assert_eq!(errors(tokens), [expected]);
        }
        for tokens in [
            quote!(
                ttl,
                refresh_after = "59s",
                stale_if_error = "1h",
                ttl_jitter = 50
            ),
            quote!(refresh_after = "1h"),
            quote!(ttl = LIFE, refresh_after = "1h", ttl_jitter = SPREAD),
            quote!(
                stale_while_revalidate = "1s",
                builder = |b| b.expire_after(Hook)
            ),
        ] {
            assert!(Arguments::parse(tokens).is_ok());
        }
    }

    #[test]
    fn every_name_in_the_error_is_an_argument() {
        for (name, _) in FORMS {
            let name: TokenStream = name.parse().expect("the name is a token");
            // Most of them need a value, but no error is about the name.
            if let Err(error) = Arguments::parse(quote!(#name)) {
                assert!(
                    error.to_string().contains("is written as"),
                    "{name}: {error}"
                );
            }
        }
    }

    #[test]
    fn an_argument_in_another_form_is_reported_with_its_own() {
        let errors = errors(quote!(ttl(60), result = true, skip = "a", max_capacity));
        let expected = [
            "`ttl` is written as `ttl = \"60s\"` or `ttl`",
            "`result` is written as `result`",
            "`skip` is written as `skip(a, b)`",
            "`max_capacity` is written as `max_capacity = 1_000`",
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn arguments_that_repeat_or_exclude_each_other_are_reported_once() {
        assert_eq!(
            errors(quote!(ttl = "1s", ttl = "2s")),
            ["`ttl` is given twice"]
        );
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

    #[test]
    fn a_crate_is_a_path_with_or_without_quotes() {
        for tokens in [
            quote!(crate = crate::adapter),
            quote!(crate = "crate::adapter"),
        ] {
            let path = Arguments::parse(tokens).expect("the path is valid").krate;
            assert_eq!(quote!(#path).to_string(), "crate :: adapter");
        }
    }
}
