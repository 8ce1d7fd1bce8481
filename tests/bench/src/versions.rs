//! Which versions are put to the test: the lock file knows.

const LOCK: &str = include_str!("../../../Cargo.lock");

/// The package's name and version.
pub(crate) fn titled(package: &str) -> String {
    match version(package) {
        Some(version) => format!("{package} {version}"),
        None => package.to_owned(),
    }
}

fn version(package: &str) -> Option<&'static str> {
    let name = format!("name = \"{package}\"");
    let mut lines = LOCK.lines().skip_while(|line| *line != name);
    lines
        .nth(1)?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}
