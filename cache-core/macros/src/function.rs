//! The function: read once, refused where it cannot be cached.

use darling::{Error, Result};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Expr, GenericParam, Ident, Item, ItemFn, Macro, ReturnType, Type, parse_quote};

use crate::arguments::{Arguments, Key, Names};
use crate::parameter::{Parameter, Passing, Role, first_borrow, impl_trait};
use crate::tokens::{mentions, mentions_self};

/// The tuples that hash and compare have at most this many parts.
const MAX_PARTS: usize = 8;

/// A function that can be cached.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) item: ItemFn,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returned: Type,
    pub(crate) kind: Kind,
    /// Whether it stands in an `impl`.
    pub(crate) is_associated: bool,
}

/// What of a returned value is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All of it.
    Plain,
    /// What is `Ok`.
    Result,
    /// What is `Some`.
    Option,
}

impl Function {
    /// # Errors
    /// Every reason for which the function cannot be cached.
    pub(crate) fn parse(item: TokenStream, arguments: &Arguments) -> Result<Self> {
        let item: ItemFn = syn::parse2(item)?;
        let mut errors = Error::accumulator();
        errors.handle(check_signature(&item));
        let returned = match &item.sig.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        errors.handle(check_returned(&returned));
        let inputs = item.sig.inputs.iter().enumerate();
        let mut parameters: Vec<_> = inputs
            .map(|(position, written)| Parameter::new(written, position))
            .collect();
        errors.handle(assign_roles(&mut parameters, arguments));
        let cloned = arguments.clone.as_ref();
        errors.handle(check_names(&parameters, cloned));
        for parameter in &mut parameters {
            let cloned = cloned.is_some_and(|names| names.0.contains(&parameter.name));
            errors.handle(parameter.settle(cloned));
        }
        let is_method = parameters.first().is_some_and(Parameter::is_receiver);
        let is_associated = is_method || arguments.associated.is_present() || names_self(&item);
        errors.finish_with(Self {
            item,
            parameters,
            returned,
            kind: match (arguments.result.is_present(), arguments.option.is_present()) {
                (true, _) => Kind::Result,
                (_, true) => Kind::Option,
                _ => Kind::Plain,
            },
            is_associated,
        })
    }

    /// Whether its loads cannot leave the caller.
    pub(crate) fn is_inline(&self) -> bool {
        let mut parameters = self.parameters.iter();
        parameters.any(|parameter| parameter.passing == Passing::Borrowed)
    }

    /// The parameters that make up its key.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Parameter> {
        let parameters = self.parameters.iter();
        parameters.filter(|parameter| parameter.role == Role::Part)
    }

    /// The parameters that its key is made from.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Parameter> {
        let parameters = self.parameters.iter();
        parameters.filter(|parameter| parameter.role != Role::Skipped)
    }

    /// Its type parameters, by name.
    pub(crate) fn type_parameters(&self) -> Vec<&Ident> {
        let parameters = self.item.sig.generics.type_params();
        parameters.map(|parameter| &parameter.ident).collect()
    }
}

fn check_signature(item: &ItemFn) -> Result<()> {
    let sig = &item.sig;
    let refuse = |span, message: &str| Err(Error::custom(message).with_span(&span));
    if sig.asyncness.is_none() {
        let message = "`#[cached]` is for async functions: this one is not `async`";
        return refuse(sig.fn_token.span(), message);
    }
    if let Some(token) = &sig.unsafety {
        return refuse(token.span(), "`#[cached]` is not for unsafe functions");
    }
    for parameter in &sig.generics.params {
        if let GenericParam::Const(parameter) = parameter {
            let message = "`#[cached]` functions have no const parameters: make it an argument, \
                           or a const parameter of the method's type";
            return refuse(parameter.span(), message);
        }
    }
    Ok(())
}

fn check_returned(returned: &Type) -> Result<()> {
    if let Some(span) = impl_trait(returned) {
        let message = "what is cached needs a type with a name, and `impl Trait` has none";
        return Err(Error::custom(message).with_span(&span));
    }
    if let Some(span) = first_borrow(returned) {
        let message = "what is cached outlives the call: return it owned, or in an `Arc`";
        return Err(Error::custom(message).with_span(&span));
    }
    Ok(())
}

/// Says what each parameter has to do with the key.
fn assign_roles(parameters: &mut [Parameter], arguments: &Arguments) -> Result<()> {
    check_names(parameters, arguments.skip.as_ref())?;
    match &arguments.key {
        None => {}
        Some(Key::Names(names)) => {
            check_names(parameters, Some(names))?;
            for parameter in &mut *parameters {
                if !names.0.contains(&parameter.name) {
                    parameter.role = Role::Skipped;
                }
            }
        }
        Some(Key::Expression(expression)) => inputs_of(expression, parameters),
    }
    for parameter in &mut *parameters {
        let skip = arguments.skip.as_ref();
        if skip.is_some_and(|names| names.0.contains(&parameter.name)) {
            parameter.role = Role::Skipped;
        }
    }
    let mut parts = parameters.iter().filter(|found| found.role == Role::Part);
    match parts.nth(MAX_PARTS) {
        None => Ok(()),
        Some(beyond) => {
            let message = format!(
                "a key has at most {MAX_PARTS} parts: group some arguments in a struct, skip some, \
                 or give `key = \"…\"`"
            );
            Err(Error::custom(message).with_span(&beyond.ty))
        }
    }
}

/// A key's expression may use all parameters; the receiver only if it says so.
fn inputs_of(expression: &Expr, parameters: &mut [Parameter]) {
    let of_self = mentions_self(expression.to_token_stream());
    for parameter in parameters {
        parameter.role = if parameter.is_receiver() && !of_self {
            Role::Skipped
        } else {
            Role::Input
        };
    }
}

fn check_names(parameters: &[Parameter], names: Option<&Names>) -> Result<()> {
    let mut errors = Error::accumulator();
    for name in names.iter().flat_map(|names| &names.0) {
        if parameters.iter().any(|parameter| parameter.name == *name) {
            continue;
        }
        let known: Vec<_> = parameters
            .iter()
            .map(|parameter| format!("`{}`", parameter.name))
            .collect();
        let message = match &*known {
            [] => format!("there is no argument `{name}`: the function takes none"),
            _ => format!(
                "there is no argument `{name}`: there is {}",
                known.join(", ")
            ),
        };
        errors.push(Error::custom(message).with_span(name));
    }
    errors.finish()
}

/// Whether a function speaks of `Self`, as only one in an `impl` can. Items in its body may have a
/// `Self` of their own.
fn names_self(item: &ItemFn) -> bool {
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
