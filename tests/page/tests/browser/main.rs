//! Tests in a browser, in one program: they wait for the clock most of the time, so they run side
//! by side.

mod example;
mod figures;
mod rows;
mod screens;
mod server;
