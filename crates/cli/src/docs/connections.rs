//! `docs/connections.md`: all allowed connections, generated from the connection table.

use std::fmt::Write as _;

use phoenix::config::StackConfig;
use phoenix::connections::{Connection, Peer, Traffic, connections};

/// The page as it is committed: the table of the first stack, and the differences of the other stacks.
pub fn markdown(stacks: &[(&str, &StackConfig)]) -> String {
    let Some(((first, config), others)) = stacks.split_first() else {
        return String::new();
    };
    let rows = connections(config);
    let mut text = format!(
        "# Allowed connections\n\n\
         <!-- Generated from the connection table by a test; change src/connections.rs, not this file. -->\n\n\
         Connections that are not listed here are denied at two layers: by the network policies at both ends, which \
         match pods, addresses and ports, and by the mesh at the target, which matches identities, methods and paths. \
         Routes, sidecar scopes and the mesh's service registry are derived from the same rows.\n\n\
         ## `{first}`\n\n"
    );
    diagram(&mut text, &rows);
    text.push_str("\nThe diagram omits the connections that sidecars and the cluster itself need.\n\n");
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
        let label = format!(":{} {}", row.port, traffic_label(&row.traffic));
        match edges.iter_mut().find(|edge| (edge.0, edge.1) == (from, to)) {
            Some((_, _, lines)) => lines.push(label),
            None => edges.push((from, to, vec![label])),
        }
    }
    for (position, end) in ends.iter().enumerate() {
        // Cylinders are stores, rounded shapes are outside the cluster.
        let (open, close) = match end {
            Peer::Workload(workload) if ["qdrant", "redis", "knowledge_graph"].contains(&workload.system) => {
                ("[(", ")]")
            }
            Peer::External(_) => ("([", "])"),
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
    text.push_str("| source | target | port | allowed traffic | reason |\n|---|---|---|---|---|\n");
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
        traffic_label(&row.traffic),
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
        let _infallible = writeln!(text, "The same connections as in `{first}`.");
        return;
    }
    for (lines, words) in [(missing, "Removed"), (added, "Added")] {
        if !lines.is_empty() {
            let _infallible = write!(
                text,
                "{words} compared with `{first}`:\n\n| source | target | port | allowed traffic | reason |\n|---|---|---|---|---|\n{}\n\n",
                lines.join("\n")
            );
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
}

/// The name of a peer and its location.
fn called(peer: &Peer) -> String {
    match peer {
        Peer::Workload(workload) => format!("`{}`", workload.name),
        Peer::EveryWorkload => "every Phoenix workload".to_owned(),
        Peer::InCluster(neighbour) => format!("{} in `{}`", neighbour.name, neighbour.namespace),
        // A reserved name is the placeholder for a host that is not yet known.
        Peer::External(outside) if outside.host.ends_with(".invalid") => {
            format!("{}, at a host that is not yet configured", outside.name)
        }
        Peer::External(outside) => format!("`{}`", outside.host),
    }
}

/// The paths that a pattern covers but that are excluded.
fn but_not(row: &Connection) -> String {
    match row.except().as_slice() {
        [] => String::new(),
        paths => {
            let paths: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
            format!("; not {}", paths.join(", "))
        }
    }
}

fn traffic_label(traffic: &Traffic) -> String {
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
        Traffic::Tls => "TLS, identified by SNI".to_owned(),
        Traffic::Infrastructure { udp: true } => "UDP and TCP, outside the mesh".to_owned(),
        Traffic::Infrastructure { udp: false } => "TCP, outside the mesh".to_owned(),
    }
}

/// Text without Markdown markup, which a diagram would display.
fn plain(words: &str) -> String {
    words.replace(['`', '"'], "")
}
