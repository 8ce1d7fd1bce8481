//! A parameter of the function: its role in the key, and how it reaches the function's body.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Error, Expr, FnArg, Ident, Pat, PatIdent, Result, Type, TypeReference, parse_quote};

use crate::arguments::Names;
use crate::borrows::{BorrowInfo, first_borrow, impl_trait};
use crate::tokens::mentions;

/// A parameter, or the receiver.
pub(crate) struct Parameter {
    /// The name in generated code: the user's name, if the pattern is a name.
    pub(crate) name: Ident,
    /// The names that the pattern binds.
    pub(crate) bound: Vec<Ident>,
    pub(crate) ty: Type,
    pub(crate) role: Role,
    pub(crate) passing: Passing,
    /// The parameter as the user wrote it.
    pub(crate) written: FnArg,
}

/// The role of a parameter in the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A part of the key.
    Part,
    /// The expression of the key may use it.
    Input,
    /// Not used for the key.
    Skipped,
}

/// How a parameter reaches the function's body, which runs in the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// Moves into the load: it is owned or a `'static` reference.
    Moved,
    /// On a miss the load gets an owned copy of the referent, and lends it to the body.
    Cloned,
    /// [`Passing::Cloned`] if the referent is `Clone`, otherwise [`Passing::Borrowed`]. The
    /// compiler decides.
    ClonedIfPossible,
    /// Borrows from the caller, so only the caller can drive the load.
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

    /// The pattern, unless it is only a name.
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

    /// Whether one of these names refers to this parameter.
    pub(crate) fn is_among(&self, names: &Names) -> bool {
        self.bound.iter().any(|name| names.0.contains(name))
    }

    /// Whether the expression uses this parameter.
    pub(crate) fn is_used_by(&self, expression: &Expr) -> bool {
        let tokens = expression.to_token_stream();
        let mut bound = self.bound.iter();
        bound.any(|name| mentions(tokens.clone(), &name.to_string()))
    }

    /// The referent of the type, if it is a reference.
    pub(crate) fn referent(&self) -> Option<&Type> {
        Some(&*reference(&self.ty)?.elem)
    }

    /// The referent of the type, or the type itself.
    pub(crate) fn inner(&self) -> &Type {
        self.referent().unwrap_or(&self.ty)
    }

    /// The owned form of the type, which the key has.
    pub(crate) fn owned_type(&self) -> TokenStream {
        match self.referent() {
            Some(referent) => {
                let span = referent.span().resolved_at(Span::mixed_site());
                quote_spanned!(span=> <#referent as ::std::borrow::ToOwned>::Owned)
            }
            None => self.ty.to_token_stream(),
        }
    }

    /// An expression for a reference to the argument.
    pub(crate) fn by_ref(&self) -> TokenStream {
        let name = &self.name;
        match self.referent() {
            Some(_) => quote!(#name),
            None => quote!(&#name),
        }
    }

    /// The parameter of generated functions: a plain name, without attributes.
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

    /// Sets [`Self::passing`] according to the role and the type. `cloned` is whether `clone(…)`
    /// lists this parameter.
    ///
    /// # Errors
    /// If the type does not fit the role or `clone(…)`.
    pub(crate) fn set_passing(&mut self, cloned: bool, info: &BorrowInfo) -> Result<()> {
        if self.role != Role::Skipped {
            self.check_key_type()?;
        }
        let is_input = self.role == Role::Input && !self.is_receiver();
        let inner = self.inner();
        let is_borrowing = first_borrow(inner).is_some() || info.may_borrow(inner);
        self.passing = match reference(&self.ty) {
            _ if is_borrowing => Passing::Borrowed,
            None => Passing::Moved,
            Some(reference) if is_static(reference) => Passing::Moved,
            Some(reference) if reference.mutability.is_some() || info.is_constrained(reference) => {
                Passing::Borrowed
            }
            Some(_) if cloned || self.role == Role::Part => Passing::Cloned,
            Some(_) if is_input => Passing::ClonedIfPossible,
            Some(_) => Passing::Borrowed,
        };
        let is_shared = reference(&self.ty).is_some_and(|found| found.mutability.is_none());
        if cloned && (self.passing == Passing::Borrowed || !is_shared) {
            let message = format!(
                "`clone({})` needs a shared reference to a type that does not borrow",
                self.names_in_messages()
            );
            return Err(Error::new_spanned(&self.ty, message));
        }
        Ok(())
    }

    /// How error messages call this parameter.
    fn names_in_messages(&self) -> String {
        let bound: Vec<_> = self.bound.iter().map(ToString::to_string).collect();
        bound.join(", ")
    }

    /// The advice to leave this parameter out of the key.
    fn skip_advice(&self) -> String {
        match &*self.bound {
            [] => "give it a name and leave it out with `skip(…)`".to_owned(),
            _ => format!("leave it out with `skip({})`", self.names_in_messages()),
        }
    }

    /// Reports a type that a key cannot have.
    fn check_key_type(&self) -> Result<()> {
        let skip = self.skip_advice();
        let refuse = |span: Span, message: String| Err(Error::new(span, message));
        if let Some(span) = impl_trait(&self.ty) {
            let message = format!(
                "the key needs the type of this argument, and `impl Trait` has no name: make it a \
                 type parameter, or {skip}"
            );
            return refuse(span, message);
        }
        if let Some(mutable) = reference(&self.ty).filter(|found| found.mutability.is_some()) {
            let message = format!("a `&mut` cannot be a part of the key: {skip}");
            return refuse(mutable.span(), message);
        }
        let inner = self.inner();
        if let (Role::Part, Some(span)) = (self.role, first_borrow(inner)) {
            let message = format!(
                "a key outlives the call, and the type of this argument borrows: take a plain reference \
                 or an owned type, use `key = \"…\"`, or {skip}"
            );
            return refuse(span, message);
        }
        Ok(())
    }
}

/// The type as a reference, also if a macro has put it in a group.
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
