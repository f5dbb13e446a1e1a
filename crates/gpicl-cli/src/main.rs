//! The program of the `gpicl` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use gpicl_lab::program::Program;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gpicl_cli::command(std::env::args_os(), &Program::this())
}
