//! What the attribute makes of a function.
//!
//! For `async fn product(id: u64) -> Product { … }`, shortened:
//!
//! ```text
//! async fn product(id: u64) -> Product {
//!     match look_up(product::cache(), Args(&id)) {
//!         Ok(hit) => hit,
//!         Err(missed) => missed.load(move || product::__load(id)).await,
//!     }
//! }
//!
//! enum product {}        // a type: it shares a name with the function, and sees what the function sees
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
//!     async fn __load(id: u64) -> Product { … }     // the function as it was written
//! }
//! ```
//!
//! In an `impl` there can be no type; there the companions are functions beside the method.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Signature, parse_quote};

use crate::arguments::{Arguments, Key, Policy};
use crate::function::{Function, Kind};
use crate::generics::{declarations, without_lifetimes};
use crate::load::lenient;
use crate::parameter::Parameter;

/// A function that is being expanded.
pub(crate) struct Expansion<'a> {
    pub(crate) function: &'a Function,
    pub(crate) arguments: &'a Arguments,
    adapter: &'a TokenStream,
    /// Where the code is that does all this at run time.
    pub(crate) macro_support: TokenStream,
    /// What companions are named after.
    name: Ident,
}

/// What a companion is, beside its body.
struct Companion<'a> {
    name: &'a str,
    doc: &'a str,
    signature: Signature,
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

    pub(crate) fn tokens(&self) -> TokenStream {
        let front = self.front();
        let companions = [
            self.cache(),
            self.invalidate(),
            self.refresh(),
            self.clear(),
            self.stats(),
            self.load(),
        ];
        if self.function.is_associated {
            let explanation = self.explanation();
            return quote!(#front #explanation #(#companions)*);
        }
        let cfgs: Vec<_> = self.function.cfgs().collect();
        let (vis, holder) = (&self.function.item.vis, &self.name);
        let doc = format!(
            "The cache of [`{}()`]: `invalidate`, `refresh`, `clear`, `stats`, `cache`.",
            self.function.item.sig.ident
        );
        quote! {
            #front

            #(#cfgs)*
            #[doc = #doc]
            #[allow(dead_code, missing_debug_implementations, non_camel_case_types, unnameable_types)]
            #vis enum #holder {}

            #(#cfgs)*
            impl #holder {
                #(#companions)*
            }
        }
    }

    /// The function as the user sees it.
    fn front(&self) -> TokenStream {
        let item = &self.function.item;
        let attributes = item.attrs.iter().map(lenient);
        let (vis, signature) = (&item.vis, self.signature());
        let missed = local("missed");
        let look_up = self.with_key("look_up");
        let (checks, answer) = (self.checks(), self.answer(&missed));
        let hit = match self.function.kind {
            Kind::Plain => quote!(hit),
            Kind::Result => quote!(::core::result::Result::Ok(hit)),
            Kind::Option => quote!(::core::option::Option::Some(hit)),
        };
        quote! {
            #(#attributes)*
            #vis #signature {
                #checks
                match #look_up {
                    ::core::result::Result::Ok(hit) => #hit,
                    ::core::result::Result::Err(#missed) => #answer,
                }
            }
        }
    }

    fn cache(&self) -> TokenStream {
        let (adapter, macro_support) = (self.adapter, &self.macro_support);
        let (value, (constants, scope)) = (self.value(), self.scope());
        let settings = self.settings();
        let builder = quote!(#adapter::Cache::<_, #value>::builder());
        let (key, builder) = match &self.arguments.key {
            Some(Key::Expression(expression)) => {
                let witness = self.witness(expression);
                let key = quote! {
                    impl ::core::clone::Clone + ::core::cmp::Eq + ::core::hash::Hash + 'static
                };
                (
                    key,
                    quote!(#macro_support::with_key_type(#witness, #builder)),
                )
            }
            _ => (self.key(), builder),
        };
        // What the settings name is not what is declared here.
        let (caches, span) = (local("caches"), at(self.function.item.sig.ident.span()));
        let own = Ident::new("CACHES", span);
        let of_scope = quote_spanned!(span=> #own.of::<#scope>());
        let body = quote! {
            let #caches = {
                static #own: #macro_support::Caches = #macro_support::Caches::new();
                #constants
                #of_scope
            };
            #caches.get(|| #macro_support::build(#builder #settings))
        };
        let companion = Companion {
            name: "cache",
            doc: "The cache behind {}.",
            signature: self.about_all(parse_quote!(-> &'static #adapter::Cache<#key, #value>)),
        };
        self.companion(companion, &body)
    }

    fn invalidate(&self) -> TokenStream {
        let mut signature = self.signature();
        signature.asyncness = None;
        signature.output = syn::ReturnType::Default;
        signature.inputs = self.function.inputs().map(Parameter::declared).collect();
        let companion = Companion {
            name: "invalidate",
            doc: "Forgets what {} has returned for these arguments. A load of it that is under way \
                  is not stored.",
            signature,
        };
        self.companion(companion, &self.with_key("invalidate"))
    }

    fn refresh(&self) -> TokenStream {
        let missed = local("missed");
        let forced = self.with_key("refresh");
        let answer = self.answer(&missed);
        let companion = Companion {
            name: "refresh",
            doc: "Runs {} anew, whatever it has returned before, and remembers what it returns now.",
            signature: self.signature(),
        };
        self.companion(companion, &quote!(let #missed = #forced; #answer))
    }

    fn clear(&self) -> TokenStream {
        let (macro_support, cache) = (&self.macro_support, self.cache_call());
        let companion = Companion {
            name: "clear",
            doc: "Forgets everything that {} has returned. Loads that are under way are not stored.",
            signature: self.about_all(syn::ReturnType::Default),
        };
        self.companion(companion, &quote!(#macro_support::clear(#cache);))
    }

    fn stats(&self) -> TokenStream {
        let (adapter, cache) = (self.adapter, self.cache_call());
        let companion = Companion {
            name: "stats",
            doc: "What the cache of {} has done so far.",
            signature: self.about_all(parse_quote!(-> #adapter::CacheStats)),
        };
        self.companion(companion, &quote!(#cache.stats()))
    }

    fn companion(&self, companion: Companion<'_>, body: &TokenStream) -> TokenStream {
        let Companion {
            name,
            doc,
            mut signature,
        } = companion;
        signature.ident = self.companion_name(name);
        let vis = &self.function.item.vis;
        let of = &self.function.item.sig.ident;
        let doc = if self.function.is_associated {
            doc.replace("{}", &format!("[`Self::{of}`]"))
        } else {
            doc.replace("{}", &format!("[`{of}()`]"))
        };
        let cfgs = self.function.cfgs();
        quote! {
            #(#cfgs)*
            #[doc = #doc]
            #[allow(dead_code, unused_variables)]
            #[allow(clippy::must_use_candidate, clippy::needless_pass_by_value, clippy::too_many_arguments)]
            #vis #signature { #body }
        }
    }

    /// What must hold of the types, each said where the type stands.
    fn checks(&self) -> TokenStream {
        let macro_support = &self.macro_support;
        let parts = self.function.parts().map(|parameter| {
            let inner = parameter.inner();
            quote_spanned!(at(parameter.ty.span())=> #macro_support::is_key_part::<#inner>();)
        });
        let (returned, value) = (&self.function.returned, self.value());
        let span = at(returned.span());
        let of_value = quote_spanned!(span=> #macro_support::is_value::<#value>(););
        quote!(#(#parts)* #of_value)
    }

    /// The type of what is cached.
    fn value(&self) -> TokenStream {
        let (returned, macro_support) = (&self.function.returned, &self.macro_support);
        let span = at(returned.span());
        match self.function.kind {
            Kind::Plain => returned.to_token_stream(),
            Kind::Result => {
                quote_spanned!(span=> <#returned as #macro_support::ReturnsResult>::Value)
            }
            Kind::Option => {
                quote_spanned!(span=> <#returned as #macro_support::ReturnsOption>::Value)
            }
        }
    }

    /// What tells the caches of one function apart: a type, and what it needs declared.
    fn scope(&self) -> (TokenStream, TokenStream) {
        let generics = &self.function.item.sig.generics;
        let itself = self.function.has_cache_of_self.then(|| quote!(Self));
        let types = generics.type_params().map(|found| &found.ident);
        let types = types.filter(|name| self.function.scope.contains(name));
        let types = itself
            .into_iter()
            .chain(types.map(ToTokens::to_token_stream));
        let constants = generics.const_params();
        let constants = constants.filter(|found| self.function.scope.contains(&found.ident));
        let (mut declared, mut of_constants) = (TokenStream::new(), TokenStream::new());
        for (position, found) in constants.enumerate() {
            let (name, ty) = (&found.ident, &found.ty);
            let constant = format_ident!("Constant{position}");
            declared.extend(quote!(enum #constant<const #name: #ty> {}));
            of_constants.extend(quote!(#constant<#name>,));
        }
        (
            declared,
            quote!((#(::core::marker::PhantomData<#types>,)* #of_constants)),
        )
    }

    /// What is wrong with the place of a method, the compiler says of this first: in the `impl` of a
    /// trait there is no room for companions, and this has a name with the remedy in it; and a
    /// `Self` that borrows is not what its type demands.
    fn explanation(&self) -> TokenStream {
        let (cfgs, macro_support) = (self.function.cfgs(), &self.macro_support);
        let span = at(self.function.item.sig.ident.span());
        let name = format_ident!(
            "__cached_goes_on_a_method_of_the_type_that_the_trait_impl_then_calls__{}",
            self.name.unraw(),
            span = span
        );
        let itself = self
            .function
            .has_cache_of_self
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

    /// The builder's settings.
    fn settings(&self) -> TokenStream {
        let Arguments {
            max_capacity,
            ttl,
            tti,
            policy,
            weigher,
            ..
        } = self.arguments;
        let adapter = self.adapter;
        let capacity = match (max_capacity, ttl) {
            (Some(given), _) => given.to_token_stream(),
            (None, Some(_)) => quote!(1024),
            (None, None) => quote!(128),
        };
        let policy = match policy {
            None | Some(Policy::Lru) => quote!(Lru),
            Some(Policy::S3Fifo) => quote!(S3Fifo),
        };
        let ttl = ttl.map(|ttl| quote!(.time_to_live(#ttl)));
        let tti = tti.map(|tti| quote!(.time_to_idle(#tti)));
        let weigher = weigher.as_ref().map(|weigher| quote!(.weigher(#weigher)));
        quote! {
            .max_capacity(#capacity)
            .eviction_policy(#adapter::EvictionPolicy::#policy)
            #ttl #tti #weigher
        }
    }

    pub(crate) fn cache_call(&self) -> TokenStream {
        let cache = self.path(&self.companion_name("cache"));
        quote!(#cache())
    }

    /// A companion as it is called, with the type and const arguments of the function.
    pub(crate) fn path(&self, companion: &Ident) -> TokenStream {
        let types = declarations(&self.function.item.sig.generics);
        let types = (!types.is_empty()).then(|| quote!(::<#(#types),*>));
        let holder = &self.name;
        if self.function.is_associated {
            quote!(Self::#companion #types)
        } else {
            quote!(#holder::#companion #types)
        }
    }

    pub(crate) fn companion_name(&self, name: &str) -> Ident {
        if self.function.is_associated {
            format_ident!("{}_{name}", self.name.unraw(), span = self.name.span())
        } else {
            Ident::new(name, self.name.span())
        }
    }

    /// The signature of a companion that takes no arguments.
    fn about_all(&self, output: syn::ReturnType) -> Signature {
        let mut signature: Signature = parse_quote!(fn about_all());
        signature.generics = without_lifetimes(&self.function.item.sig.generics);
        signature.output = output;
        signature
    }

    /// The function's signature, with plain names for parameters.
    pub(crate) fn signature(&self) -> Signature {
        let mut signature = self.function.item.sig.clone();
        let parameters = self.function.parameters.iter();
        signature.inputs = parameters.map(Parameter::declared).collect();
        signature
    }
}

/// A local variable that no name of the user's can clash with.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Code that errors point at as if it stood there.
pub(crate) fn at(span: Span) -> Span {
    span.resolved_at(Span::mixed_site())
}
