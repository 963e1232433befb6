//! `mainstem config`: every key with default, unit and meaning; the effective values with their sources; or the reference page.

use mainstem_common::config::keys::groups;
use mainstem_common::config::{KeyInfo, Role, Settings, When, refused};

use crate::arguments::Config;
use crate::failure::Failure;
use crate::output::{Output, Table};
use crate::server::configuration::layers;

/// Runs the command.
pub(crate) fn run(arguments: &Config) -> Result<(), Failure> {
    let mut out = Output::stdout();
    if arguments.markdown {
        out.line(reference().trim_end().as_bytes())?;
    } else if arguments.effective {
        effective(arguments, &mut out)?;
    } else {
        list(role(arguments), &mut out)?;
    }
    Ok(out.flush()?)
}

fn role(arguments: &Config) -> Role {
    if arguments.nameserver {
        Role::NameServer
    } else {
        Role::Broker
    }
}

fn list(role: Role, out: &mut Output) -> Result<(), Failure> {
    for group in groups(role) {
        out.line(format!("# {}", group.title).as_bytes())?;
        for info in group.keys {
            out.line(format!("{} = {}", info.name, info.default).as_bytes())?;
            out.line(format!("    {} [{}]", info.meaning, limits(info)).as_bytes())?;
        }
    }
    Ok(())
}

fn limits(info: &KeyInfo) -> String {
    let mut limits = info.kind.allowed();
    if !info.unit.is_empty() {
        limits = format!("{limits}, in {}", info.unit);
    }
    if info.when == When::Live {
        limits.push_str("; may change at run time");
    }
    limits
}

fn effective(arguments: &Config, out: &mut Output) -> Result<(), Failure> {
    let role = role(arguments);
    let loaded = Settings::load(role, &layers(&arguments.configuration, role))?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let mut table = Table::new(&["key", "value", "source"]);
    for (info, effective) in loaded.settings.iter() {
        let value = if effective.value.is_empty() {
            "(worked out at start)"
        } else {
            &effective.value
        };
        table.row(vec![
            info.name.to_owned(),
            value.to_owned(),
            effective.source.to_string(),
        ]);
    }
    Ok(table.print(out)?)
}

/// The reference page, `docs/configuration.md`.
fn reference() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         This page is printed by `mainstem config --markdown`; a test holds it to the table in `common/src/config/keys/`.\n\n\
         A value comes from, each over the one before: the default, the environment (NAMESRV_ADDR), the file (`--config`), `--set key=value`, a\n\
         flag. The file is TOML (`.toml`) or RocketMQ's own properties (`.conf`, `.properties`) with the same keys. `mainstem config --effective`\n\
         prints each value with its source. *Live* keys change at run time by the admin tool's `updateBrokerConfig`; `logLevel` also by SIGHUP,\n\
         which reads the file again.\n\n\
         A key that Apache RocketMQ knows and that has no meaning here is accepted with a warning that says why. An unknown key or a value that\n\
         is not allowed stops the start with the line and what is allowed.\n",
    );
    for role in [Role::Broker, Role::NameServer] {
        if role == Role::NameServer {
            page.push_str("\nIn the file of a standalone process the name server's keys stand in the table `namesrv`: `namesrv.listenPort = 9876`.\n");
        }
        for group in groups(role) {
            page.push_str(&format!(
                "\n## {}\n\n| Key | Default | Allowed | Meaning |\n|---|---|---|---|\n",
                group.title
            ));
            for info in group.keys {
                page.push_str(&row(info));
            }
        }
    }
    page.push_str(
        "\n## Keys that stop the start\n\nThey ask for protection, replication or a storage form that is not built. `--accept-unsupported KEY` starts without it, and every\n\
         start says so.\n\n| Key | Passes with | Reason |\n|---|---|---|\n",
    );
    for key in refused() {
        let off = if key.off.is_empty() {
            "nothing".to_owned()
        } else {
            key.off.join(", ")
        };
        page.push_str(&format!("| `{}` | {off} | {} |\n", key.name, key.reason));
    }
    page
}

fn row(info: &KeyInfo) -> String {
    let default = match (info.default, info.unit) {
        ("", _) => "-".to_owned(),
        (default, "") => format!("`{default}`"),
        (default, unit) => format!("`{default}` {unit}"),
    };
    let live = if info.when == When::Live {
        " *Live.*"
    } else {
        ""
    };
    let allowed = info.kind.allowed().replace('|', "\\|");
    format!(
        "| `{}` | {default} | {allowed} | {}{live} |\n",
        info.name, info.meaning
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap();
        assert!(
            page == super::reference(),
            "write it anew: cargo run -- config --markdown > docs/configuration.md"
        );
    }
}
