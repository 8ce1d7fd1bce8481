//! Finds the adapter that provides the cache.

use darling::{Error, Result};
use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Ident;

use crate::arguments::Runtime;

/// The names for `runtime = "…"` and their packages.
const ADAPTERS: &[(&str, &str)] = &[
    ("tokio", "cache-tokio"),
    ("async-std", "cache-async-std"),
    ("smol", "cache-smol"),
];

/// The path of the adapter.
///
/// # Errors
/// If none was chosen and Cargo.toml does not depend on exactly one.
pub(crate) fn adapter(chosen: Option<&Runtime>) -> Result<TokenStream> {
    match chosen {
        Some(runtime) => adapter_by_name(runtime).map_err(|error| error.with_span(&runtime.span)),
        None => only_adapter(&adapters_in_manifest()),
    }
}

fn adapter_by_name(runtime: &Runtime) -> Result<TokenStream> {
    let name = &*runtime.name;
    if let Some((_, package)) = ADAPTERS.iter().find(|(known, _)| *known == name) {
        return dependency(package).ok_or_else(|| {
            let message = format!(
                "runtime \"{name}\" needs the package `{package}`, which is not in Cargo.toml"
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
                "unknown runtime \"{name}\": expected one of {}, or the path of an adapter, as in \
                 \"crate::adapter\"",
                list_adapters(|(name, _)| format!("\"{name}\""))
            );
            Err(Error::custom(message))
        }
    }
}

fn only_adapter(found: &[(&str, TokenStream)]) -> Result<TokenStream> {
    match found {
        [(_, path)] => Ok(path.clone()),
        [] => {
            let message = format!(
                "`#[cached]` needs an adapter of the cache in Cargo.toml: one of {}",
                list_adapters(|(_, package)| format!("`{package}`"))
            );
            Err(Error::custom(message))
        }
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let message = format!(
                "Cargo.toml has several adapters of the cache, {}: choose one, as in \
                 `runtime = \"tokio\"`",
                names.join(" and ")
            );
            Err(Error::custom(message))
        }
    }
}

fn adapters_in_manifest() -> Vec<(&'static str, TokenStream)> {
    let packages = ADAPTERS.iter().map(|(_, package)| *package);
    packages
        .filter_map(|package| Some((package, dependency(package)?)))
        .collect()
}

/// The path of a package that Cargo.toml depends on, by the name that it has there.
fn dependency(package: &str) -> Option<TokenStream> {
    let name = match crate_name(package).ok()? {
        FoundCrate::Name(name) => name,
        // Tests and examples of the package itself name it as its users do.
        FoundCrate::Itself => package.replace('-', "_"),
    };
    let name = Ident::new(&name, Span::call_site());
    Some(quote!(::#name))
}

fn list_adapters(show: impl Fn(&(&str, &str)) -> String) -> String {
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
        adapter_by_name(&runtime)
            .expect_err("the name is unknown")
            .to_string()
    }

    #[test]
    fn the_only_adapter_is_the_default() {
        let tokio = ("cache-tokio", quote!(::cache_tokio));
        let smol = ("cache-smol", quote!(::renamed));
        assert_eq!(
            only_adapter(std::slice::from_ref(&smol))
                .unwrap()
                .to_string(),
            quote!(::renamed).to_string()
        );
        let none = only_adapter(&[]).unwrap_err().to_string();
        assert!(none.contains("`cache-tokio`, `cache-async-std`, `cache-smol`"));
        let two = only_adapter(&[tokio, smol]).unwrap_err().to_string();
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
            adapter_by_name(&path).unwrap().to_string(),
            quote!(crate::adapter).to_string()
        );
    }
}
