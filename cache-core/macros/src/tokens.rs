//! Looking into tokens, also where a macro call hides them from the parser.

use std::iter::Peekable;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Group, Ident, Spacing, TokenStream, TokenTree};

/// Whether a name stands anywhere in the tokens.
pub(crate) fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

/// Whether the value `self` stands anywhere in the tokens.
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

/// The tokens, with another name for the value `self`.
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

/// Whether `token` is the value `self`, and not the module in `self::…`: what follows tells.
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
    fn only_the_value_self_gets_another_name() {
        let tokens = quote!((self.id, format!("{}", self), self::hash(myself), Self::SALT));
        let renamed = rename_self(tokens, &format_ident!("it"));
        let expected = quote!((it.id, format!("{}", it), self::hash(myself), Self::SALT));
        assert_eq!(renamed.to_string(), expected.to_string());
    }

    #[test]
    fn a_module_is_no_value() {
        assert!(mentions_self(quote!(format!("{}", self.id))));
        assert!(!mentions_self(quote!(self::hash(id))));
        assert!(mentions(quote!(vec![Self::new()]), "Self"));
    }
}
