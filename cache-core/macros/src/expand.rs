//! The expansion of a function.
//!
//! For `async fn product(id: u64) -> Product { … }`, shortened:
//!
//! ```text
//! async fn product(id: u64) -> Product {
//!     match Product::look_up(product::cache(), Args(part(&id)), false) {
//!         Ok(hit) => hit,
//!         Err(missed) => missed.load(move || product::__load(id)).await,
//!     }
//! }
//!
//! enum product {} // a type may have the name of a function, and an `impl` sees what is around it
//!
//! impl product {
//!     fn cache() -> &'static Cache<u64, Product> {
//!         static CACHES: Caches = Caches::new();
//!         CACHES.of::<()>().get(|| Cache::builder().max_capacity(128).build())
//!     }
//!     fn invalidate(id: u64) { … }
//!     async fn refresh(id: u64) -> Product { … }
//!     fn clear() { … }
//!     fn stats() -> CacheStats { … }
//!     async fn __load(id: u64) -> Product { … } // the user's function
//! }
//! ```
//!
//! An `impl` cannot contain a type. There the companions are functions beside the method.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Signature, parse_quote};

use crate::arguments::Arguments;
use crate::function::Function;
use crate::generics::{type_and_const_names, without_lifetimes};
use crate::kind::Kind;
use crate::load::relax_expect;
use crate::parameter::Parameter;

/// The inputs of an expansion. Other modules have methods for parts of its output.
pub(crate) struct Expansion<'a> {
    pub(crate) function: &'a Function,
    pub(crate) arguments: &'a Arguments,
    /// The path of the adapter.
    pub(crate) adapter: &'a TokenStream,
    /// The path of the code that the expansion calls.
    pub(crate) macro_support: TokenStream,
    /// The name of the companions' type, or the prefix of their names.
    pub(crate) name: Ident,
}

impl<'a> Expansion<'a> {
    pub(crate) fn new(
        function: &'a Function,
        arguments: &'a Arguments,
        adapter: &'a TokenStream,
    ) -> Self {
        let given = arguments.name.as_ref();
        Self {
            function,
            arguments,
            adapter,
            macro_support: quote!(#adapter::macro_support),
            name: given.unwrap_or(&function.item.sig.ident).clone(),
        }
    }

    /// The whole output.
    pub(crate) fn tokens(&self) -> TokenStream {
        let (caching, companions, load) = (self.caching(), self.companions(), self.load());
        let type_checks = self.type_checks();
        if self.function.is_associated {
            let place_check = self.place_check();
            return quote!(#place_check #type_checks #caching #(#companions)* #load);
        }
        let cfgs: Vec<_> = self.function.cfgs().collect();
        let (vis, name) = (&self.function.item.vis, &self.name);
        let doc = format!(
            "The cache of [`{}()`]: `invalidate`, `refresh`, `clear`, `stats`, `cache`.",
            self.function.item.sig.ident
        );
        quote! {
            #(#cfgs)*
            impl #name {
                #type_checks
                #(#companions)*
                #load
            }

            #caching

            #(#cfgs)*
            #[doc = #doc]
            #[allow(dead_code, missing_debug_implementations, non_camel_case_types, unnameable_types)]
            #vis enum #name {}
        }
    }

    /// A function whose bounds are those of the types. The compiler checks them before all else
    /// that needs them, so the first error says what a type of a key or of a value must have.
    fn type_checks(&self) -> TokenStream {
        let macro_support = &self.macro_support;
        let mut generics = without_lifetimes(&self.function.item.sig.generics);
        let filter = generics.make_where_clause();
        for parameter in self.function.parts() {
            let inner = parameter.inner();
            let span = span_at(inner.span());
            let bound = quote_spanned!(span=> #macro_support::KeyPart);
            filter.predicates.push(parse_quote!(#inner: #bound));
        }
        let (value, span) = (self.value(), span_at(self.function.returned.span()));
        let bound = quote_spanned!(span=> #macro_support::Value);
        filter.predicates.push(parse_quote!(#value: #bound));
        let (parameters, _, filter) = generics.split_for_impl();
        let (cfgs, name) = (self.function.cfgs(), self.companion_name("type_checks"));
        let name = format_ident!("__{name}");
        quote! {
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(dead_code, trivial_bounds, private_bounds)]
            #[allow(clippy::extra_unused_type_parameters, clippy::multiple_bound_locations)]
            fn #name #parameters() #filter {}
        }
    }

    /// The function that users call: it looks the key up and loads it on a miss.
    fn caching(&self) -> TokenStream {
        let item = &self.function.item;
        let attributes = item.attrs.iter().map(relax_expect);
        let (vis, signature) = (&item.vis, self.signature());
        let answer = self.answer(false);
        quote! {
            #(#attributes)*
            #vis #signature { #answer }
        }
    }

    /// An expression for the function's result: the cached one, unless the load `refreshes` it, or
    /// that of a load.
    pub(crate) fn answer(&self, refreshes: bool) -> TokenStream {
        let missed = local_ident("missed");
        let look_up = self.call_with_key("look_up", &quote!(, #refreshes));
        let load = self.load_on_miss(&missed);
        let hit = match self.function.kind {
            Kind::Plain => quote!(hit),
            Kind::Result => quote!(::core::result::Result::Ok(hit)),
            Kind::Option => quote!(::core::option::Option::Some(hit)),
            Kind::ResultOption => {
                quote!(::core::result::Result::Ok(::core::option::Option::Some(
                    hit
                )))
            }
        };
        quote! {
            match #look_up {
                ::core::result::Result::Ok(hit) => #hit,
                ::core::result::Result::Err(#missed) => #load,
            }
        }
    }

    /// The type of the cached values.
    pub(crate) fn value(&self) -> TokenStream {
        let (returned, macro_support) = (&self.function.returned, &self.macro_support);
        let span = span_at(returned.span());
        let kind = match self.function.kind {
            Kind::Plain => return returned.to_token_stream(),
            Kind::Result => "ReturnsResult",
            Kind::Option => "ReturnsOption",
            Kind::ResultOption => "ReturnsResultOption",
        };
        let kind = Ident::new(kind, span);
        quote_spanned!(span=> <#returned as #macro_support::#kind>::Value)
    }

    /// A constant that does not compile in the wrong place. In the `impl` of a trait, which cannot
    /// have companions, the error contains the name of the constant, which says what to do. If
    /// `Self` borrows, the error is about the type of the constant.
    fn place_check(&self) -> TokenStream {
        let (cfgs, macro_support) = (self.function.cfgs(), &self.macro_support);
        let span = span_at(self.function.item.sig.ident.span());
        let name = format_ident!(
            "__put_cached_on_an_inherent_method_and_call_it_from_the_trait_impl__{}",
            self.name.unraw(),
            span = span
        );
        let itself = self
            .function
            .has_cache_per_self
            .then(|| quote_spanned!(span=> Self));
        let itself = itself.unwrap_or_else(|| quote_spanned!(span=> ()));
        let constant = quote_spanned!(span=>
            const #name: ::core::option::Option<#macro_support::EachSelf<#itself>> =
                ::core::option::Option::None;
        );
        quote! {
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(dead_code, non_upper_case_globals)]
            #constant
        }
    }

    /// An expression for the cache.
    pub(crate) fn cache_call(&self) -> TokenStream {
        let cache = self.path(&self.companion_name("cache"));
        let span = span_at(self.function.returned.span());
        quote_spanned!(span=> #cache())
    }

    /// The path of a companion, with the type and const arguments of the function.
    pub(crate) fn path(&self, companion: &Ident) -> TokenStream {
        let types = type_and_const_names(&self.function.item.sig.generics);
        let types = (!types.is_empty()).then(|| quote!(::<#(#types),*>));
        let name = &self.name;
        if self.function.is_associated {
            quote!(Self::#companion #types)
        } else {
            quote!(#name::#companion #types)
        }
    }

    /// The function's signature, with plain names instead of patterns.
    pub(crate) fn signature(&self) -> Signature {
        let mut signature = self.function.item.sig.clone();
        let parameters = self.function.parameters.iter();
        signature.inputs = parameters.map(Parameter::declared).collect();
        signature
    }
}

/// A local variable that clashes with no name of the user.
pub(crate) fn local_ident(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A span for generated code. Errors point at `span`, but names resolve as in this macro.
pub(crate) fn span_at(span: Span) -> Span {
    span.resolved_at(Span::mixed_site())
}
