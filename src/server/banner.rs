//! The few lines that a server prints on stdout when it serves: where it listens, where data lies, how durable an acknowledgement is,
//! what to try next. The last line begins with `ready`, which scripts and tests wait for.

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::time::Duration;

/// Lines of a name and its value, then commands to try.
#[derive(Default)]
pub(crate) struct Banner {
    facts: Vec<(&'static str, String)>,
    commands: Vec<String>,
}

impl Banner {
    /// Adds a fact.
    pub(crate) fn fact(&mut self, name: &'static str, value: impl Into<String>) -> &mut Banner {
        self.facts.push((name, value.into()));
        self
    }

    /// Adds a command to try.
    pub(crate) fn command(&mut self, command: impl Into<String>) -> &mut Banner {
        self.commands.push(command.into());
        self
    }

    fn text(&self, title: &str, started_in: Duration) -> String {
        let mut text = format!("{title}\n");
        for (name, value) in &self.facts {
            text.push_str(&format!("  {name:<12} {value}\n"));
        }
        for (n, command) in self.commands.iter().enumerate() {
            let name = if n == 0 { "try" } else { "" };
            text.push_str(&format!("  {name:<12} {command}\n"));
        }
        text.push_str(&format!(
            "ready after {} ms; Ctrl-C stops it\n",
            started_in.as_millis()
        ));
        text
    }

    /// Prints it in one write. A stdout that nobody reads is no reason not to serve.
    pub(crate) fn print(&self, title: &str, started_in: Duration) {
        let mut out = stdout().lock();
        if let Err(error) = out
            .write_all(self.text(title, started_in).as_bytes())
            .and_then(|()| out.flush())
        {
            tracing::warn!(%error, "the start banner could not be printed");
        }
    }
}

/// The program as a person calls it, for commands to copy.
pub(crate) fn program() -> String {
    let name = std::env::args().next().unwrap_or_default();
    if name.is_empty() || name.contains(char::is_whitespace) {
        "mainstem".to_owned()
    } else {
        name
    }
}

/// Commands that show a message making the whole trip.
pub(crate) fn client_commands(name_server: SocketAddr) -> Vec<String> {
    let program = program();
    let option = if name_server.port() == 9876 && name_server.ip().is_loopback() {
        String::new()
    } else {
        format!(" -n {name_server}")
    };
    vec![
        format!("echo hello | {program} produce greetings{option}"),
        format!("{program} consume greetings --until-end{option}"),
        format!("{program} status{option}"),
    ]
}

/// What an acknowledgement means, in words.
pub(crate) fn durability(flush_disk_type: &str) -> &'static str {
    match flush_disk_type {
        "ASYNC_FLUSH" => {
            "ASYNC_FLUSH: a send is acknowledged from the page cache; a power cut can lose the last moments"
        }
        _ => "SYNC_FLUSH: a send is acknowledged when it is on disk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_begins_with_ready() {
        let mut banner = Banner::default();
        banner
            .fact("broker", "127.0.0.1:1")
            .command("mainstem status")
            .command("mainstem topic list");
        let text = banner.text("mainstem 0", Duration::from_millis(7));
        assert!(
            text.lines()
                .last()
                .is_some_and(|line| line.starts_with("ready")),
            "{text}"
        );
        assert_eq!(text.matches("try").count(), 1, "{text}");
    }
}
