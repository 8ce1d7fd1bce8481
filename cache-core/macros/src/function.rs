//! The function: read once, refused where it cannot be cached.

use darling::{Error, Result};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{
    AttrStyle, Attribute, Expr, Ident, Item, ItemFn, Macro, ReturnType, TraitItemFn, Type,
    parse_quote,
};

use crate::arguments::{Arguments, Key};
use crate::borrows::{Lives, first_borrow, impl_trait};
use crate::cfg::{Variant, is_cfg};
use crate::generics::declarations;
use crate::names::Known;
use crate::parameter::{Parameter, Passing, Role};
use crate::tokens::{calls, mentions, mentions_self};

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
    /// Whether each `Self` has a cache of its own.
    pub(crate) has_cache_of_self: bool,
    /// The type and const parameters that tell its caches apart.
    pub(crate) scope: Vec<Ident>,
    /// Whether it calls itself.
    pub(crate) is_recursive: bool,
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
    pub(crate) fn parse(variant: Variant, arguments: &Arguments) -> Result<Self> {
        let Variant { item, absent } = variant;
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
        let is_method = parameters.first().is_some_and(Parameter::is_receiver);
        let is_associated = is_method || arguments.associated.is_present() || names_self(&item);
        let generics = &item.sig.generics;
        let known = Known::new(&parameters, generics, is_associated, &absent);
        errors.handle(known.check(arguments));
        errors.handle(assign_roles(&mut parameters, arguments));
        let lives = Lives::of(generics);
        for parameter in &mut parameters {
            let cloned = arguments.clone.as_ref();
            let cloned = cloned.is_some_and(|names| parameter.is_among(names));
            errors.handle(parameter.settle(cloned, &lives));
        }
        if !is_associated {
            errors.handle(check_holder(
                arguments.name.as_ref().unwrap_or(&item.sig.ident),
            ));
        }
        let is_skipped = |name: &str| {
            let skip = arguments.skip.as_ref();
            skip.is_some_and(|names| names.0.iter().any(|skipped| skipped == name))
        };
        let mut scope = Vec::new();
        for name in declarations(generics) {
            if is_skipped(&name.to_string())
                || lives.has(name) && is_told(name, &parameters, arguments)
            {
                continue;
            }
            if lives.has(name) {
                let message = format!(
                    "each `{name}` has a cache of its own, which lives as long as the program: add \
                     the bound `{name}: 'static`, or `skip({name})`, if what the function returns \
                     does not depend on it"
                );
                errors.push(Error::custom(message).with_span(name));
            }
            scope.push(name.clone());
        }
        let body = item.block.to_token_stream();
        let is_recursive = calls(body, &item.sig.ident, is_associated);
        errors.finish_with(Self {
            parameters,
            returned,
            kind: match (arguments.result.is_present(), arguments.option.is_present()) {
                (true, _) => Kind::Result,
                (_, true) => Kind::Option,
                _ => Kind::Plain,
            },
            is_associated,
            has_cache_of_self: is_associated && !is_skipped("Self"),
            scope,
            is_recursive,
            item,
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

    /// What it is conditional on.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        let attributes = self.item.attrs.iter();
        attributes.filter(|attribute| is_cfg(attribute))
    }
}

/// A function, from its tokens.
///
/// # Errors
/// If it is none, or has no body.
pub(crate) fn item(tokens: TokenStream) -> Result<ItemFn> {
    let mut item: ItemFn = match syn::parse2(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            if let Ok(declared) = syn::parse2::<TraitItemFn>(tokens.clone()) {
                let message = "`#[cached]` is for functions with a body: decorate the method that \
                               does the work, a method of a type";
                return Err(Error::custom(message).with_span(&declared.sig.ident));
            }
            let message = match syn::parse2::<Item>(tokens) {
                Ok(Item::Impl(_) | Item::Trait(_)) => {
                    "`#[cached]` is for functions: decorate each method that it is for"
                }
                Ok(_) => "`#[cached]` is for functions, and this is none",
                Err(_) => return Err(error.into()),
            };
            return Err(Error::custom(message).with_span(&error.span()));
        }
    };
    // What stands inside of the body says the same outside.
    for attribute in &mut item.attrs {
        attribute.style = AttrStyle::Outer;
    }
    Ok(item)
}

fn check_signature(item: &ItemFn) -> Result<()> {
    let sig = &item.sig;
    let refuse = |span, message: &str| Err(Error::custom(message).with_span(&span));
    if sig.asyncness.is_none() {
        let message = match &sig.output {
            ReturnType::Type(_, ty) if mentions(ty.to_token_stream(), "Future") => {
                "`#[cached]` is for async functions: write `async fn`, and the type that the future \
                 has as output"
            }
            _ => "`#[cached]` is for async functions: this one is not `async`",
        };
        return refuse(sig.fn_token.span(), message);
    }
    if let Some(token) = &sig.unsafety {
        let message = "`#[cached]` is not for unsafe functions: decorate a safe one that calls it";
        return refuse(token.span(), message);
    }
    if let Some(abi) = &sig.abi {
        let message =
            "`#[cached]` is for functions of Rust's own ABI: decorate one that this calls";
        return refuse(abi.extern_token.span(), message);
    }
    Ok(())
}

/// What holds the companions is a type, and hides types of its name.
fn check_holder(name: &Ident) -> Result<()> {
    const TAKEN: &[&str] = &[
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8",
        "u16", "u32", "u64", "u128", "usize", "alloc", "core", "std", "Box", "Option", "Result",
        "String", "Vec",
    ];
    let plain = name.unraw();
    if !TAKEN.iter().any(|taken| plain == taken) {
        return Ok(());
    }
    let message = format!(
        "the companions of this function are in a type of its name, and a type named `{plain}` hides \
         the `{plain}` that there is: give the companions another name, as in `name = {}_cache`",
        plain.to_string().to_lowercase()
    );
    Err(Error::custom(message).with_span(name))
}

/// Whether a type parameter is the type of an argument that the key's expression uses: the key says
/// all that matters of such an argument, also of its type.
fn is_told(name: &Ident, parameters: &[Parameter], arguments: &Arguments) -> bool {
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

fn check_returned(returned: &Type) -> Result<()> {
    if let Some(span) = impl_trait(returned) {
        let message = "what is cached needs a type with a name, and `impl Trait` has none: return a \
                       type of your own, or an `Arc<dyn …>`";
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
    match &arguments.key {
        None => {}
        Some(Key::Names(names)) => {
            for parameter in &mut *parameters {
                if !parameter.is_among(names) {
                    parameter.role = Role::Skipped;
                }
            }
        }
        Some(Key::Expression(expression)) => inputs_of(expression, parameters),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_without_safety_is_refused_with_a_remedy() {
        let signature = ["async ", "un", "safe fn f() {}"].concat();
        let item = syn::parse_str(&signature).expect("it is a function");
        let error = check_signature(&item).expect_err("it cannot be cached");
        assert!(
            error
                .to_string()
                .contains("decorate a safe one that calls it")
        );
    }
}
