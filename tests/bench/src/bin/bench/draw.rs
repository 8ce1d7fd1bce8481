//! The command line of `bench draw`: which figures to draw, and where the pictures go.

use std::error::Error;
use std::path::PathBuf;

use cache_bench::document::Document;
use cache_bench::draw::draw;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Files written with --json
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
    /// The folder for the pictures
    #[arg(long, value_name = "FOLDER", default_value = "docs/pictures")]
    to: PathBuf,
}

impl Flags {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        for file in &self.files {
            let document =
                Document::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            for picture in draw(&document, &self.to)? {
                println!("{}", picture.display());
            }
        }
        Ok(())
    }
}
