//! The versions of the packages under test, from the lock file.

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
    // If other packages need older versions, the newest is the one that this workspace depends on.
    let (_, newest) = LOCK.rsplit_once(&name)?;
    newest
        .lines()
        .next()?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}
