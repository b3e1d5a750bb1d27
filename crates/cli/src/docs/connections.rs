//! `docs/connections.md`: who may talk to whom, made from the connection table itself.

use std::fmt::Write as _;

use phoenix::config::StackConfig;
use phoenix::connections::{Connection, Peer, Traffic, connections};

/// The page as it is committed: the table of the first stack, with what differs in each of the others.
pub fn markdown(stacks: &[(&str, &StackConfig)]) -> String {
    let Some(((first, config), others)) = stacks.split_first() else {
        return String::new();
    };
    let rows = connections(config);
    let mut text = format!(
        "# Who may talk to whom\n\n\
         <!-- Generated from the connection table by a test; change src/connections.rs, not this file. -->\n\n\
         What is not a row here is refused, twice: by the network policies on both ends, which know pods, addresses and \
         ports, and by the mesh at the target, which knows identities, methods and paths. Routes, sidecars and the \
         mesh's registry come from the same rows.\n\n\
         ## `{first}`\n\n"
    );
    diagram(&mut text, &rows);
    text.push_str("\nWhat the sidecars and the cluster themselves need is left out of the picture.\n\n");
    table(&mut text, &rows);
    for (name, config) in others {
        differences(&mut text, first, &rows, name, &connections(config));
    }
    text
}

fn diagram(text: &mut String, rows: &[Connection]) {
    text.push_str("```mermaid\nflowchart LR\n");
    let mut ends: Vec<&Peer> = Vec::new();
    let mut edges: Vec<(usize, usize, Vec<String>)> = Vec::new();
    for row in rows
        .iter()
        .filter(|row| !matches!(row.traffic, Traffic::Infrastructure { .. }))
    {
        let mut place = |peer| {
            ends.iter().position(|end| *end == peer).unwrap_or_else(|| {
                ends.push(peer);
                ends.len() - 1
            })
        };
        let (from, to) = (place(&row.from), place(&row.to));
        let said = format!(":{} {}", row.port, said(&row.traffic));
        match edges.iter_mut().find(|edge| (edge.0, edge.1) == (from, to)) {
            Some((_, _, lines)) => lines.push(said),
            None => edges.push((from, to, vec![said])),
        }
    }
    for (position, end) in ends.iter().enumerate() {
        // Cylinders keep data, rounded ends are outside the cluster.
        let (open, close) = match end {
            Peer::Workload(workload) if ["qdrant", "redis", "knowledge_graph"].contains(&workload.system) => {
                ("[(", ")]")
            }
            Peer::Outside(_) => ("([", "])"),
            _ => ("[", "]"),
        };
        let _infallible = writeln!(text, "    p{position}{open}\"{}\"{close}", plain(&called(end)));
    }
    for (from, to, lines) in edges {
        let _infallible = writeln!(
            text,
            "    p{from} -- \"{}\" --> p{to}",
            plain(&lines.join("<br/>"))
        );
    }
    text.push_str("```\n");
}

fn table(text: &mut String, rows: &[Connection]) {
    text.push_str("| who | whom | port | what may be said | why |\n|---|---|---|---|---|\n");
    for row in rows {
        let _infallible = writeln!(text, "{}", line(row));
    }
}

fn line(row: &Connection) -> String {
    format!(
        "| {} | {} | {} | {}{} | {} |",
        called(&row.from),
        called(&row.to),
        row.port,
        said(&row.traffic),
        but_not(row),
        row.why
    )
}

fn differences(text: &mut String, first: &str, base: &[Connection], name: &str, rows: &[Connection]) {
    let only = |rows: &[Connection], others: &[Connection]| -> Vec<String> {
        let others: Vec<_> = others.iter().map(line).collect();
        rows.iter()
            .map(line)
            .filter(|line| !others.contains(line))
            .collect()
    };
    let (missing, added) = (only(base, rows), only(rows, base));
    let _infallible = write!(text, "\n## `{name}`\n\n");
    if missing.is_empty() && added.is_empty() {
        let _infallible = writeln!(text, "The same rows as in `{first}`.");
        return;
    }
    for (lines, words) in [(missing, "Not there"), (added, "There instead")] {
        if !lines.is_empty() {
            let _infallible = write!(
                text,
                "{words}, compared with `{first}`:\n\n| who | whom | port | what may be said | why |\n|---|---|---|---|---|\n{}\n\n",
                lines.join("\n")
            );
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
}

/// What people call one end, and where it is.
fn called(peer: &Peer) -> String {
    match peer {
        Peer::Workload(workload) => format!("`{}`", workload.name),
        Peer::EveryWorkload => "every workload of ours".to_owned(),
        Peer::Neighbour(neighbour) => format!("{} in `{}`", neighbour.name, neighbour.namespace),
        // A name that nobody can have stands for one that nobody knows yet.
        Peer::Outside(outside) if outside.host.ends_with(".invalid") => {
            format!("{}, at a host yet to be named", outside.name)
        }
        Peer::Outside(outside) => format!("`{}`", outside.host),
    }
}

/// The paths that a pattern covers and does not mean.
fn but_not(row: &Connection) -> String {
    match row.except().as_slice() {
        [] => String::new(),
        paths => {
            let paths: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
            format!("; not {}", paths.join(", "))
        }
    }
}

fn said(traffic: &Traffic) -> String {
    match traffic {
        Traffic::Http {
            methods,
            paths,
            token,
        } => {
            let methods = if methods.is_empty() {
                "any method".to_owned()
            } else {
                methods.join(", ")
            };
            let paths = if paths.is_empty() {
                "any path".to_owned()
            } else {
                let paths: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
                paths.join(", ")
            };
            let token = if *token { ", with a valid token" } else { "" };
            format!("HTTP: {methods} {paths}{token}")
        }
        Traffic::Tcp => "TCP".to_owned(),
        Traffic::Tls => "TLS, by its server name".to_owned(),
        Traffic::Infrastructure { udp: true } => "UDP and TCP, beside the mesh".to_owned(),
        Traffic::Infrastructure { udp: false } => "TCP, beside the mesh".to_owned(),
    }
}

/// Words without what Markdown marks them with: a diagram would show the marks.
fn plain(words: &str) -> String {
    words.replace(['`', '"'], "")
}
