//! The function, parsed and checked: what the expansion needs to know of it.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit::Visit;
use syn::{
    AttrStyle, Attribute, Error, Expr, Ident, Item, ItemFn, Macro, Result, ReturnType, TraitItemFn,
    Type, parse_quote,
};

use crate::arguments::{Arguments, Key};
use crate::borrows::BorrowInfo;
use crate::cfg::{Variant, is_cfg};
use crate::checks::{check_companion_name, check_receiver, check_returned, check_signature};
use crate::errors::Errors;
use crate::generics::type_and_const_names;
use crate::kind::Kind;
use crate::names::KnownNames;
use crate::parameter::{Parameter, Passing, Role};
use crate::tokens::{calls_itself, mentions, mentions_self};

/// Maximum number of parts of a key: `cache-core` implements its traits for tuples of up to this
/// size.
const MAX_PARTS: usize = 8;

/// A function that can be cached.
pub(crate) struct Function {
    pub(crate) item: ItemFn,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returned: Type,
    pub(crate) kind: Kind,
    pub(crate) is_async: bool,

    /// Whether the function is in an `impl` or a trait.
    pub(crate) is_associated: bool,
    /// Whether each `Self` has its own cache.
    pub(crate) has_cache_per_self: bool,
    /// The type and const parameters for each of which the function has its own cache.
    pub(crate) scope: Vec<Ident>,
    /// Whether the function calls itself.
    pub(crate) is_recursive: bool,
}

impl Function {
    /// Parses a function.
    ///
    /// # Errors
    /// All reasons for which the function cannot be cached.
    pub(crate) fn parse(variant: Variant, arguments: &Arguments) -> Result<Self> {
        let Variant { item, absent } = variant;
        let mut errors = Errors::default();
        errors.take(check_signature(&item, arguments));
        let returned = match &item.sig.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        errors.take(check_returned(&returned));
        let kind = errors
            .take(Kind::of(&returned, arguments))
            .unwrap_or(Kind::Plain);
        let inputs = item.sig.inputs.iter().enumerate();
        let mut parameters: Vec<_> = inputs
            .map(|(position, written)| Parameter::new(written, position))
            .collect();
        let is_method = parameters.first().is_some_and(Parameter::is_receiver);
        let is_associated = is_method || arguments.associated.is_some() || uses_self_type(&item);
        let generics = &item.sig.generics;
        let known = KnownNames::new(&parameters, generics, is_associated, &absent);
        errors.take(known.check(arguments));
        errors.take(assign_roles(&mut parameters, arguments));
        errors.take(check_receiver(&parameters, arguments));
        let info = BorrowInfo::new(generics);
        for parameter in &mut parameters {
            let cloned = arguments.clone.as_ref();
            let cloned = cloned.is_some_and(|names| parameter.is_among(names));
            errors.take(parameter.set_passing(cloned, &info));
        }
        if !is_associated {
            errors.take(check_companion_name(
                arguments.name.as_ref().unwrap_or(&item.sig.ident),
            ));
        }
        let is_skipped = |name: &str| {
            let skip = arguments.skip.as_ref();
            skip.is_some_and(|names| names.0.iter().any(|skipped| skipped == name))
        };
        let mut scope = Vec::new();
        for name in type_and_const_names(generics) {
            if is_skipped(&name.to_string())
                || info.parameter_may_borrow(name)
                    && is_covered_by_key(name, &parameters, arguments)
            {
                continue;
            }
            if info.parameter_may_borrow(name) {
                let message = format!(
                    "each `{name}` has its own cache, which lives as long as the program: add the \
                     bound `{name}: 'static`, or `skip({name})` if the result of the function does \
                     not depend on it"
                );
                errors.push(Error::new_spanned(name, message));
            }
            scope.push(name.clone());
        }
        let is_async = item.sig.asyncness.is_some();
        errors.take(arguments.freshness.check_function(&parameters, is_async));
        errors.take(
            arguments
                .freshness
                .check_kind(kind, arguments.builder.is_some()),
        );
        let body = item.block.to_token_stream();
        let is_recursive = calls_itself(body, &item.sig.ident, is_associated);
        errors.finish().map(|()| Self {
            is_async,
            parameters,
            returned,
            kind,
            is_associated,
            has_cache_per_self: is_associated && !is_skipped("Self"),
            scope,
            is_recursive,
            item,
        })
    }

    /// Whether a load runs in its caller: it is sync, or it borrows from the caller.
    pub(crate) fn runs_in_caller(&self) -> bool {
        !self.is_async || self.is_scoped()
    }

    /// Whether only the caller can drive a load, because the load borrows from it.
    pub(crate) fn is_scoped(&self) -> bool {
        let mut parameters = self.parameters.iter();
        parameters.any(|parameter| parameter.passing == Passing::Borrowed)
    }

    /// The parameters that are parts of the key.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Parameter> {
        let parameters = self.parameters.iter();
        parameters.filter(|parameter| parameter.role == Role::Part)
    }

    /// The parameters that the key is computed from.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Parameter> {
        let parameters = self.parameters.iter();
        parameters.filter(|parameter| parameter.role != Role::Skipped)
    }

    /// The `#[cfg(…)]` of the function, which the companions need too.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        let attributes = self.item.attrs.iter();
        attributes.filter(|attribute| is_cfg(attribute))
    }
}

/// Parses the annotated item.
///
/// # Errors
/// If it is not a function, or has no body.
pub(crate) fn item(tokens: TokenStream) -> Result<ItemFn> {
    let mut item: ItemFn = match syn::parse2(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            if let Ok(declared) = syn::parse2::<TraitItemFn>(tokens.clone()) {
                let message = "`#[cached]` needs a function with a body: put it on an inherent \
                               method, and call that from the `impl` of the trait";
                return Err(Error::new_spanned(&declared.sig.ident, message));
            }
            let message = match syn::parse2::<Item>(tokens) {
                Ok(Item::Impl(_) | Item::Trait(_)) => {
                    "`#[cached]` is for functions: put it on each method to be cached"
                }
                Ok(_) => "`#[cached]` is for functions, and this is not a function",
                Err(_) => return Err(error),
            };
            return Err(Error::new(error.span(), message));
        }
    };
    // An inner attribute, as `//!` in the body, moves in front of the function.
    for attribute in &mut item.attrs {
        attribute.style = AttrStyle::Outer;
    }
    Ok(item)
}

/// Whether a type parameter is the type of an argument that the key's expression uses. The user
/// says that the key determines the result, so the type of that argument does not matter.
fn is_covered_by_key(name: &Ident, parameters: &[Parameter], arguments: &Arguments) -> bool {
    let Some(Key::Expression(expression)) = &arguments.key else {
        return false;
    };
    let mut parameters = parameters.iter();
    parameters.any(|parameter| {
        let is_its_type = match parameter.inner() {
            Type::Path(path) => path.path.is_ident(name),
            _ => false,
        };
        parameter.role == Role::Input && is_its_type && parameter.is_used_by(expression)
    })
}

/// Sets the role of each parameter.
fn assign_roles(parameters: &mut [Parameter], arguments: &Arguments) -> Result<()> {
    match &arguments.key {
        None => {}
        Some(Key::Names(names)) => {
            for parameter in &mut *parameters {
                if !parameter.is_among(names) {
                    parameter.role = Role::Skipped;
                }
            }
        }
        Some(Key::Expression(expression)) => assign_inputs(expression, parameters),
    }
    for parameter in &mut *parameters {
        let skip = arguments.skip.as_ref();
        if skip.is_some_and(|names| parameter.is_among(names)) {
            parameter.role = Role::Skipped;
        }
    }
    let mut parts = parameters.iter().filter(|found| found.role == Role::Part);
    match parts.nth(MAX_PARTS) {
        None => Ok(()),
        Some(beyond) => {
            let message = format!(
                "a key has at most {MAX_PARTS} parts: group some arguments in a struct, skip some, \
                 or use `key = \"…\"`"
            );
            Err(Error::new_spanned(&beyond.ty, message))
        }
    }
}

/// Makes all parameters inputs of the key's expression. The receiver only if the expression uses
/// it: otherwise `invalidate` would need a `self`.
fn assign_inputs(expression: &Expr, parameters: &mut [Parameter]) {
    let uses_self = mentions_self(expression.to_token_stream());
    for parameter in parameters {
        parameter.role = if parameter.is_receiver() && !uses_self {
            Role::Skipped
        } else {
            Role::Input
        };
    }
}

/// Whether a function uses `Self`, so that it must be in an `impl` or a trait. The items in its
/// body do not count: they may have a `Self` of their own.
fn uses_self_type(item: &ItemFn) -> bool {
    #[derive(Default)]
    struct Finder(bool);

    impl<'ast> Visit<'ast> for Finder {
        fn visit_ident(&mut self, ident: &'ast Ident) {
            self.0 |= ident == "Self";
        }

        fn visit_macro(&mut self, found: &'ast Macro) {
            self.0 |= mentions(found.tokens.clone(), "Self");
        }

        fn visit_item(&mut self, _: &'ast Item) {}
    }

    let mut finder = Finder::default();
    finder.visit_signature(&item.sig);
    finder.visit_block(&item.block);
    finder.0
}
