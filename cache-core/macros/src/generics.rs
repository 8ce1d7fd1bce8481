//! Generics and lifetimes, where the function's arguments are not at hand.

use proc_macro2::Ident;
use syn::visit::Visit;
use syn::visit_mut::VisitMut;
use syn::{GenericParam, Generics, Lifetime, WherePredicate};

/// The generics of a companion that takes no arguments.
pub(crate) fn without_lifetimes(generics: &Generics) -> Generics {
    let is_type = |parameter: &&GenericParam| !matches!(parameter, GenericParam::Lifetime(_));
    let mut kept = generics.clone();
    kept.params = generics.params.iter().filter(is_type).cloned().collect();
    if let Some(filter) = &mut kept.where_clause {
        let predicates = core::mem::take(&mut filter.predicates).into_iter();
        let predicates = predicates.filter(|predicate| !names_lifetime(predicate, generics));
        filter.predicates = predicates.collect();
    }
    kept
}

fn names_lifetime(predicate: &WherePredicate, generics: &Generics) -> bool {
    struct Finder<'a>(&'a Generics, bool);

    impl<'ast> Visit<'ast> for Finder<'_> {
        fn visit_lifetime(&mut self, found: &'ast Lifetime) {
            let mut lifetimes = self.0.lifetimes();
            self.1 |= lifetimes.any(|parameter| parameter.lifetime == *found);
        }
    }

    let mut finder = Finder(generics, false);
    finder.visit_where_predicate(predicate);
    finder.1
}

/// Takes the names from lifetimes, which mean nothing where the signature's generics are not.
pub(crate) struct Anonymous;

impl VisitMut for Anonymous {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "static" {
            lifetime.ident = Ident::new("_", lifetime.ident.span());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;
    use syn::parse_quote;

    #[test]
    fn lifetimes_of_the_function_are_left_out_of_companions_without_arguments() {
        let item: syn::ItemFn = parse_quote! {
            async fn f<'a, T: Copy>(a: &'a T) where 'a: 'a, T: Eq, for<'b> &'b T: Eq, &'a T: Eq {}
        };
        let kept = without_lifetimes(&item.sig.generics);
        let (generics, _, filter) = kept.split_for_impl();
        assert_eq!(
            quote!(#generics #filter).to_string(),
            "< T : Copy > where T : Eq , for < 'b > & 'b T : Eq"
        );
    }
}
