//! Checks of the function that do not depend on the arguments of the attribute.

use darling::{Error, Result};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, ItemFn, ReturnType, Type};

use crate::borrows::{first_borrow, impl_trait};
use crate::tokens::mentions;

/// Reports a function that is not a safe async function of Rust's own ABI.
pub(crate) fn check_signature(item: &ItemFn) -> Result<()> {
    let sig = &item.sig;
    let refuse = |span, message: &str| Err(Error::custom(message).with_span(&span));
    if sig.asyncness.is_none() {
        let message = match &sig.output {
            ReturnType::Type(_, ty) if mentions(ty.to_token_stream(), "Future") => {
                "`#[cached]` is for async functions: write `async fn`, and return the type of the \
                 future's output"
            }
            _ => "`#[cached]` is for async functions: this one is not `async`",
        };
        return refuse(sig.fn_token.span(), message);
    }
    if let Some(token) = &sig.unsafety {
        let message =
            "`#[cached]` is not for unsafe functions: put it on a safe one that calls this";
        return refuse(token.span(), message);
    }
    if let Some(abi) = &sig.abi {
        let message =
            "`#[cached]` is for functions of Rust's own ABI: put it on one that this calls";
        return refuse(abi.extern_token.span(), message);
    }
    Ok(())
}

/// Reports the name of a common type or crate: the companions are in a type of that name, which
/// would hide the other.
pub(crate) fn check_companion_name(name: &Ident) -> Result<()> {
    /// Names that would be hidden in the whole module of the function.
    const TAKEN: &[&str] = &[
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8",
        "u16", "u32", "u64", "u128", "usize", "alloc", "core", "std", "Box", "Option", "Result",
        "String", "Vec",
    ];
    let plain = name.unraw();
    if !TAKEN.iter().any(|taken| plain == taken) {
        return Ok(());
    }
    let message = format!(
        "the companions of this function are in a type of the same name, and a type named `{plain}` \
         hides the existing `{plain}`: choose another name, as in `name = {}_cache`",
        plain.to_string().to_lowercase()
    );
    Err(Error::custom(message).with_span(name))
}

/// Reports a type that has no name or borrows.
pub(crate) fn check_returned(returned: &Type) -> Result<()> {
    if let Some(span) = impl_trait(returned) {
        let message = "a cached value needs a type with a name, and `impl Trait` has none: return a \
                       type of your own, or an `Arc<dyn …>`";
        return Err(Error::custom(message).with_span(&span));
    }
    if let Some(span) = first_borrow(returned) {
        let message = "a cached value outlives the call: return an owned type, or an `Arc`";
        return Err(Error::custom(message).with_span(&span));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsafe_function_is_refused_with_an_alternative() {
        let signature = ["async ", "un", "safe fn f() {}"].concat();
        let item = syn::parse_str(&signature).expect("the signature is valid");
        let error = check_signature(&item).expect_err("the function is unsafe");
        assert!(
            error
                .to_string()
                .contains("put it on a safe one that calls this")
        );
    }
}
