//! Which adapter's cache it is.

use darling::{Error, Result};
use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Ident;

use crate::arguments::Runtime;

/// What `runtime = "…"` may name, and the package that stands for it.
const ADAPTERS: &[(&str, &str)] = &[
    ("tokio", "cache-tokio"),
    ("async-std", "cache-async-std"),
    ("smol", "cache-smol"),
];

/// The path of the adapter.
///
/// # Errors
/// If none was chosen and not exactly one is depended on.
pub(crate) fn adapter(chosen: Option<&Runtime>) -> Result<TokenStream> {
    match chosen {
        Some(runtime) => named(runtime).map_err(|error| error.with_span(&runtime.span)),
        None => only(&depended_on()),
    }
}

fn named(runtime: &Runtime) -> Result<TokenStream> {
    let name = &*runtime.name;
    if let Some((_, package)) = ADAPTERS.iter().find(|(known, _)| *known == name) {
        return dependency(package).ok_or_else(|| {
            let message = format!(
                "runtime \"{name}\" is in `{package}`, which Cargo.toml does not depend on"
            );
            Error::custom(message)
        });
    }
    let path = syn::parse_str::<syn::Path>(name).ok();
    match path.filter(|path| path.segments.len() > 1 || path.leading_colon.is_some()) {
        Some(mut path) => {
            for segment in &mut path.segments {
                segment.ident.set_span(runtime.span);
            }
            Ok(path.into_token_stream())
        }
        None => {
            let message = format!(
                "there is no runtime \"{name}\": {}, or the path of an adapter, as in \
                 \"crate::adapter\"",
                known(|(name, _)| format!("\"{name}\""))
            );
            Err(Error::custom(message))
        }
    }
}

fn only(found: &[(&str, TokenStream)]) -> Result<TokenStream> {
    match found {
        [(_, path)] => Ok(path.clone()),
        [] => {
            let message = format!(
                "Cargo.toml depends on no adapter of the cache; `#[cached]` needs one of {}",
                known(|(_, package)| format!("`{package}`"))
            );
            Err(Error::custom(message))
        }
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let message = format!(
                "Cargo.toml depends on {}: say which one, as in `runtime = \"tokio\"`",
                names.join(" and ")
            );
            Err(Error::custom(message))
        }
    }
}

fn depended_on() -> Vec<(&'static str, TokenStream)> {
    let packages = ADAPTERS.iter().map(|(_, package)| *package);
    packages
        .filter_map(|package| Some((package, dependency(package)?)))
        .collect()
}

/// The path of a package that Cargo.toml depends on, by the name that it has there.
fn dependency(package: &str) -> Option<TokenStream> {
    let name = match crate_name(package).ok()? {
        FoundCrate::Name(name) => name,
        // Its own tests and examples see it from outside.
        FoundCrate::Itself => package.replace('-', "_"),
    };
    let name = Ident::new(&name, Span::call_site());
    Some(quote!(::#name))
}

fn known(show: impl Fn(&(&str, &str)) -> String) -> String {
    let shown: Vec<_> = ADAPTERS.iter().map(show).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(name: &str) -> String {
        let runtime = Runtime {
            name: name.to_owned(),
            span: Span::call_site(),
        };
        named(&runtime).expect_err("it has a mistake").to_string()
    }

    #[test]
    fn exactly_one_adapter_is_found() {
        let tokio = ("cache-tokio", quote!(::cache_tokio));
        let smol = ("cache-smol", quote!(::renamed));
        assert_eq!(
            only(std::slice::from_ref(&smol)).unwrap().to_string(),
            quote!(::renamed).to_string()
        );
        let none = only(&[]).unwrap_err().to_string();
        assert!(none.contains("`cache-tokio`, `cache-async-std`, `cache-smol`"));
        let two = only(&[tokio, smol]).unwrap_err().to_string();
        assert!(two.contains("`cache-tokio` and `cache-smol`"), "{two}");
    }

    #[test]
    fn a_runtime_is_a_name_or_a_path() {
        let error = error_of("tokyo");
        assert!(error.contains("\"tokyo\"") && error.contains("\"async-std\""));
        assert!(error_of("smol").contains("`cache-smol`"));
        let path = Runtime {
            name: "crate::adapter".to_owned(),
            span: Span::call_site(),
        };
        assert_eq!(
            named(&path).unwrap().to_string(),
            quote!(crate::adapter).to_string()
        );
    }
}
