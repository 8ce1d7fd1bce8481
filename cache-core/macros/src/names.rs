//! The names that `skip`, `key` and `clone` may use.

use darling::{Error, Result};
use syn::{Generics, Ident};

use crate::arguments::{Arguments, Key, Names};
use crate::generics::declarations;
use crate::parameter::Parameter;

/// What there is to name in a function.
pub(crate) struct Known<'a> {
    parameters: &'a [Parameter],
    /// What tells caches apart: type and const parameters.
    generics: Vec<&'a Ident>,
    has_self_type: bool,
    /// What there is elsewhere, but not on this target.
    absent: &'a [Ident],
}

impl<'a> Known<'a> {
    pub(crate) fn new(
        parameters: &'a [Parameter],
        generics: &'a Generics,
        has_self_type: bool,
        absent: &'a [Ident],
    ) -> Self {
        let generics = declarations(generics);
        Self {
            parameters,
            generics,
            has_self_type,
            absent,
        }
    }

    /// # Errors
    /// For each name that means nothing here.
    pub(crate) fn check(&self, arguments: &Arguments) -> Result<()> {
        let mut errors = Error::accumulator();
        let key = match &arguments.key {
            Some(Key::Names(names)) => Some(names),
            _ => None,
        };
        for (names, is_skip) in [(&arguments.skip, true), (&arguments.clone, false)] {
            errors.handle(self.check_names(names.as_ref(), is_skip));
        }
        errors.handle(self.check_names(key, false));
        errors.finish()
    }

    fn check_names(&self, names: Option<&Names>, is_skip: bool) -> Result<()> {
        let mut errors = Error::accumulator();
        let given = names.map_or(&[][..], |names| &names.0);
        for name in given {
            let mut parameters = self.parameters.iter();
            let found = parameters.find(|parameter| parameter.bound.contains(name));
            let is_known = match found {
                Some(parameter) => {
                    errors.handle(whole(parameter, name, given));
                    true
                }
                None => self.absent.contains(name) || is_skip && self.is_generic(name),
            };
            if !is_known {
                errors.push(self.unknown(name));
            }
        }
        errors.finish()
    }

    fn is_generic(&self, name: &Ident) -> bool {
        self.generics.contains(&name) || self.has_self_type && name == "Self"
    }

    fn unknown(&self, name: &Ident) -> Error {
        let bound = self
            .parameters
            .iter()
            .flat_map(|parameter| &parameter.bound);
        let known: Vec<_> = bound.map(|name| format!("`{name}`")).collect();
        let message = match &*known {
            [] if self.parameters.is_empty() => {
                format!("there is no argument `{name}`: the function takes none")
            }
            [] => format!("there is no argument `{name}`: no argument has a name"),
            _ => format!(
                "there is no argument `{name}`: there is {}",
                known.join(", ")
            ),
        };
        Error::custom(message).with_span(name)
    }
}

/// An argument is named whole: by all the names that its pattern binds.
fn whole(parameter: &Parameter, name: &Ident, given: &[Ident]) -> Result<()> {
    if parameter.bound.iter().all(|bound| given.contains(bound)) {
        return Ok(());
    }
    let bound: Vec<_> = parameter
        .bound
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let message = format!(
        "`{name}` is a part of an argument, whose pattern binds {}: name them all, or give \
         `key = \"…\"`, which can use any of them",
        bound.join(", ")
    );
    Err(Error::custom(message).with_span(name))
}
