use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// Why a query or a change failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShopError {
    /// The database returned an error.
    Database(rusqlite::Error),
    /// The file could not be written, replaced or removed.
    File(PathBuf, std::io::Error),
    /// The file was not created by this program. It is left unchanged.
    NotOurs(PathBuf),
    /// There is no user with this number.
    NoSuchUser(u64),
    /// There is no product with this number.
    NoSuchProduct(u64),
    /// No user lives in this city.
    NoSuchCity(String),
    /// The thread that ran the query panicked, or the runtime is shutting down.
    Interrupted,
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(_) => write!(f, "the database returned an error"),
            Self::File(path, _) => write!(f, "cannot replace {}", path.display()),
            Self::NotOurs(path) => {
                write!(
                    f,
                    "{} exists and is not a database of these examples; it is left unchanged",
                    path.display()
                )
            }
            Self::NoSuchUser(user) => write!(f, "there is no user {user}"),
            Self::NoSuchProduct(product) => write!(f, "there is no product {product}"),
            Self::NoSuchCity(city) => write!(f, "no user lives in {city:?}"),
            Self::Interrupted => write!(f, "the query was interrupted"),
        }
    }
}

impl Error for ShopError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            Self::File(_, error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for ShopError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}
