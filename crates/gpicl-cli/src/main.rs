//! The program of the `gpicl` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use gpicl_lab::program::Program;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Program::this() {
        Ok(this) => gpicl_cli::command(std::env::args_os(), &this),
        Err(error) => {
            eprintln!("error: cannot find this program: {error}");
            ExitCode::FAILURE
        }
    }
}
