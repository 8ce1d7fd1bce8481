//! Writes the linker's memory layout for the board on which `emulate.sh` runs the target.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let target = env::var("TARGET").expect("cargo sets the variable");
    let (flash, ram) = match target.split('-').next() {
        Some("thumbv7em") => ("4096K", "4096K"),
        Some("thumbv7m") => ("256K", "64K"),
        Some("thumbv6m") => ("256K", "16K"),
        _ => panic!("there is no emulated board for {target}"),
    };
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets the variable"));
    let memory = format!(
        "MEMORY {{\n  FLASH : ORIGIN = 0x00000000, LENGTH = {flash}\n  RAM : ORIGIN = 0x20000000, LENGTH = {ram}\n}}\n"
    );
    fs::write(out.join("memory.x"), memory).expect("the output directory is writable");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=build.rs");
}
