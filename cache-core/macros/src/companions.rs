//! The companions, as code: `cache`, `invalidate`, `refresh`, `clear` and `stats`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Signature, parse_quote};

use crate::arguments::Key;
use crate::expand::{Expansion, local_ident, span_at};
use crate::generics::without_lifetimes;
use crate::parameter::Parameter;

/// A companion without its body.
struct Companion<'a> {
    name: &'a str,
    /// `{}` stands for a link to the function.
    doc: &'a str,
    signature: Signature,
}

impl Expansion<'_> {
    /// All companions that users call.
    pub(crate) fn companions(&self) -> [TokenStream; 5] {
        [
            self.cache(),
            self.invalidate(),
            self.refresh(),
            self.clear(),
            self.stats(),
        ]
    }

    fn cache(&self) -> TokenStream {
        let (adapter, macro_support) = (self.adapter, &self.macro_support);
        let (value, (constants, scope)) = (self.value(), self.scope());
        let builder = quote!(#adapter::Cache::<_, #value>::builder());
        let key = match &self.arguments.key {
            Some(Key::Expression(_)) => quote! {
                impl ::core::clone::Clone + ::core::cmp::Eq + ::core::hash::Hash + 'static
            },
            _ => self.key_type(),
        };
        let witness = self.key_witness();
        let builder = quote!(#macro_support::with_key_type(#witness, #builder));
        let build = self.function_of_values("build");
        let (builder, key_witness) = (self.configured(&builder), self.key_witness());
        // A block of its own, so that no name in the settings resolves to these declarations.
        let (caches, span) = (
            local_ident("caches"),
            span_at(self.function.item.sig.ident.span()),
        );
        let statics = Ident::new("CACHES", span);
        let of_scope = quote_spanned!(span=> #statics.of::<#scope>());
        let body = quote! {
            let #caches = {
                static #statics: #macro_support::Caches = #macro_support::Caches::new();
                #constants
                #of_scope
            };
            #caches.get(|| #build(#builder, #key_witness))
        };
        let companion = Companion {
            name: "cache",
            doc: "The cache behind {}.",
            signature: self
                .without_arguments(parse_quote!(-> &'static #adapter::Cache<#key, #value>)),
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
            doc: "Removes the result of {} for these arguments. A load that is in flight for them \
                  is not stored.",
            signature,
        };
        self.companion(
            companion,
            &self.call_with_key("invalidate", &TokenStream::new()),
        )
    }

    fn refresh(&self) -> TokenStream {
        let companion = Companion {
            name: "refresh",
            doc: "Runs {} and stores the result, even if there is one already.",
            signature: self.signature(),
        };
        self.companion(companion, &self.answer(true))
    }

    fn clear(&self) -> TokenStream {
        let cache = self.cache_call();
        let (clear, witness) = (self.function_of_values("clear"), self.clear_witness());
        let companion = Companion {
            name: "clear",
            doc: "Removes all results of {}. Loads that are in flight are not stored.",
            signature: self.without_arguments(syn::ReturnType::Default),
        };
        self.companion(companion, &quote!(#clear(#cache, #witness);))
    }

    /// [`Expansion::key_witness`], without the key's expression: it needs all arguments.
    fn clear_witness(&self) -> TokenStream {
        let macro_support = &self.macro_support;
        match &self.arguments.key {
            Some(Key::Expression(_)) => {
                quote!(|| #macro_support::ByExpression(#macro_support::witness()))
            }
            _ => self.key_witness(),
        }
    }

    fn stats(&self) -> TokenStream {
        let (adapter, cache) = (self.adapter, self.cache_call());
        let companion = Companion {
            name: "stats",
            doc: "The statistics of the cache of {}.",
            signature: self.without_arguments(parse_quote!(-> #adapter::CacheStats)),
        };
        self.companion(companion, &quote!(#cache.stats()))
    }

    /// Puts together a companion and its body.
    fn companion(&self, companion: Companion<'_>, body: &TokenStream) -> TokenStream {
        let Companion {
            name,
            doc,
            mut signature,
        } = companion;
        signature.ident = self.companion_name(name);
        let vis = &self.function.item.vis;
        let function = &self.function.item.sig.ident;
        let doc = if self.function.is_associated {
            doc.replace("{}", &format!("[`Self::{function}`]"))
        } else {
            doc.replace("{}", &format!("[`{function}()`]"))
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

    /// The type that identifies one of the function's caches, and the declarations that it needs.
    fn scope(&self) -> (TokenStream, TokenStream) {
        let generics = &self.function.item.sig.generics;
        let itself = self.function.has_cache_per_self.then(|| quote!(Self));
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

    /// The signature of a companion without arguments.
    fn without_arguments(&self, output: syn::ReturnType) -> Signature {
        let mut signature: Signature = parse_quote!(fn companion());
        signature.generics = without_lifetimes(&self.function.item.sig.generics);
        signature.output = output;
        signature
    }

    /// The name of a companion: `name` in the companions' type, or with a prefix beside a method.
    pub(crate) fn companion_name(&self, name: &str) -> Ident {
        if self.function.is_associated {
            format_ident!("{}_{name}", self.name.unraw(), span = self.name.span())
        } else {
            Ident::new(name, self.name.span())
        }
    }
}
