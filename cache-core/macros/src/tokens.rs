//! Searches and replaces names in tokens, also inside of macro calls, which the parser does not
//! read.

use std::iter::Peekable;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};
use quote::quote;

/// Whether the tokens contain this name.
pub(crate) fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

/// Whether the tokens contain the value `self`.
pub(crate) fn mentions_self(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match &token {
            TokenTree::Group(group) => mentions_self(group.stream()),
            token => is_value_self(token, &mut tokens),
        };
        if found {
            return true;
        }
    }
    false
}

/// Renames the value `self` in the tokens.
pub(crate) fn rename_self(tokens: TokenStream, name: &Ident) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut renamed = TokenStream::new();
    while let Some(token) = tokens.next() {
        let token = match token {
            TokenTree::Group(group) => {
                let inside = rename_self(group.stream(), name);
                let mut renamed = Group::new(group.delimiter(), inside);
                renamed.set_span(group.span());
                TokenTree::Group(renamed)
            }
            token if is_value_self(&token, &mut tokens) => TokenTree::Ident(name.clone()),
            other => other,
        };
        renamed.extend([token]);
    }
    renamed
}

/// Whether the body of a function calls the function: by its name, a method by `self` or `Self`.
pub(crate) fn calls_itself(tokens: TokenStream, name: &Ident, is_associated: bool) -> bool {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let is_punct = |at: Option<usize>, punct: &[char]| {
        let token = at.and_then(|at| tokens.get(at));
        matches!(token, Some(TokenTree::Punct(found)) if punct.contains(&found.as_char()))
    };
    let is_self = |at: Option<usize>| {
        let token = at.and_then(|at| tokens.get(at));
        matches!(token, Some(TokenTree::Ident(ident)) if ident == "self" || ident == "Self")
    };
    let is_clone = |at: Option<usize>| {
        let token = at.and_then(|at| tokens.get(at));
        matches!(token, Some(TokenTree::Ident(ident)) if ident == "clone")
    };
    let is_call = |at: usize| {
        let is_own = if is_associated {
            is_punct(at.checked_sub(1), &['.'])
                && (is_self(at.checked_sub(2)) || is_clone(at.checked_sub(3)))
                || is_punct(at.checked_sub(1), &[':']) && is_self(at.checked_sub(3))
        } else {
            !is_punct(at.checked_sub(1), &['.', ':'])
        };
        let is_called = match tokens.get(at + 1) {
            Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Parenthesis,
            _ => is_punct(Some(at + 1), &[':']) && is_punct(Some(at + 2), &[':']),
        };
        is_own && is_called
    };
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Ident(ident) => ident == name && is_call(at),
        TokenTree::Group(group) => calls_itself(group.stream(), name, is_associated),
        _ => false,
    })
}

/// Replaces each of `names` in the arguments of a macro by `(*name)`.
pub(crate) fn dereferenced(tokens: TokenStream, names: &[Ident]) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut is_field = false;
    let mut changed = TokenStream::new();
    while let Some(token) = tokens.next() {
        let is_assigned = match tokens.peek() {
            Some(TokenTree::Punct(next)) => {
                next.as_char() == '=' && next.spacing() == Spacing::Alone
            }
            _ => false,
        };
        let follows_dot =
            matches!(&token, TokenTree::Punct(punct) if ['.', ':'].contains(&punct.as_char()));
        match token {
            TokenTree::Ident(name) if names.contains(&name) && !is_field && !is_assigned => {
                changed.extend(quote!((*#name)));
            }
            TokenTree::Group(group) => {
                let inside = dereferenced(group.stream(), names);
                let mut group_changed = Group::new(group.delimiter(), inside);
                group_changed.set_span(group.span());
                changed.extend([TokenTree::Group(group_changed)]);
            }
            other => changed.extend([other]),
        }
        is_field = follows_dot;
    }
    changed
}

/// Whether `token` is the value `self`. It is the module if `::` follows.
fn is_value_self(token: &TokenTree, following: &mut Peekable<IntoIter>) -> bool {
    let TokenTree::Ident(ident) = token else {
        return false;
    };
    let is_path = match following.peek() {
        Some(TokenTree::Punct(next)) => next.as_char() == ':' && next.spacing() == Spacing::Joint,
        _ => false,
    };
    ident == "self" && !is_path
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::{format_ident, quote};

    #[test]
    fn rename_self_renames_the_value_and_not_the_module() {
        let tokens = quote!((self.id, format!("{}", self), self::hash(myself), Self::SALT));
        let renamed = rename_self(tokens, &format_ident!("it"));
        let expected = quote!((it.id, format!("{}", it), self::hash(myself), Self::SALT));
        assert_eq!(renamed.to_string(), expected.to_string());
    }

    #[test]
    fn a_function_that_calls_itself_is_found() {
        let fib = format_ident!("fib");
        let free = |tokens| calls_itself(tokens, &fib, false);
        assert!(free(quote!({ join!(a, fib(1)) })) && free(quote!(fib::<u8>(1))));
        assert!(free(quote!(fib::refresh(1))) && free(quote!(!fib(1))));
        assert!(!free(quote!(self.fib(1))) && !free(quote!(other::fib(1))));
        assert!(!free(quote!(fib + 1)) && !free(quote!(fib)) && !free(quote!(fib { a: 1 })));
        let method = |tokens| calls_itself(tokens, &fib, true);
        assert!(method(quote!({ self.fib(1) })) && method(quote!(Self::fib(1))));
        assert!(method(quote!(self.fib::<u8>(1))) && method(quote!(self.clone().fib(1))));
        assert!(!method(quote!(fib(1))) && !method(quote!(self.client.fib(1))));
        assert!(!method(quote!(other.fib(1))) && !method(quote!(Other::fib(1))));
    }

    #[test]
    fn names_are_dereferenced_only_as_values() {
        let names = [format_ident!("a")];
        let tokens = quote!("{a}", a, b.a, [a == 1], a = a, m::a, Some(a));
        let expected = quote!("{a}", (*a), b.a, [(*a) == 1], a = (*a), m::a, Some((*a)));
        assert_eq!(
            dereferenced(tokens, &names).to_string(),
            expected.to_string()
        );
    }

    #[test]
    fn the_module_self_is_not_the_value_self() {
        assert!(mentions_self(quote!(format!("{}", self.id))));
        assert!(!mentions_self(quote!(self::hash(id))));
        assert!(mentions(quote!(vec![Self::new()]), "Self"));
    }
}
