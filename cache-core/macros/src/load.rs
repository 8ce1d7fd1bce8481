//! The load, as code: the user's function, and the call of it on a miss.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Meta, parse_quote};

use crate::cfg::is_cfg;
use crate::expand::{Expansion, local_ident, span_at};
use crate::kind::Kind;
use crate::parameter::{Parameter, Passing, Role};

impl Expansion<'_> {
    /// The user's function under another name, which the loader calls.
    pub(crate) fn load(&self) -> TokenStream {
        let item = &self.function.item;
        let kept = item
            .attrs
            .iter()
            .filter(|attribute| is_lint(attribute) || is_cfg(attribute));
        let kept = kept.map(relax_expect);
        let mut signature = item.sig.clone();
        signature.ident = self.load_name();
        let body = &item.block;
        let boxed = self.boxed_load();
        quote! {
            #(#kept)*
            #[doc(hidden)]
            #[allow(clippy::too_many_arguments)]
            #signature #body

            #boxed
        }
    }

    /// The load of a recursive function, boxed: otherwise its future would contain itself. The type
    /// of the box says `Send`, because the compiler cannot infer that for a recursive future.
    fn boxed_load(&self) -> Option<TokenStream> {
        if !self.has_boxed_load() {
            return None;
        }
        let cfgs = self.function.cfgs();
        let mut signature = self.signature();
        signature.ident = self.boxed_load_name();
        signature.asyncness = None;
        signature.inputs = self
            .function
            .parameters
            .iter()
            .map(owned_parameter)
            .collect();
        let (load, returned) = (self.path(&self.load_name()), &self.function.returned);
        signature.output = parse_quote! {
            -> ::core::pin::Pin<::std::boxed::Box<
                dyn ::core::future::Future<Output = #returned> + ::core::marker::Send
            >>
        };
        let passed = self
            .function
            .parameters
            .iter()
            .map(|parameter| match parameter.passing {
                Passing::Cloned => borrow_owned(parameter, &owned_name(parameter)),
                _ => parameter.name.to_token_stream(),
            });
        Some(quote! {
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(clippy::too_many_arguments)]
            #signature {
                ::std::boxed::Box::pin(async move { #load(#(#passed),*).await })
            }
        })
    }

    fn has_boxed_load(&self) -> bool {
        let mut parameters = self.function.parameters.iter();
        self.function.is_recursive
            && self.function.is_async
            && parameters.all(|it| matches!(it.passing, Passing::Moved | Passing::Cloned))
    }

    /// An expression that loads a missed key and returns the type that the function returns.
    pub(crate) fn load_on_miss(&self, missed: &Ident) -> TokenStream {
        let macro_support = &self.macro_support;
        let method = match self.function.kind {
            Kind::Plain => "load",
            Kind::Result => "try_load",
            Kind::Option => "optionally_load",
            Kind::ResultOption => "try_optionally_load",
        };
        let span = span_at(self.function.item.sig.ident.span());
        let (method, loader) = (Ident::new(method, span), self.loader());
        let ways: Vec<_> = self.cloned_if_possible().map(way_name).collect();
        let missed = match &*ways {
            _ if !self.function.is_async => quote!(#missed.blocking()),
            _ if self.function.is_scoped() => quote!(#missed.scoped()),
            [] => quote!(#missed),
            [first, others @ ..] => {
                let mode = self.checked_mode(quote!(#first #(.and(#others))*));
                quote!(#mode.apply(#missed))
            }
        };
        let wait = self
            .function
            .is_async
            .then(|| quote_spanned!(span=> .await));
        let answer = quote_spanned!(span=> #missed.#method(#loader) #wait);
        let answer = if self.function.kind.has_errors() {
            let (span, error) = (span_at(self.function.returned.span()), local_ident("error"));
            let own_error = quote_spanned!(span=> #macro_support::Failure(#error).into_error());
            quote! {
                #[allow(unused_imports)]
                use #macro_support::CloneError as _;
                #answer.map_err(|#error| #own_error)
            }
        } else {
            answer
        };
        let ways_of = self.cloned_if_possible().map(|parameter| {
            let (way, name) = (way_name(parameter), &parameter.name);
            quote!(let #way = #macro_support::BorrowedArgument(#name).load_mode();)
        });
        if ways.is_empty() {
            return quote!({ #answer });
        }
        quote!({
            #[allow(unused_imports)]
            use #macro_support::ScopedFallback as _;
            #(#ways_of)*
            #answer
        })
    }

    /// The mode of a load. It does not compile if the load borrows, and the cache has to refresh
    /// values in the background.
    fn checked_mode(&self, mode: TokenStream) -> TokenStream {
        let Some((_, window)) = self.arguments.freshness.refreshing() else {
            return mode;
        };
        let (macro_support, span) = (&self.macro_support, span_at(window.span()));
        quote_spanned!(span=> #macro_support::in_background(#mode))
    }

    /// The parameters that are cloned for the load if their type is `Clone`.
    fn cloned_if_possible(&self) -> impl Iterator<Item = &Parameter> {
        let is_owned = !self.function.runs_in_caller();
        let parameters = self.function.parameters.iter();
        parameters.filter(move |it| is_owned && it.passing == Passing::ClonedIfPossible)
    }

    /// A closure that calls the user's function. It owns the arguments, unless the load borrows
    /// from the caller.
    fn loader(&self) -> TokenStream {
        let load = self.path(&self.load_name());
        if self.function.runs_in_caller() {
            let passed = self
                .function
                .parameters
                .iter()
                .map(|parameter| &parameter.name);
            let call = quote!(#load(#(#passed),*));
            return if self.function.is_recursive && self.function.is_async {
                quote!(move || ::std::boxed::Box::pin(#call))
            } else {
                quote!(move || #call)
            };
        }
        let (mut owning, mut lending, mut owned) = (Vec::new(), Vec::new(), Vec::new());
        for parameter in &self.function.parameters {
            let (name, own) = (&parameter.name, owned_name(parameter));
            match parameter.passing {
                Passing::Cloned if parameter.role == Role::Part => {
                    let part = self.part_of_key(parameter, &name.to_token_stream());
                    owning.push(quote!(let #own = #part.cloned();));
                }
                Passing::Cloned => {
                    owning.push(quote!(let #own = ::std::borrow::ToOwned::to_owned(#name);));
                }
                Passing::ClonedIfPossible => {
                    let way = way_name(parameter);
                    owning.push(quote!(let #own = #way.pass(#name);));
                }
                Passing::Moved | Passing::Borrowed => {
                    lending.push(name.to_token_stream());
                    owned.push(name.to_token_stream());
                    continue;
                }
            }
            lending.push(borrow_owned(parameter, &own));
            owned.push(own.to_token_stream());
        }
        if self.has_boxed_load() {
            let load = self.path(&self.boxed_load_name());
            return quote!(move || { #(#owning)* #load(#(#owned),*) });
        }
        if owning.is_empty() {
            quote!(move || #load(#(#lending),*))
        } else {
            quote!(move || { #(#owning)* async move { #load(#(#lending),*).await } })
        }
    }

    fn load_name(&self) -> Ident {
        format_ident!("__{}", self.companion_name("load"))
    }

    fn boxed_load_name(&self) -> Ident {
        format_ident!("__{}", self.companion_name("boxed_load"))
    }
}

/// An expression that borrows the parameter's value from the owned copy.
fn borrow_owned(parameter: &Parameter, owned: &Ident) -> TokenStream {
    let referent = parameter.inner();
    quote!(::core::borrow::Borrow::<#referent>::borrow(&#owned))
}

/// The parameter of the boxed load, which owns all arguments.
fn owned_parameter(parameter: &Parameter) -> FnArg {
    match parameter.passing {
        Passing::Cloned => {
            let (name, ty) = (owned_name(parameter), parameter.owned_type());
            parse_quote!(#name: #ty)
        }
        _ => parameter.declared(),
    }
}

fn owned_name(parameter: &Parameter) -> Ident {
    local_ident(&format!("owned_{}", parameter.name.unraw()))
}

fn way_name(parameter: &Parameter) -> Ident {
    local_ident(&format!("way_{}", parameter.name.unraw()))
}

fn is_lint(attribute: &Attribute) -> bool {
    let lints = ["allow", "warn", "deny", "forbid", "expect"];
    lints.iter().any(|lint| attribute.path().is_ident(lint))
}

/// Turns `expect` into `allow`: the attribute is on two functions, and an expectation may be
/// fulfilled in only one of them.
pub(crate) fn relax_expect(attribute: &Attribute) -> Attribute {
    let mut attribute = attribute.clone();
    if let Meta::List(list) = &mut attribute.meta
        && list.path.is_ident("expect")
    {
        list.path = parse_quote!(allow);
    }
    attribute
}
