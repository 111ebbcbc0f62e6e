//! For this crate's tests, what `noren` is for users: the fabric's process, and with `enter` a
//! program at a place.

use std::{io::Write, process::ExitCode};

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [enter, entrance, files, program, arguments @ ..] if enter == "enter" => {
            let run = || {
                let (entrance, files) =
                    (serde_json::from_str::<netns::Entrance>(entrance)?, serde_json::from_str(files)?);
                let mut command = std::process::Command::new(program);
                command.args(arguments);
                entrance.run(&files, command)
            };
            let status = run().inspect_err(|error| {
                // Nobody can be told that standard error is gone.
                let _ = writeln!(std::io::stderr(), "{error}");
            });
            let code = status.ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        _ => netns::fabric_main(),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
