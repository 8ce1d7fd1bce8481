#![forbid(unsafe_code)]
// The examples need an adapter, which depends on this package: `tests/docs` runs them.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]

mod argument;
mod arguments;
mod borrows;
mod cfg;
mod checks;
mod companions;
mod duration;
mod errors;
mod expand;
mod freshness;
mod function;
mod generics;
mod key;
mod kind;
mod load;
mod names;
mod parameter;
mod settings;
mod tokens;

use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens};
use quote::{ToTokens, quote};
use syn::{Error, Result};

use arguments::Arguments;
use expand::Expansion;
use function::Function;

#[cfg_attr(not(doctest), doc = include_str!("cached.md"))]
#[doc(alias = "memoize")]
#[proc_macro_attribute]
pub fn cached_tokio(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_or_report(arguments, item, Some(quote!(::cache_tokio)))
}

#[cfg_attr(not(doctest), doc = include_str!("cached.md"))]
#[doc(alias = "memoize")]
#[proc_macro_attribute]
pub fn cached_async_std(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_or_report(arguments, item, Some(quote!(::cache_async_std)))
}

#[cfg_attr(not(doctest), doc = include_str!("cached.md"))]
#[doc(alias = "memoize")]
#[proc_macro_attribute]
pub fn cached_smol(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_or_report(arguments, item, Some(quote!(::cache_smol)))
}

/// `#[cached]` for an adapter that has no attribute of its own: `crate = path` names it.
///
/// The arguments are those of the adapters' attribute. The adapter needs the public names `Cache`
/// (with two type parameters), `CacheStats`, `EvictionPolicy` and `macro_support`; `cache-core` has
/// the last three.
#[proc_macro_attribute]
pub fn cached(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_or_report(arguments, item, None)
}

/// Expands the attribute of an adapter, or the general one.
fn expand_or_report(
    arguments: TokenStream,
    item: TokenStream,
    adapter: Option<Tokens>,
) -> TokenStream {
    let item = Tokens::from(item);
    let expanded = expand(arguments.into(), item.clone(), adapter).unwrap_or_else(|error| {
        // The function is kept, or each call of it would be reported as well.
        let mut tokens = error.into_compile_error();
        tokens.extend(item);
        tokens
    });
    expanded.into()
}

fn expand(arguments: Tokens, item: Tokens, adapter: Option<Tokens>) -> Result<Tokens> {
    let arguments = Arguments::parse(arguments)?;
    let chosen = arguments.krate.as_ref().map(ToTokens::to_token_stream);
    let adapter = chosen.or(adapter).ok_or_else(|| {
        let message = "this attribute belongs to no adapter: use the one of an adapter, as in \
                       `cache_tokio::cached`, or name the adapter, as in `crate = my_adapter`";
        Error::new(Span::call_site(), message)
    })?;
    let mut expanded = Tokens::new();
    for variant in cfg::variants(&function::item(item)?)? {
        let function = Function::parse(variant, &arguments)?;
        expanded.extend(Expansion::new(&function, &arguments, &adapter).tokens());
    }
    Ok(expanded)
}
