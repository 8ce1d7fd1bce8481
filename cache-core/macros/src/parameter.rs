//! One parameter of the function: what the cache does with it.

use darling::{Error, Result};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{FnArg, Ident, Lifetime, Pat, Type, TypeImplTrait, TypeReference, parse_quote};

/// A parameter, or the receiver.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name in generated code; the user's, if the pattern is a name.
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) role: Role,
    pub(crate) passing: Passing,
    /// As it was written.
    pub(crate) written: FnArg,
}

/// What a parameter has to do with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is a part of it.
    Part,
    /// The key's expression may use it.
    Input,
    /// Nothing.
    Skipped,
}

/// How a parameter comes to the function's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// It is owned, and moves into the load.
    Moved,
    /// It is a reference to something that is made owned on a miss.
    Cloned,
    /// It borrows, so the load cannot leave the caller.
    Borrowed,
}

impl Parameter {
    pub(crate) fn new(written: &FnArg, position: usize) -> Self {
        let (name, ty) = match written {
            FnArg::Receiver(receiver) => (receiver.self_token.into(), (*receiver.ty).clone()),
            FnArg::Typed(typed) => {
                let name = match &*typed.pat {
                    Pat::Ident(pattern) if pattern.subpat.is_none() => pattern.ident.clone(),
                    _ => format_ident!("argument_{position}", span = Span::mixed_site()),
                };
                (name, (*typed.ty).clone())
            }
        };
        Self {
            name,
            ty,
            role: Role::Part,
            passing: Passing::Moved,
            written: written.clone(),
        }
    }

    pub(crate) fn is_receiver(&self) -> bool {
        matches!(self.written, FnArg::Receiver(_))
    }

    /// What it refers to, if it is a reference.
    pub(crate) fn referent(&self) -> Option<&Type> {
        Some(&*reference(&self.ty)?.elem)
    }

    /// What it refers to or, if it is no reference, what it is.
    pub(crate) fn inner(&self) -> &Type {
        self.referent().unwrap_or(&self.ty)
    }

    /// The type of its part of the key.
    pub(crate) fn part(&self) -> TokenStream {
        match self.referent() {
            Some(referent) => {
                let span = self.ty.span().resolved_at(Span::mixed_site());
                quote_spanned!(span=> <#referent as ::std::borrow::ToOwned>::Owned)
            }
            None => self.ty.to_token_stream(),
        }
    }

    /// A reference to it, as the key wants it.
    pub(crate) fn by_ref(&self) -> TokenStream {
        let name = &self.name;
        match self.referent() {
            Some(_) => quote!(#name),
            None => quote!(&#name),
        }
    }

    /// It as a parameter of generated functions: a plain name, without attributes.
    pub(crate) fn declared(&self) -> FnArg {
        let mut declared = self.written.clone();
        match &mut declared {
            FnArg::Receiver(receiver) => {
                receiver.attrs.clear();
                if receiver.reference.is_none() {
                    receiver.mutability = None;
                }
            }
            FnArg::Typed(typed) => {
                let name = &self.name;
                typed.attrs.clear();
                *typed.pat = parse_quote!(#name);
            }
        }
        declared
    }

    /// Decides how it comes to the body, once its role is known.
    ///
    /// # Errors
    /// If its type does not fit its role.
    pub(crate) fn settle(&mut self, cloned: bool) -> Result<()> {
        if self.role != Role::Skipped {
            self.check()?;
        }
        let is_input = self.role == Role::Input && !self.is_receiver();
        let wanted = cloned || is_input || self.role == Role::Part;
        let inner = self.inner();
        self.passing = match reference(&self.ty) {
            _ if first_borrow(inner).is_some() => Passing::Borrowed,
            None => Passing::Moved,
            Some(reference) if reference.mutability.is_none() && wanted => Passing::Cloned,
            Some(_) => Passing::Borrowed,
        };
        if cloned && self.passing != Passing::Cloned {
            let message = format!(
                "`clone({})` is for a shared reference to something that borrows nothing",
                self.name
            );
            return Err(Error::custom(message).with_span(&self.ty));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let mut finder = Finder::default();
        finder.visit_type(&self.ty);
        let skip = format!("leave it out with `skip({})`", self.name);
        let refuse = |span: Span, message: String| Err(Error::custom(message).with_span(&span));
        if let Some(span) = finder.impl_trait {
            let message = format!(
                "the key needs the type of this argument, and `impl Trait` has no name: make it a \
                 type parameter, or {skip}"
            );
            return refuse(span, message);
        }
        if let Some(mutable) = reference(&self.ty).filter(|found| found.mutability.is_some()) {
            let message = format!("a key cannot be made of a `&mut`: {skip}");
            return refuse(mutable.span(), message);
        }
        let inner = self.inner();
        if let (Role::Part, Some(span)) = (self.role, first_borrow(inner)) {
            let message = format!(
                "a key outlives the call, and this argument borrows within its type: take what it \
                 borrows as a reference of its own or by value, give `key = \"…\"`, or {skip}"
            );
            return refuse(span, message);
        }
        Ok(())
    }
}

/// The reference that a type is, also where a macro has put it in a group.
fn reference(ty: &Type) -> Option<&TypeReference> {
    match ty {
        Type::Reference(reference) => Some(reference),
        Type::Paren(inner) => reference(&inner.elem),
        Type::Group(inner) => reference(&inner.elem),
        _ => None,
    }
}

/// Where a type borrows, as far as one can see that from how it is written.
pub(crate) fn first_borrow(ty: &Type) -> Option<Span> {
    let mut finder = Finder::default();
    finder.visit_type(ty);
    finder.borrow
}

pub(crate) fn impl_trait(ty: &Type) -> Option<Span> {
    let mut finder = Finder::default();
    finder.visit_type(ty);
    finder.impl_trait
}

#[derive(Default)]
struct Finder {
    borrow: Option<Span>,
    impl_trait: Option<Span>,
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            self.borrow.get_or_insert(lifetime.span());
        }
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
    fn visit_type_bare_fn(&mut self, _: &'ast syn::TypeBareFn) {}
}
