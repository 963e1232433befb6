//! How a command ends when it does not end well: the message on stderr and the exit code. A reader that closed its pipe is no failure.

use std::io;
use std::process::ExitCode;

/// Why a command ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something went wrong; exit code 1.
    Failed(String),
    /// The configuration or the arguments cannot be used, or a store not checked; exit code 2, as for arguments that cannot be read at all.
    Usage(String),
    /// The question was answered by "no" (`status --ready`, `store check`); exit code 1, and the message is already printed.
    No,
    /// Whoever read the output closed it, as `head` does; exit code 0.
    PipeClosed,
}

impl Failure {
    /// A failure with this message.
    pub(crate) fn failed(message: impl ToString) -> Failure {
        Failure::Failed(message.to_string())
    }

    /// Prints the message and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Failure::Failed(message) => {
                eprintln!("mainstem: {message}");
                ExitCode::from(1)
            }
            Failure::Usage(message) => {
                eprintln!("mainstem: {message}");
                ExitCode::from(2)
            }
            Failure::No => ExitCode::from(1),
            Failure::PipeClosed => ExitCode::SUCCESS,
        }
    }
}

/// Errors of writing to stdout: a closed pipe is told apart.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::PipeClosed
        } else {
            Failure::failed(error)
        }
    }
}

impl From<mainstem_common::config::Problems> for Failure {
    fn from(problems: mainstem_common::config::Problems) -> Failure {
        Failure::Usage(problems.to_string())
    }
}
