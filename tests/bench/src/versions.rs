//! Which versions are put to the test: the lock file knows.

const LOCK: &str = include_str!("../Cargo.lock");

/// The package's name and version.
pub(crate) fn titled(package: &str) -> String {
    match version(package) {
        Some(version) => format!("{package} {version}"),
        None => package.to_owned(),
    }
}

fn version(package: &str) -> Option<&'static str> {
    let name = format!("\nname = \"{package}\"\n");
    // Where others need older ones, the newest is the one that this workspace needs itself.
    let (_, newest) = LOCK.rsplit_once(&name)?;
    newest
        .lines()
        .next()?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}
