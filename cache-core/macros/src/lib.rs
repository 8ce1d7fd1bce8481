#![forbid(unsafe_code)]
// The examples need an adapter, which depends on this package: `tests/docs` runs them.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]

mod arguments;
mod borrows;
mod cfg;
mod checks;
mod companions;
mod expand;
mod function;
mod generics;
mod key;
mod load;
mod names;
mod parameter;
mod runtime;
mod tokens;

use darling::Result;
use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;

use arguments::Arguments;
use expand::Expansion;
use function::Function;

#[cfg_attr(not(doctest), doc = include_str!("cached.md"))]
#[proc_macro_attribute]
pub fn cached(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    let expanded = expand(arguments.into(), item.clone()).unwrap_or_else(|error| {
        // The function is kept, or each call of it would be reported as well.
        let mut tokens = error.write_errors();
        tokens.extend(item);
        tokens
    });
    expanded.into()
}

fn expand(arguments: Tokens, item: Tokens) -> Result<Tokens> {
    let arguments = Arguments::parse(arguments)?;
    let adapter = runtime::adapter(arguments.runtime.as_ref())?;
    let mut expanded = Tokens::new();
    for variant in cfg::variants(&function::item(item)?)? {
        let function = Function::parse(variant, &arguments)?;
        expanded.extend(Expansion::new(&function, &arguments, &adapter).tokens());
    }
    Ok(expanded)
}
