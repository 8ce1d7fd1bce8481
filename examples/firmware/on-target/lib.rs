//! Tests that run on emulated microcontrollers. Each is a program of its own under `tests`.

#![no_std]
