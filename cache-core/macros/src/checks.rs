//! Checks of the function.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemFn, Result, ReturnType, Type};

use crate::arguments::Arguments;
use crate::borrows::{first_borrow, impl_trait};
use crate::parameter::{Parameter, Role};
use crate::tokens::mentions;

/// Reports a function that is const, unsafe or foreign, or that returns a future without `async`.
pub(crate) fn check_signature(item: &ItemFn, arguments: &Arguments) -> Result<()> {
    let sig = &item.sig;
    let refuse = |span, message: &str| Err(Error::new(span, message));
    if let (None, ReturnType::Type(_, ty)) = (&sig.asyncness, &sig.output)
        && mentions(ty.to_token_stream(), "Future")
    {
        let message = "a future cannot be cached: write `async fn`, and return the type of the \
                       future's output";
        return refuse(sig.fn_token.span(), message);
    }
    if let (None, Some(names)) = (&sig.asyncness, &arguments.clone)
        && let Some(name) = names.0.first()
    {
        let message = "`clone(…)` is for async functions: a load of this one runs in its caller, \
                       and may borrow";
        return refuse(name.span(), message);
    }
    if let Some(token) = &sig.constness {
        let message = "`#[cached]` is not for const functions: a cache is there at run time only";
        return refuse(token.span(), message);
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
    Err(Error::new_spanned(name, message))
}

/// Reports a `self` of which the attribute does not say whether it is part of the key.
pub(crate) fn check_receiver(parameters: &[Parameter], arguments: &Arguments) -> Result<()> {
    let Some(receiver) = parameters.first().filter(|found| found.is_receiver()) else {
        return Ok(());
    };
    if arguments.key.is_some() || receiver.role != Role::Part {
        return Ok(());
    }
    let parts = parameters.iter().filter(|found| found.role == Role::Part);
    let names = parts.flat_map(|part| &part.bound).map(ToString::to_string);
    let message = format!(
        "is `self` a part of the key? Write `skip(self)` if one cache serves all instances, or \
         `key({})` if each has entries of its own; then it must be `Clone + Eq + Hash`",
        names.collect::<Vec<_>>().join(", ")
    );
    Err(Error::new_spanned(&receiver.written, message))
}

/// Reports a type that has no name or borrows.
pub(crate) fn check_returned(returned: &Type) -> Result<()> {
    if let Some(span) = impl_trait(returned) {
        let message = "a cached value needs a type with a name, and `impl Trait` has none: return a \
                       type of your own, or an `Arc<dyn …>`";
        return Err(Error::new(span, message));
    }
    if let Some(span) = first_borrow(returned) {
        let message = "a cached value outlives the call: return an owned type, or an `Arc`";
        return Err(Error::new(span, message));
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
        let error =
            check_signature(&item, &Arguments::default()).expect_err("the function is unsafe");
        assert!(
            error
                .to_string()
                .contains("put it on a safe one that calls this")
        );
    }
}
