//! Generics and lifetimes in code that does not have the function's arguments.

use proc_macro2::Ident;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{GenericParam, Generics, Lifetime, TraitBound, TypeBareFn};

/// The generics of a companion without arguments: without lifetimes, and without the bounds that
/// name one.
pub(crate) fn without_lifetimes(generics: &Generics) -> Generics {
    let is_type = |parameter: &&GenericParam| !matches!(parameter, GenericParam::Lifetime(_));
    let mut kept = generics.clone();
    kept.params = generics.params.iter().filter(is_type).cloned().collect();
    for parameter in kept.type_params_mut() {
        let bounds = core::mem::take(&mut parameter.bounds).into_iter();
        parameter.bounds = bounds
            .filter(|bound| !names_lifetime(generics, |it| it.visit_type_param_bound(bound)))
            .collect();
    }
    if let Some(filter) = &mut kept.where_clause {
        let predicates = core::mem::take(&mut filter.predicates).into_iter();
        let predicates = predicates.filter(|predicate| {
            !names_lifetime(generics, |it| it.visit_where_predicate(predicate))
        });
        filter.predicates = predicates.collect();
    }
    kept
}

/// The names of the type and const parameters, in their order.
pub(crate) fn type_and_const_names(generics: &Generics) -> Vec<&Ident> {
    let names = generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        });
    names.collect()
}

fn names_lifetime(generics: &Generics, visit: impl FnOnce(&mut LifetimeFinder<'_>)) -> bool {
    let mut finder = LifetimeFinder(generics, false);
    visit(&mut finder);
    finder.1
}

struct LifetimeFinder<'a>(&'a Generics, bool);

impl<'ast> Visit<'ast> for LifetimeFinder<'_> {
    fn visit_lifetime(&mut self, found: &'ast Lifetime) {
        let mut lifetimes = self.0.lifetimes();
        self.1 |= lifetimes.any(|parameter| parameter.lifetime == *found);
    }
}

/// Replaces named lifetimes by `'_`, for code outside of the function's signature.
pub(crate) struct EraseLifetimes;

impl VisitMut for EraseLifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "static" {
            lifetime.ident = Ident::new("_", lifetime.ident.span());
        }
    }

    fn visit_type_bare_fn_mut(&mut self, function: &mut TypeBareFn) {
        if function.lifetimes.is_none() {
            visit_mut::visit_type_bare_fn_mut(self, function);
        }
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        if bound.lifetimes.is_none() {
            visit_mut::visit_trait_bound_mut(self, bound);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;
    use syn::parse_quote;

    #[test]
    fn companions_without_arguments_have_no_lifetimes() {
        let item: syn::ItemFn = parse_quote! {
            async fn f<'a, T: Copy + 'a + From<&'a str>>(a: &'a T) where 'a: 'a, T: Eq, for<'b> &'b T: Eq, &'a T: Eq {}
        };
        let kept = without_lifetimes(&item.sig.generics);
        let (generics, _, filter) = kept.split_for_impl();
        assert_eq!(
            quote!(#generics #filter).to_string(),
            "< T : Copy > where T : Eq , for < 'b > & 'b T : Eq"
        );
    }
}
