//! Checks the names in `skip`, `key` and `clone`.

use syn::{Error, Generics, Ident, Result};

use crate::arguments::{Arguments, Key, Names};
use crate::errors::Errors;
use crate::generics::type_and_const_names;
use crate::parameter::Parameter;

/// The names that these arguments may use.
pub(crate) struct KnownNames<'a> {
    parameters: &'a [Parameter],
    /// The type and const parameters, which only `skip` may use.
    generics: Vec<&'a Ident>,
    has_self_type: bool,
    /// The names that parameters bind on other targets only.
    absent: &'a [Ident],
}

impl<'a> KnownNames<'a> {
    pub(crate) fn new(
        parameters: &'a [Parameter],
        generics: &'a Generics,
        has_self_type: bool,
        absent: &'a [Ident],
    ) -> Self {
        let generics = type_and_const_names(generics);
        Self {
            parameters,
            generics,
            has_self_type,
            absent,
        }
    }

    /// Checks all names.
    ///
    /// # Errors
    /// One for each unknown name, and for each argument that is named in part.
    pub(crate) fn check(&self, arguments: &Arguments) -> Result<()> {
        let mut errors = Errors::default();
        let key = match &arguments.key {
            Some(Key::Names(names)) => Some(names),
            _ => None,
        };
        for (names, is_skip) in [(&arguments.skip, true), (&arguments.clone, false)] {
            errors.take(self.check_names(names.as_ref(), is_skip));
        }
        errors.take(self.check_names(key, false));
        errors.finish()
    }

    fn check_names(&self, names: Option<&Names>, is_skip: bool) -> Result<()> {
        let mut errors = Errors::default();
        let given = names.map_or(&[][..], |names| &names.0);
        for name in given {
            let mut parameters = self.parameters.iter();
            let found = parameters.find(|parameter| parameter.bound.contains(name));
            let is_known = match found {
                Some(parameter) => {
                    errors.take(check_whole(parameter, name, given));
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
                format!("unknown argument `{name}`: the function has no arguments")
            }
            [] => format!("unknown argument `{name}`: no argument has a name"),
            _ => format!(
                "unknown argument `{name}`: the function has {}",
                known.join(", ")
            ),
        };
        Error::new_spanned(name, message)
    }
}

/// Reports an argument that is named in part: `skip`, `key` and `clone` apply to whole arguments.
fn check_whole(parameter: &Parameter, name: &Ident, given: &[Ident]) -> Result<()> {
    if parameter.bound.iter().all(|bound| given.contains(bound)) {
        return Ok(());
    }
    let bound: Vec<_> = parameter
        .bound
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let message = format!(
        "`{name}` is only a part of an argument, whose pattern binds {}: list all of these, or use \
         `key = \"…\"`, whose expression may use any of them",
        bound.join(", ")
    );
    Err(Error::new_spanned(name, message))
}
