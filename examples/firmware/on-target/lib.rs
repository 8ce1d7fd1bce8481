//! Tests that run on emulated microcontrollers: each is a program of its own, under `tests`.

#![no_std]
