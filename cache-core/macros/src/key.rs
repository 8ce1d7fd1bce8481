//! The key, as code: a tuple of arguments, or an expression of them.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, FieldValue, Macro, PatIdent, parse_quote, token};

use crate::arguments::Key;
use crate::expand::{Expansion, local_ident, span_at};
use crate::generics::EraseLifetimes;
use crate::parameter::{Parameter, is_reference};
use crate::tokens::{dereferenced, rename_self};

impl Expansion<'_> {
    /// A call of a function of `Values` with the cache, the key and further arguments.
    pub(crate) fn call_with_key(&self, function: &str, others: &TokenStream) -> TokenStream {
        let (macro_support, cache) = (&self.macro_support, self.cache_call());
        let function = self.function_of_values(function);
        let Some(Key::Expression(expression)) = &self.arguments.key else {
            let arguments = self.key_arguments(Parameter::by_ref);
            let span = span_at(self.function.item.sig.ident.span());
            return quote_spanned!(span=> #function(#cache, #arguments #others));
        };
        let key = local_ident("key");
        let (destructured, expression) = self.destructured(expression);
        quote!({
            #destructured
            let #key = #macro_support::ByExpression(#expression);
            #function(#macro_support::downcast_cache(#cache, &#key), #key #others)
        })
    }

    /// A function of `Values`. An error about the value points at the returned type.
    pub(crate) fn function_of_values(&self, function: &str) -> TokenStream {
        let (macro_support, value) = (&self.macro_support, self.value());
        let span = span_at(self.function.returned.span());
        let function = Ident::new(function, span);
        quote_spanned!(span=> #macro_support::Values::<#value>::to_cache().#function)
    }

    /// An expression for the arguments that make up the key. An error about one of them points at
    /// its type, and is the same wherever the expression is, so that the compiler shows it once.
    fn key_arguments(&self, reference: impl Fn(&Parameter) -> TokenStream) -> TokenStream {
        let macro_support = &self.macro_support;
        let span = span_at(self.function.item.sig.ident.span());
        let parts = self.function.parts().map(|parameter| {
            let reference = reference(parameter);
            self.part_of_key(parameter, &reference)
        });
        let parts: Vec<_> = parts.collect();
        match &*parts {
            [part] => quote_spanned!(span=> #macro_support::Args(#part)),
            parts => quote_spanned!(span=> #macro_support::Args((#(#parts),*))),
        }
    }

    /// An expression for one argument of the key.
    pub(crate) fn part_of_key(
        &self,
        parameter: &Parameter,
        reference: &TokenStream,
    ) -> TokenStream {
        let (macro_support, inner) = (&self.macro_support, parameter.inner());
        let span = span_at(inner.span());
        quote_spanned!(span=> #macro_support::Argument::<#inner>(#reference).part_of_key())
    }

    /// The type of a key that consists of arguments.
    pub(crate) fn key_type(&self) -> TokenStream {
        let parts = self.function.parts();
        let parts: Vec<_> = parts.map(Parameter::owned_type).collect();
        match &*parts {
            [part] => part.clone(),
            parts => quote!((#(#parts),*)),
        }
    }

    /// A closure that returns the arguments that make up the key. It is never called.
    pub(crate) fn key_witness(&self) -> TokenStream {
        let (macro_support, itself) = (&self.macro_support, local_ident("itself"));
        let Some(Key::Expression(expression)) = &self.arguments.key else {
            let arguments = self.key_arguments(|_| quote!(#macro_support::witness()));
            return quote!(|| #arguments);
        };
        let inputs = self.function.inputs().map(|parameter| {
            let mut ty = parameter.ty.clone();
            EraseLifetimes.visit_type_mut(&mut ty);
            let name = if parameter.is_receiver() {
                &itself
            } else {
                &parameter.name
            };
            quote!(let #name: #ty = #macro_support::witness();)
        });
        let (destructured, expression) = self.destructured(expression);
        let expression = rename_self(expression, &itself);
        quote!(|| { #(#inputs)* #destructured #macro_support::ByExpression(#expression) })
    }

    /// Declarations of the names that the patterns bind, and the expression that uses them. The
    /// load needs the arguments afterwards, so the names are references into them, which the
    /// expression dereferences.
    fn destructured(&self, expression: &Expr) -> (TokenStream, TokenStream) {
        let (mut lets, mut by_reference) = (TokenStream::new(), Vec::new());
        let used = |parameter: &&Parameter| parameter.is_used_by(expression);
        for parameter in self.function.inputs().filter(used) {
            let Some(pattern) = parameter.pattern() else {
                continue;
            };
            let (mut pattern, name) = (pattern.clone(), &parameter.name);
            // A pattern that matches through a reference binds references anyway.
            let is_reference = is_reference(&parameter.ty);
            if !is_reference {
                by_reference.extend(parameter.bound.iter().cloned());
            }
            ByRefPattern { is_reference }.visit_pat_mut(&mut pattern);
            lets.extend(quote!(#[allow(unused_variables)] let #pattern = #name;));
        }
        let mut expression = expression.clone();
        DerefNames(&by_reference).visit_expr_mut(&mut expression);
        (lets, expression.into_token_stream())
    }
}

/// Makes the names in a pattern bind by reference.
struct ByRefPattern {
    is_reference: bool,
}

impl VisitMut for ByRefPattern {
    fn visit_pat_ident_mut(&mut self, pattern: &mut PatIdent) {
        pattern.mutability = None;
        if !self.is_reference {
            pattern.by_ref = Some(token::Ref(pattern.ident.span()));
        }
        visit_mut::visit_pat_ident_mut(self, pattern);
    }
}

/// Dereferences some names in an expression.
struct DerefNames<'a>(&'a [Ident]);

impl VisitMut for DerefNames<'_> {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        let name = match &*expression {
            Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
            _ => None,
        };
        match name.filter(|name| self.0.contains(name)).cloned() {
            Some(name) => *expression = parse_quote!((*#name)),
            None => visit_mut::visit_expr_mut(self, expression),
        }
    }

    fn visit_field_value_mut(&mut self, field: &mut FieldValue) {
        field.colon_token.get_or_insert_default();
        self.visit_expr_mut(&mut field.expr);
    }

    fn visit_macro_mut(&mut self, found: &mut Macro) {
        found.tokens = dereferenced(core::mem::take(&mut found.tokens), self.0);
    }
}
