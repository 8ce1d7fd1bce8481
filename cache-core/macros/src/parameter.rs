//! One parameter of the function: what the cache does with it.

use darling::{Error, Result};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, FnArg, Ident, Pat, PatIdent, Type, TypeReference, parse_quote};

use crate::arguments::Names;
use crate::borrows::{Lives, first_borrow, impl_trait};
use crate::tokens::mentions;

/// A parameter, or the receiver.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name in generated code; the user's, if the pattern is a name.
    pub(crate) name: Ident,
    /// What its pattern binds.
    pub(crate) bound: Vec<Ident>,
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
    /// It is owned or refers to what lives for ever, and moves into the load.
    Moved,
    /// It is a reference to something that is made owned on a miss.
    Cloned,
    /// The same, if what it refers to can be made owned. If not, it borrows.
    ClonedIfPossible,
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
            bound: bound_names(written),
            ty,
            role: Role::Part,
            passing: Passing::Moved,
            written: written.clone(),
        }
    }

    /// Its pattern, if that is more than a name.
    pub(crate) fn pattern(&self) -> Option<&Pat> {
        match &self.written {
            FnArg::Receiver(_) => None,
            FnArg::Typed(typed) => match &*typed.pat {
                Pat::Ident(pattern) if pattern.subpat.is_none() => None,
                pattern => Some(pattern),
            },
        }
    }

    pub(crate) fn is_receiver(&self) -> bool {
        matches!(self.written, FnArg::Receiver(_))
    }

    /// Whether names that were given mean it.
    pub(crate) fn is_among(&self, names: &Names) -> bool {
        self.bound.iter().any(|name| names.0.contains(name))
    }

    /// Whether an expression uses it.
    pub(crate) fn is_used_by(&self, expression: &Expr) -> bool {
        let tokens = expression.to_token_stream();
        let mut bound = self.bound.iter();
        bound.any(|name| mentions(tokens.clone(), &name.to_string()))
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
    pub(crate) fn settle(&mut self, cloned: bool, lives: &Lives) -> Result<()> {
        if self.role != Role::Skipped {
            self.check()?;
        }
        let is_input = self.role == Role::Input && !self.is_receiver();
        let inner = self.inner();
        let is_borrowing = first_borrow(inner).is_some() || lives.is_short(inner);
        self.passing = match reference(&self.ty) {
            _ if is_borrowing => Passing::Borrowed,
            None => Passing::Moved,
            Some(reference) if is_static(reference) => Passing::Moved,
            Some(reference) if reference.mutability.is_some() || lives.is_tied(reference) => {
                Passing::Borrowed
            }
            Some(_) if cloned || self.role == Role::Part => Passing::Cloned,
            Some(_) if is_input => Passing::ClonedIfPossible,
            Some(_) => Passing::Borrowed,
        };
        let is_shared = reference(&self.ty).is_some_and(|found| found.mutability.is_none());
        if cloned && (self.passing == Passing::Borrowed || !is_shared) {
            let message = format!(
                "`clone({})` is for a shared reference to something that borrows nothing",
                self.shown()
            );
            return Err(Error::custom(message).with_span(&self.ty));
        }
        Ok(())
    }

    /// What it is called in messages.
    fn shown(&self) -> String {
        let bound: Vec<_> = self.bound.iter().map(ToString::to_string).collect();
        bound.join(", ")
    }

    /// How it is left out of the key, as advice.
    fn skipped(&self) -> String {
        match &*self.bound {
            [] => "give it a name and leave it out with `skip(…)`".to_owned(),
            _ => format!("leave it out with `skip({})`", self.shown()),
        }
    }

    fn check(&self) -> Result<()> {
        let skip = self.skipped();
        let refuse = |span: Span, message: String| Err(Error::custom(message).with_span(&span));
        if let Some(span) = impl_trait(&self.ty) {
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

pub(crate) fn is_reference(ty: &Type) -> bool {
    reference(ty).is_some()
}

fn is_static(reference: &TypeReference) -> bool {
    let lifetime = reference.lifetime.as_ref();
    lifetime.is_some_and(|lifetime| lifetime.ident == "static")
}

/// The names that a parameter binds.
pub(crate) fn bound_names(written: &FnArg) -> Vec<Ident> {
    struct Finder(Vec<Ident>);

    impl<'ast> Visit<'ast> for Finder {
        fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
            self.0.push(pattern.ident.clone());
            visit::visit_pat_ident(self, pattern);
        }
    }

    let mut finder = Finder(Vec::new());
    match written {
        FnArg::Receiver(receiver) => finder.0.push(receiver.self_token.into()),
        FnArg::Typed(typed) => finder.visit_pat(&typed.pat),
    }
    finder.0
}
