//! Which types borrow, as far as their tokens show: a macro cannot resolve names.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    BoundLifetimes, Generics, Lifetime, ParenthesizedGenericArguments, Path, TraitBound, Type,
    TypeBareFn, TypeImplTrait, TypeParamBound, TypeReference, WherePredicate,
};

/// The first reference or lifetime in a type that is not `'static`.
pub(crate) fn first_borrow(ty: &Type) -> Option<Span> {
    let mut finder = Finder::default();
    finder.visit_type(ty);
    finder.borrow
}

/// The first `impl Trait` in a type.
pub(crate) fn impl_trait(ty: &Type) -> Option<Span> {
    let mut finder = Finder::default();
    finder.visit_type(ty);
    finder.impl_trait
}

#[derive(Default)]
struct Finder {
    borrow: Option<Span>,
    impl_trait: Option<Span>,
    /// The lifetimes of the enclosing `for<…>`. A type that names one of them does not borrow.
    higher_ranked: Vec<Ident>,
}

impl Finder {
    /// Visits the part of the type that a `for<…>` applies to.
    fn visit_inside_for(
        &mut self,
        lifetimes: Option<&BoundLifetimes>,
        visit: impl FnOnce(&mut Self),
    ) {
        let before = self.higher_ranked.len();
        let declared = lifetimes.iter().flat_map(|lifetimes| &lifetimes.lifetimes);
        self.higher_ranked
            .extend(declared.filter_map(|declared| match declared {
                syn::GenericParam::Lifetime(declared) => Some(declared.lifetime.ident.clone()),
                _ => None,
            }));
        visit(self);
        self.higher_ranked.truncate(before);
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" && !self.higher_ranked.contains(&lifetime.ident) {
            self.borrow.get_or_insert(lifetime.span());
        }
    }

    fn visit_bound_lifetimes(&mut self, _: &'ast BoundLifetimes) {}

    fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
        self.visit_inside_for(bound.lifetimes.as_ref(), |finder| {
            visit::visit_trait_bound(finder, bound)
        });
    }

    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if reference.lifetime.is_none() {
            self.borrow.get_or_insert(reference.span());
        }
        visit::visit_type_reference(self, reference);
    }

    fn visit_type_impl_trait(&mut self, found: &'ast TypeImplTrait) {
        self.impl_trait.get_or_insert(found.span());
        visit::visit_type_impl_trait(self, found);
    }

    /// A pointer to a function that takes or returns references does not borrow.
    fn visit_type_bare_fn(&mut self, _: &'ast TypeBareFn) {}

    /// Nor does a closure that takes them, as in `dyn Fn(&str)`.
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
}

/// Traits that do not imply `'static`. A type parameter with no other bounds may stand for a type
/// that borrows. Other traits may imply `'static`, which a macro cannot see.
const TRAITS_OF_BORROWING_TYPES: &[&str] = &[
    "AsMut",
    "AsRef",
    "AsyncFn",
    "AsyncFnMut",
    "AsyncFnOnce",
    "Borrow",
    "BorrowMut",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Deref",
    "DerefMut",
    "Display",
    "DoubleEndedIterator",
    "Eq",
    "Error",
    "ExactSizeIterator",
    "Extend",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromIterator",
    "FromStr",
    "Future",
    "Hash",
    "Into",
    "IntoFuture",
    "IntoIterator",
    "Iterator",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Send",
    "Sized",
    "Sync",
    "ToOwned",
    "ToString",
    "TryFrom",
    "TryInto",
    "Unpin",
];

/// What the generics of a function imply about borrowing.
#[derive(Debug)]
pub(crate) struct BorrowInfo {
    /// The type parameters, and whether they may stand for a type that borrows.
    may_borrow: BTreeMap<Ident, bool>,
    /// The lifetimes of the function that no bound of a type names.
    unconstrained: Vec<Ident>,
}

impl BorrowInfo {
    pub(crate) fn new(generics: &Generics) -> Self {
        let mut all: BTreeMap<Ident, Vec<&TypeParamBound>> = BTreeMap::new();
        for parameter in generics.type_params() {
            let bounds = parameter.bounds.iter();
            all.entry(parameter.ident.clone())
                .or_default()
                .extend(bounds);
        }
        let filters = generics.where_clause.iter();
        for predicate in filters.flat_map(|filter| &filter.predicates) {
            let WherePredicate::Type(predicate) = predicate else {
                continue;
            };
            let Type::Path(path) = &predicate.bounded_ty else {
                continue;
            };
            let bounds = path.path.get_ident().and_then(|name| all.get_mut(name));
            if let Some(bounds) = bounds {
                bounds.extend(&predicate.bounds);
            }
        }
        let may_borrow = all.into_iter();
        let may_borrow = may_borrow.map(|(name, bounds)| (name, allow_borrowing(bounds)));
        let lifetimes = generics.lifetimes().map(|found| &found.lifetime);
        let unconstrained = lifetimes.filter(|lifetime| !is_in_bounds(generics, lifetime));
        Self {
            may_borrow: may_borrow.collect(),
            unconstrained: unconstrained
                .map(|lifetime| lifetime.ident.clone())
                .collect(),
        }
    }

    /// Whether a type may borrow because of a type parameter or an `impl Trait` in it.
    pub(crate) fn may_borrow(&self, ty: &Type) -> bool {
        struct Finder<'a>(&'a BorrowInfo, bool);

        impl<'ast> Visit<'ast> for Finder<'_> {
            fn visit_path(&mut self, path: &'ast Path) {
                self.1 |= path
                    .get_ident()
                    .is_some_and(|name| self.0.parameter_may_borrow(name));
                visit::visit_path(self, path);
            }

            fn visit_type_impl_trait(&mut self, found: &'ast TypeImplTrait) {
                self.1 |= allow_borrowing(&found.bounds);
                visit::visit_type_impl_trait(self, found);
            }

            fn visit_type_bare_fn(&mut self, _: &'ast TypeBareFn) {}

            fn visit_parenthesized_generic_arguments(
                &mut self,
                _: &'ast ParenthesizedGenericArguments,
            ) {
            }
        }

        let mut finder = Finder(self, false);
        finder.visit_type(ty);
        finder.1
    }

    /// Whether a bound of a type names the lifetime of a reference, or the `impl` declares it. Then
    /// a reference to a clone that the load owns cannot replace this one.
    pub(crate) fn is_constrained(&self, reference: &TypeReference) -> bool {
        let lifetime = reference.lifetime.as_ref().map(|found| &found.ident);
        lifetime.is_some_and(|found| found != "_" && !self.unconstrained.contains(found))
    }

    /// Whether a type parameter may stand for a type that borrows.
    pub(crate) fn parameter_may_borrow(&self, parameter: &Ident) -> bool {
        self.may_borrow.get(parameter) == Some(&true)
    }
}

/// Whether a bound of a type names this lifetime.
fn is_in_bounds(generics: &Generics, lifetime: &Lifetime) -> bool {
    struct Finder<'a>(&'a Lifetime, bool);

    impl<'ast> Visit<'ast> for Finder<'_> {
        fn visit_lifetime(&mut self, found: &'ast Lifetime) {
            self.1 |= found == self.0;
        }

        fn visit_lifetime_param(&mut self, _: &'ast syn::LifetimeParam) {}

        fn visit_predicate_lifetime(&mut self, _: &'ast syn::PredicateLifetime) {}
    }

    let mut finder = Finder(lifetime, false);
    finder.visit_generics(generics);
    finder.1
}

/// Whether a type with these bounds may borrow.
fn allow_borrowing<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> bool {
    let (mut names_lifetime, mut implies_none) = (false, true);
    for bound in bounds {
        match bound {
            TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static" => return false,
            TypeParamBound::Lifetime(_) => names_lifetime = true,
            TypeParamBound::Trait(found) => {
                let name = found.path.segments.last();
                let is_known = name.is_some_and(|name| {
                    TRAITS_OF_BORROWING_TYPES
                        .iter()
                        .any(|known| name.ident == known)
                });
                implies_none &= is_known;
            }
            _ => {}
        }
    }
    names_lifetime || implies_none
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::parse_quote;

    #[test]
    fn types_that_borrow_are_distinguished_from_types_that_own() {
        let borrowing: [Type; 6] = [
            parse_quote!(&str),
            parse_quote!(Option<&'static &u8>),
            parse_quote!(Cow<'_, str>),
            parse_quote!(Cow<'a, str>),
            parse_quote!(Box<dyn Fn(&str) + 'a>),
            parse_quote!(dyn for<'b> Load<'b, 'a>),
        ];
        for ty in borrowing {
            assert!(first_borrow(&ty).is_some(), "{}", ty.to_token_stream());
        }
        let owning: [Type; 8] = [
            parse_quote!(String),
            parse_quote!(&'static str),
            parse_quote!(Option<&'static [&'static str]>),
            parse_quote!(Cow<'static, str>),
            parse_quote!(fn(&str) -> &str),
            parse_quote!(for<'b> fn(&'b str)),
            parse_quote!(Box<dyn Fn(&str) -> usize + Send>),
            parse_quote!(Arc<dyn for<'b> Load<'b>>),
        ];
        for ty in owning {
            assert!(first_borrow(&ty).is_none(), "{}", ty.to_token_stream());
        }
    }

    #[test]
    fn a_type_parameter_may_borrow_unless_a_bound_may_imply_static() {
        let item: syn::ItemFn = parse_quote! {
            async fn f<'a, A, B: AsRef<str> + Send, C: 'a + Unknown, D: 'static, E: Clone, F: Unknown>()
            where
                E: 'static,
                A: std::fmt::Debug + ?Sized,
            {}
        };
        let info = BorrowInfo::new(&item.sig.generics);
        let may_borrow = |ty: Type| info.may_borrow(&ty);
        assert!(
            may_borrow(parse_quote!(A))
                && may_borrow(parse_quote!(B))
                && may_borrow(parse_quote!(C))
        );
        assert!(
            !may_borrow(parse_quote!(D))
                && !may_borrow(parse_quote!(E))
                && !may_borrow(parse_quote!(F))
        );
        assert!(
            may_borrow(parse_quote!(Vec<(u8, B)>)) && may_borrow(parse_quote!(impl Into<String>))
        );
        assert!(!may_borrow(parse_quote!(fn(B))) && !may_borrow(parse_quote!(Box<dyn Fn(B)>)));
        assert!(
            !may_borrow(parse_quote!(impl Fn() + 'static))
                && !may_borrow(parse_quote!(impl Unknown))
        );
    }

    #[test]
    fn a_reference_is_constrained_if_its_lifetime_is_named_elsewhere() {
        let item: syn::ItemFn = parse_quote! {
            async fn f<'a, 'b: 'a, 'c, T: Load<'c>, U>() where 'a: 'b, U: From<&'b str> {}
        };
        let info = BorrowInfo::new(&item.sig.generics);
        for (reference, is_constrained) in [
            (parse_quote!(&str), false),
            (parse_quote!(&'_ str), false),
            (parse_quote!(&'a str), false),
            (parse_quote!(&'b str), true),
            (parse_quote!(&'c str), true),
            (parse_quote!(&'of_the_impl str), true),
        ] {
            assert_eq!(
                info.is_constrained(&reference),
                is_constrained,
                "{}",
                reference.to_token_stream()
            );
        }
    }
}
