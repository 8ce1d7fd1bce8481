//! Parameters with a `#[cfg]`.
//!
//! In the expansion a parameter becomes a part of a type, a tuple or a call, and not all of these
//! accept a `#[cfg]`. So the function is expanded once with the parameter and once without it, and
//! the compiler keeps one of the two.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Error, FnArg, Ident, ItemFn, Meta, Result, parse_quote};

use crate::parameter::bound_names;

/// Each condition doubles the number of expansions.
const MAX_CONDITIONS: usize = 4;

/// The function on targets where some of the conditions hold and the others do not.
pub(crate) struct Variant {
    /// The function, which carries all conditions. Its parameters have none.
    pub(crate) item: ItemFn,
    /// The names that the left-out parameters bind.
    pub(crate) absent: Vec<Ident>,
}

/// Expands a function into variants with and without each of its conditional parameters.
///
/// # Errors
/// If there are too many conditions.
pub(crate) fn variants(item: &ItemFn) -> Result<Vec<Variant>> {
    let mut conditions: Vec<TokenStream> = Vec::new();
    for input in &item.sig.inputs {
        let Some(condition) = condition_of(input) else {
            continue;
        };
        let text = condition.to_string();
        if conditions.iter().any(|known| known.to_string() == text) {
            continue;
        }
        if conditions.len() == MAX_CONDITIONS {
            let message = format!(
                "the parameters of a cached function have at most {MAX_CONDITIONS} different \
                 `#[cfg(…)]`: group the conditional ones in a struct"
            );
            return Err(Error::new_spanned(input, message));
        }
        conditions.push(condition);
    }
    let masks = 0..1_u32 << conditions.len();
    Ok(masks
        .rev()
        .map(|mask| variant(item, &conditions, mask))
        .collect())
}

fn variant(item: &ItemFn, conditions: &[TokenStream], mask: u32) -> Variant {
    let mut item = item.clone();
    if conditions.is_empty() {
        let absent = Vec::new();
        return Variant { item, absent };
    }
    let holds = |position: usize| mask & (1 << position) != 0;
    let terms = conditions.iter().enumerate().map(|(position, condition)| {
        if holds(position) {
            condition.clone()
        } else {
            quote!(not(#condition))
        }
    });
    let terms: Vec<_> = terms.collect();
    let condition = all_of(&terms);
    item.attrs.insert(0, parse_quote!(#[cfg(#condition)]));
    let (mut kept, mut absent) = (syn::punctuated::Punctuated::new(), Vec::new());
    for mut input in item.sig.inputs {
        let text = condition_of(&input).map(|condition| condition.to_string());
        let mut known = conditions.iter().map(ToString::to_string);
        let position = text.and_then(|text| known.position(|known| known == text));
        if position.is_none_or(holds) {
            attributes(&mut input).retain(|attribute| !is_cfg(attribute));
            kept.push(input);
        } else {
            absent.extend(bound_names(&input));
        }
    }
    item.sig.inputs = kept;
    Variant { item, absent }
}

/// The conjunction of all `#[cfg(…)]` of a parameter.
fn condition_of(input: &FnArg) -> Option<TokenStream> {
    let attributes = match input {
        FnArg::Receiver(receiver) => &receiver.attrs,
        FnArg::Typed(typed) => &typed.attrs,
    };
    let cfgs = attributes.iter().filter(|attribute| is_cfg(attribute));
    let cfgs: Vec<_> = cfgs
        .filter_map(|attribute| match &attribute.meta {
            Meta::List(list) => Some(list.tokens.to_token_stream()),
            _ => None,
        })
        .collect();
    (!cfgs.is_empty()).then(|| all_of(&cfgs))
}

/// The conjunction of these conditions.
fn all_of(conditions: &[TokenStream]) -> TokenStream {
    match conditions {
        [one] => one.clone(),
        several => quote!(all(#(#several),*)),
    }
}

fn attributes(input: &mut FnArg) -> &mut Vec<Attribute> {
    match input {
        FnArg::Receiver(receiver) => &mut receiver.attrs,
        FnArg::Typed(typed) => &mut typed.attrs,
    }
}

pub(crate) fn is_cfg(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variants_of(item: &ItemFn) -> Vec<(String, Vec<String>)> {
        let variants = variants(item).expect("there are at most four conditions");
        let shown = variants.into_iter().map(|variant| {
            let (attrs, inputs) = (&variant.item.attrs, &variant.item.sig.inputs);
            let item = quote!(#(#attrs)* (#inputs)).to_string();
            let absent = variant.absent.iter().map(ToString::to_string).collect();
            (item, absent)
        });
        shown.collect()
    }

    #[test]
    fn a_function_without_conditions_has_one_variant() {
        let item = parse_quote!(
            #[must_use]
            async fn f(#[allow(unused)] a: u8) {}
        );
        let only = (
            "# [must_use] (# [allow (unused)] a : u8)".to_owned(),
            vec![],
        );
        assert_eq!(variants_of(&item), [only]);
    }

    #[test]
    fn there_is_a_variant_for_each_combination_of_conditions() {
        let item = parse_quote! {
            async fn f(#[cfg(a)] x: u8, y: u8, #[cfg(b)] P(z): P, #[cfg(a)] w: u8) {}
        };
        let expected = [
            (
                "# [cfg (all (a , b))] (x : u8 , y : u8 , P (z) : P , w : u8)",
                vec![],
            ),
            (
                "# [cfg (all (not (a) , b))] (y : u8 , P (z) : P)",
                vec!["x", "w"],
            ),
            (
                "# [cfg (all (a , not (b)))] (x : u8 , y : u8 , w : u8)",
                vec!["z"],
            ),
            (
                "# [cfg (all (not (a) , not (b)))] (y : u8)",
                vec!["x", "z", "w"],
            ),
        ];
        let expected = expected.map(|(item, absent)| {
            let absent: Vec<_> = absent.into_iter().map(str::to_owned).collect();
            (item.to_owned(), absent)
        });
        assert_eq!(variants_of(&item), expected);
    }

    #[test]
    fn the_conditions_of_one_parameter_are_one_conjunction() {
        let item = parse_quote!(
            async fn f(
                #[cfg(a)]
                #[cfg(b)]
                x: u8,
            ) {
            }
        );
        let expected = [
            ("# [cfg (all (a , b))] (x : u8)".to_owned(), vec![]),
            (
                "# [cfg (not (all (a , b)))] ()".to_owned(),
                vec!["x".to_owned()],
            ),
        ];
        assert_eq!(variants_of(&item), expected);
    }
}
