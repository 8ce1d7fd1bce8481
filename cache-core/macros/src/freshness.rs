//! The arguments about refreshes, and about values that are returned after their time to live.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, Result};

use crate::arguments::Ttl;
use crate::duration::DurationArg;
use crate::kind::Kind;
use crate::parameter::{Parameter, Passing};

/// The arguments that a user gave.
#[derive(Default)]
pub(crate) struct Freshness {
    pub(crate) refresh_after: Option<DurationArg>,
    pub(crate) stale_while_revalidate: Option<DurationArg>,
    pub(crate) stale_if_error: Option<DurationArg>,
    pub(crate) stale_if_slow: Option<DurationArg>,
    pub(crate) ttl_jitter: Option<Expr>,
}

impl Freshness {
    /// Reports combinations that cannot work, whatever the function is. A `builder` may set what is
    /// missing here.
    pub(crate) fn check(&self, ttl: Option<&Ttl>, has_builder: bool) -> Result<()> {
        let lifetime = ttl.and_then(Ttl::literal);
        if let (Some(after), Some(lifetime)) = (&self.refresh_after, lifetime)
            && after.literal().is_some_and(|after| after >= lifetime)
        {
            return Err(after.error(format_args!(
                "`refresh_after` is {}, but it must be shorter than the ttl of {lifetime:?}",
                after.shown()
            )));
        }
        if has_builder {
            return Ok(());
        }
        let windows = [
            ("stale_while_revalidate", &self.stale_while_revalidate),
            ("stale_if_error", &self.stale_if_error),
            ("stale_if_slow", &self.stale_if_slow),
        ];
        for (name, window) in windows {
            if let (Some(window), None) = (window, ttl) {
                let shown = window.shown();
                return Err(window.error(format_args!(
                    "`{name}` is {shown}, but it counts from the end of a `ttl`, and there is none"
                )));
            }
        }
        if let (Some(slow), None) = (&self.stale_if_slow, &self.stale_if_error) {
            return Err(slow.error(format_args!(
                "`stale_if_slow` is {}, but it returns a value that `stale_if_error` keeps, and that \
                 is not given",
                slow.shown()
            )));
        }
        if let (Some(jitter), None) = (&self.ttl_jitter, ttl) {
            let message = format!(
                "`ttl_jitter` is {}, but it shortens a `ttl`, and there is none",
                jitter.to_token_stream().to_string().replace(' ', "")
            );
            return Err(syn::Error::new_spanned(jitter, message));
        }
        Ok(())
    }

    /// Reports refreshes in the background of a load that runs in its caller.
    pub(crate) fn check_function(&self, parameters: &[Parameter], is_async: bool) -> Result<()> {
        let Some((name, window)) = self.refreshing() else {
            return Ok(());
        };
        let mut parameters = parameters.iter();
        let borrowed = parameters.find(|found| found.passing == Passing::Borrowed);
        let (reason, help) = match borrowed {
            _ if !is_async => (
                "a load of a function that is not async runs in its caller".to_owned(),
                "make the function async".to_owned(),
            ),
            None => return Ok(()),
            Some(borrowed) => {
                let name = &borrowed.name;
                let help = if borrowed.is_receiver() {
                    "add `clone(self)`, or take `self: Arc<Self>`".to_owned()
                } else {
                    format!("add `clone({name})`, or pass an owned value")
                };
                let name = if borrowed.is_receiver() {
                    "self".to_owned()
                } else {
                    name.to_string()
                };
                (format!("the load borrows `{name}` from its caller"), help)
            }
        };
        Err(window.error(format_args!(
            "`{name}` is {}, but no task can refresh a value of this function in the background: \
             {reason}; {help}",
            window.shown()
        )))
    }

    /// Reports a value that is kept for failures which a function cannot have.
    pub(crate) fn check_kind(&self, kind: Kind, has_builder: bool) -> Result<()> {
        match &self.stale_if_error {
            Some(window) if !kind.has_errors() && self.stale_if_slow.is_none() && !has_builder => {
                Err(window.error(format_args!(
                    "`stale_if_error` is {}, but this function returns no `Result`: it needs \
                     `stale_if_slow`, or `result` if the returned type is an alias of a `Result`",
                    window.shown()
                )))
            }
            _ => Ok(()),
        }
    }

    /// An argument that lets the cache refresh values in the background.
    pub(crate) fn refreshing(&self) -> Option<(&'static str, &DurationArg)> {
        let after = self.refresh_after.as_ref();
        let revalidate = self.stale_while_revalidate.as_ref();
        after
            .map(|after| ("refresh_after", after))
            .or_else(|| revalidate.map(|window| ("stale_while_revalidate", window)))
    }
}

/// The calls of the builder.
impl ToTokens for Freshness {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            refresh_after,
            stale_while_revalidate,
            stale_if_error,
            stale_if_slow,
            ttl_jitter,
        } = self;
        let after = refresh_after.iter();
        let revalidate = stale_while_revalidate.iter();
        let (error, slow) = (stale_if_error.iter(), stale_if_slow.iter());
        let jitter = ttl_jitter.iter();
        tokens.extend(quote! {
            #(.refresh_after(#after))*
            #(.stale_while_revalidate(#revalidate))*
            #(.stale_if_error(#error))*
            #(.stale_if_slow(#slow))*
            #(.ttl_jitter(#jitter))*
        });
    }
}
