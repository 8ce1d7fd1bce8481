//! What of a type borrows, as far as one can see that from how it is written.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    BoundLifetimes, Generics, Lifetime, ParenthesizedGenericArguments, Path, TraitBound, Type,
    TypeBareFn, TypeImplTrait, TypeParamBound, TypeReference, WherePredicate,
};

/// Where a type borrows.
pub(crate) fn first_borrow(ty: &Type) -> Option<Span> {
    let mut finder = Finder::default();
    finder.visit_type(ty);
    finder.borrow
}

/// Where a type is `impl Trait`.
pub(crate) fn impl_trait(ty: &Type) -> Option<Span> {
    let mut finder = Finder::default();
    finder.visit_type(ty);
    finder.impl_trait
}

#[derive(Default)]
struct Finder {
    borrow: Option<Span>,
    impl_trait: Option<Span>,
    /// The lifetimes of the `for<…>` around: they are no borrows.
    bound: Vec<Ident>,
}

impl Finder {
    fn within(&mut self, lifetimes: Option<&BoundLifetimes>, visit: impl FnOnce(&mut Self)) {
        let before = self.bound.len();
        let declared = lifetimes.iter().flat_map(|lifetimes| &lifetimes.lifetimes);
        self.bound
            .extend(declared.filter_map(|declared| match declared {
                syn::GenericParam::Lifetime(declared) => Some(declared.lifetime.ident.clone()),
                _ => None,
            }));
        visit(self);
        self.bound.truncate(before);
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" && !self.bound.contains(&lifetime.ident) {
            self.borrow.get_or_insert(lifetime.span());
        }
    }

    fn visit_bound_lifetimes(&mut self, _: &'ast BoundLifetimes) {}

    fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
        self.within(bound.lifetimes.as_ref(), |finder| {
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

    /// A function that takes a reference holds none.
    fn visit_type_bare_fn(&mut self, _: &'ast TypeBareFn) {}

    /// Nor does a closure, as in `dyn Fn(&str)`.
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
}

/// Traits that types with a lifetime have, too. A type parameter that has no other bounds is not
/// `'static`; what other traits imply cannot be seen.
const OF_SHORT: &[&str] = &[
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

/// What the generics of a function say of how long things live.
#[derive(Debug)]
pub(crate) struct Lives {
    /// The type parameters, and whether they may stand for a type that borrows.
    is_short: BTreeMap<Ident, bool>,
    /// The lifetimes of the function of which its types know nothing.
    free: Vec<Ident>,
}

impl Lives {
    pub(crate) fn of(generics: &Generics) -> Self {
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
        let is_short = all.into_iter();
        let is_short = is_short.map(|(name, bounds)| (name, are_short(bounds)));
        let lifetimes = generics.lifetimes().map(|found| &found.lifetime);
        let free = lifetimes.filter(|lifetime| !bounds_name(generics, lifetime));
        Self {
            is_short: is_short.collect(),
            free: free.map(|lifetime| lifetime.ident.clone()).collect(),
        }
    }

    /// Whether a type may borrow because of a parameter in it.
    pub(crate) fn is_short(&self, ty: &Type) -> bool {
        struct Finder<'a>(&'a Lives, bool);

        impl<'ast> Visit<'ast> for Finder<'_> {
            fn visit_path(&mut self, path: &'ast Path) {
                self.1 |= path.get_ident().is_some_and(|name| self.0.has(name));
                visit::visit_path(self, path);
            }

            fn visit_type_impl_trait(&mut self, found: &'ast TypeImplTrait) {
                self.1 |= are_short(&found.bounds);
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

    /// Whether a reference must live as long as something else names: then nothing that the load
    /// owns can take its place.
    pub(crate) fn is_tied(&self, reference: &TypeReference) -> bool {
        let lifetime = reference.lifetime.as_ref().map(|found| &found.ident);
        lifetime.is_some_and(|found| found != "_" && !self.free.contains(found))
    }

    /// Whether a type parameter may stand for a type that borrows.
    pub(crate) fn has(&self, parameter: &Ident) -> bool {
        self.is_short.get(parameter) == Some(&true)
    }
}

/// Whether a bound of a type names a lifetime.
fn bounds_name(generics: &Generics, lifetime: &Lifetime) -> bool {
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

fn are_short<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> bool {
    let (mut names_lifetime, mut implies_none) = (false, true);
    for bound in bounds {
        match bound {
            TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static" => return false,
            TypeParamBound::Lifetime(_) => names_lifetime = true,
            TypeParamBound::Trait(found) => {
                let name = found.path.segments.last();
                let is_known = name.is_some_and(|name| OF_SHORT.iter().any(|of| name.ident == of));
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
    fn what_borrows_is_seen() {
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
    fn a_type_parameter_may_borrow_unless_a_bound_may_say_that_it_does_not() {
        let item: syn::ItemFn = parse_quote! {
            async fn f<'a, A, B: AsRef<str> + Send, C: 'a + Unknown, D: 'static, E: Clone, F: Unknown>()
            where
                E: 'static,
                A: std::fmt::Debug + ?Sized,
            {}
        };
        let lives = Lives::of(&item.sig.generics);
        let short = |ty: Type| lives.is_short(&ty);
        assert!(short(parse_quote!(A)) && short(parse_quote!(B)) && short(parse_quote!(C)));
        assert!(!short(parse_quote!(D)) && !short(parse_quote!(E)) && !short(parse_quote!(F)));
        assert!(short(parse_quote!(Vec<(u8, B)>)) && short(parse_quote!(impl Into<String>)));
        assert!(!short(parse_quote!(fn(B))) && !short(parse_quote!(Box<dyn Fn(B)>)));
        assert!(!short(parse_quote!(impl Fn() + 'static)) && !short(parse_quote!(impl Unknown)));
    }

    #[test]
    fn a_reference_is_tied_to_a_lifetime_that_is_named_elsewhere() {
        let item: syn::ItemFn = parse_quote! {
            async fn f<'a, 'b: 'a, 'c, T: Load<'c>, U>() where 'a: 'b, U: From<&'b str> {}
        };
        let lives = Lives::of(&item.sig.generics);
        for (reference, is_tied) in [
            (parse_quote!(&str), false),
            (parse_quote!(&'_ str), false),
            (parse_quote!(&'a str), false),
            (parse_quote!(&'b str), true),
            (parse_quote!(&'c str), true),
            (parse_quote!(&'of_the_impl str), true),
        ] {
            assert_eq!(
                lives.is_tied(&reference),
                is_tied,
                "{}",
                reference.to_token_stream()
            );
        }
    }
}
