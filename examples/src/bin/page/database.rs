//! The database, created on the first run.

use cache_examples::shop::{Found, Shop, create, inspect};
use cache_examples::temporary::TemporaryFile;

use crate::BoxError;
use crate::flags::Flags;

/// The number of concurrent queries, as a small database server would have.
const CONNECTIONS: usize = 4;

/// Opens the shop. The temporary file, if there is one, is removed when it is dropped.
pub(crate) fn open(flags: &Flags) -> Result<(Shop, Option<TemporaryFile>), BoxError> {
    let stock = flags.stock();
    let temporary = match flags.database {
        Some(_) => None,
        None => Some(TemporaryFile::new("cache-page-shop")),
    };
    let path = match (&flags.database, &temporary) {
        (Some(path), _) => path,
        (None, Some(file)) => file.path(),
        (None, None) => unreachable!("there is a file of either kind"),
    };
    if inspect(path)? != Found::Shop(stock) {
        println!(
            "Creating a shop with {} users and {} orders.",
            stock.users, stock.orders
        );
        create(path, stock, &mut |_| ())?;
    }
    Ok((Shop::open(path, CONNECTIONS)?, temporary))
}
