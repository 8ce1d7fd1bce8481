//! The settings of the cache, as code: calls of its builder.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::arguments::{Arguments, Policy, Remember, Ttl};
use crate::expand::Expansion;

/// The time to live of `ttl` without a duration.
const DEFAULT_TTL: Duration = Duration::from_secs(60);

impl Expansion<'_> {
    /// An expression for the builder with all settings.
    pub(crate) fn configured(&self, builder: &TokenStream) -> TokenStream {
        let (adapter, macro_support) = (self.adapter, &self.macro_support);
        let Arguments {
            max_capacity,
            ttl,
            tti,
            freshness,
            policy,
            weigher,
            builder: configure,
            cache_err,
            cache_none,
            ..
        } = self.arguments;
        let capacity = match (max_capacity, ttl) {
            (Some(given), _) => given.to_token_stream(),
            (None, Some(_)) => quote!(1024),
            (None, None) => quote!(128),
        };
        let policy = match policy {
            None | Some(Policy::Lru) => quote!(Lru),
            Some(Policy::S3Fifo) => quote!(S3Fifo),
        };
        let ttl = ttl.as_ref().map(|ttl| quote!(.time_to_live(#ttl)));
        let tti = tti.as_ref().map(|tti| quote!(.time_to_idle(#tti)));
        let weigher = weigher.as_ref().map(|weigher| quote!(.weigher(#weigher)));
        let error_ttl = cache_err.as_ref().map(|remember| {
            let ttl = self.lifetime_of(remember);
            quote!(.error_ttl(#ttl))
        });
        let negative_ttl = cache_none.as_ref().map(|remember| {
            let ttl = self.lifetime_of(remember);
            quote!(.negative_ttl(#ttl))
        });
        let builder = quote! {
            #builder
                .max_capacity(#capacity)
                .eviction_policy(#adapter::EvictionPolicy::#policy)
                #ttl #tti #freshness #weigher #error_ttl #negative_ttl
        };
        match configure {
            Some(configure) => quote!(#macro_support::configure(#builder, #configure)),
            None => builder,
        }
    }

    /// How long a failure is remembered: without a duration of its own, as long as a value lives.
    fn lifetime_of(&self, remember: &Remember) -> TokenStream {
        let Arguments { ttl, tti, .. } = self.arguments;
        let given = remember.duration.as_ref().map(ToTokens::to_token_stream);
        given
            .or_else(|| ttl.as_ref().map(ToTokens::to_token_stream))
            .or_else(|| tti.as_ref().map(ToTokens::to_token_stream))
            .unwrap_or_else(|| quote!(::core::time::Duration::MAX))
    }
}

impl Ttl {
    /// The duration, unless it is an expression.
    pub(crate) const fn literal(&self) -> Option<Duration> {
        match self {
            Self::Default => Some(DEFAULT_TTL),
            Self::After(duration) => duration.literal(),
        }
    }
}

impl ToTokens for Ttl {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Default => {
                let seconds = DEFAULT_TTL.as_secs();
                tokens.extend(quote!(::core::time::Duration::from_secs(#seconds)));
            }
            Self::After(duration) => duration.to_tokens(tokens),
        }
    }
}
