//! Which part of the returned value is cached. A macro sees the name of the returned type, and not
//! what an alias stands for.

use quote::ToTokens;
use syn::{Error, GenericArgument, Ident, PathArguments, PathSegment, Result, Type};

use crate::arguments::Arguments;

/// Which part of the returned value is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All of it.
    Plain,
    /// The value in `Ok`.
    Result,
    /// The value in `Some`.
    Option,
    /// The value in `Ok(Some)`.
    ResultOption,
}

impl Kind {
    /// The kind that the returned type and the arguments `result` and `option` say.
    ///
    /// # Errors
    /// If an argument does not fit the type.
    pub(crate) fn of(returned: &Type, arguments: &Arguments) -> Result<Self> {
        let refuse = |span, message: String| Err(Error::new(span, message));
        let (is_result, is_option) = (is_named(returned, "Result"), is_named(returned, "Option"));
        let shown = returned.to_token_stream().to_string().replace(" ", "");
        if let Some(span) = arguments.result
            && (is_option || !may_be_alias(returned))
        {
            let message = format!(
                "`result` is for functions that return a `Result`, and this one returns `{shown}`"
            );
            return refuse(span, message);
        }
        if let Some(span) = arguments.option
            && !may_be_alias(returned)
        {
            let message = format!(
                "`option` is for functions that return an `Option`, and this one returns `{shown}`"
            );
            return refuse(span, message);
        }
        let kind = if is_result || arguments.result.is_some() {
            let ok = first_type_argument(returned);
            let is_option = ok.is_some_and(|ok| is_named(ok, "Option"));
            if is_option || arguments.option.is_some() {
                Self::ResultOption
            } else {
                Self::Result
            }
        } else if is_option || arguments.option.is_some() {
            Self::Option
        } else {
            Self::Plain
        };
        if let (Some(given), false) = (&arguments.cache_err, kind.has_errors()) {
            let message = format!(
                "`cache_err` is for functions that return a `Result`, and this one returns \
                 `{shown}`: if that is an alias of a `Result`, add `result`"
            );
            return refuse(given.span, message);
        }
        if let (Some(given), false) = (&arguments.cache_none, kind.has_none()) {
            let message = format!(
                "`cache_none` is for functions that return an `Option`, or one in a `Result`, and \
                 this one returns `{shown}`: if that contains an alias of an `Option`, add `option`"
            );
            return refuse(given.span, message);
        }
        Ok(kind)
    }

    /// Whether the function may return an `Err`.
    pub(crate) fn has_errors(self) -> bool {
        matches!(self, Self::Result | Self::ResultOption)
    }

    /// Whether the function may return a `None`.
    pub(crate) fn has_none(self) -> bool {
        matches!(self, Self::Option | Self::ResultOption)
    }
}

/// The last segment of the type's path, also if a macro has put the type in a group.
fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Paren(inner) => last_segment(&inner.elem),
        Type::Group(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

fn first_type_argument(ty: &Type) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &last_segment(ty)?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Whether a type may be an alias of another: it has a name, and is not a primitive type.
fn may_be_alias(ty: &Type) -> bool {
    let is_upper = |name: &Ident| {
        name.to_string()
            .starts_with(|first: char| !first.is_lowercase())
    };
    last_segment(ty).is_some_and(|segment| is_upper(&segment.ident)) || matches!(ty, Type::Macro(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;
    use syn::parse_quote;

    #[test]
    fn the_kind_is_read_from_the_type_and_the_arguments() {
        let none = || quote!();
        let cases: [(Type, _, _); 12] = [
            (parse_quote!(u64), none(), Kind::Plain),
            (parse_quote!(()), none(), Kind::Plain),
            (parse_quote!(Vec<Option<u8>>), none(), Kind::Plain),
            (parse_quote!(Answer<Option<u8>>), none(), Kind::Plain),
            (parse_quote!(std::io::Result<u8>), none(), Kind::Result),
            (parse_quote!(Answer<u8>), quote!(result), Kind::Result),
            (parse_quote!(Option<Result<u8, E>>), none(), Kind::Option),
            (parse_quote!(Found), quote!(option), Kind::Option),
            (
                parse_quote!(Result<Option<u8>, E>),
                none(),
                Kind::ResultOption,
            ),
            (
                parse_quote!(Answer<std::option::Option<u8>>),
                quote!(result),
                Kind::ResultOption,
            ),
            (
                parse_quote!(Result<Found, E>),
                quote!(option),
                Kind::ResultOption,
            ),
            (
                parse_quote!(Answer<u8>),
                quote!(result, option),
                Kind::ResultOption,
            ),
        ];
        for (ty, arguments, expected) in cases {
            let arguments = Arguments::parse(arguments).expect("the arguments are valid");
            let kind = Kind::of(&ty, &arguments).expect("they fit the type");
            assert_eq!(kind, expected, "{}", ty.to_token_stream());
        }
    }

    #[test]
    fn an_argument_that_does_not_fit_the_type_is_refused() {
        let cases: [(Type, _, _); 6] = [
            (
                parse_quote!(Option<u8>),
                quote!(result),
                "returns `Option<u8>`",
            ),
            (parse_quote!((u8, u8)), quote!(result), "returns `(u8,u8)`"),
            (parse_quote!(u64), quote!(option), "returns `u64`"),
            (parse_quote!(Option<u8>), quote!(cache_err), "add `result`"),
            (
                parse_quote!(Result<u8, E>),
                quote!(cache_none),
                "add `option`",
            ),
            (
                parse_quote!(Answer),
                quote!(cache_err = "5s"),
                "add `result`",
            ),
        ];
        for (ty, arguments, expected) in cases {
            let arguments = Arguments::parse(arguments).expect("the arguments are valid");
            let error = Kind::of(&ty, &arguments).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
