//! Free loopback ports.
//!
//! Promises: the ports of one call differ from each other and were free a moment ago. It cannot promise
//! that they still are; whoever uses them starts again with others on a clash (see [`is_clash`]).

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context as _, Result};

/// As many free ports as asked for. All are held at once while they are chosen, so no two are the same.
pub fn free<const COUNT: usize>() -> Result<[u16; COUNT]> {
    let mut held = Vec::with_capacity(COUNT);
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port on loopback")?;
        *port = listener
            .local_addr()
            .context("reading the number of a free port")?
            .port();
        held.push(listener);
    }
    Ok(ports)
}

/// Whether every one of these ports can be bound now.
pub fn all_free(ports: &[u16]) -> bool {
    let held: Vec<_> = ports
        .iter()
        .map(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
        .collect();
    held.iter().all(Result::is_ok)
}

/// Whether a log says that a port was taken by someone else in between.
pub fn is_clash(log: &str) -> bool {
    log.contains("address already in use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_one_call_differ_and_are_free() {
        let ports = free::<8>().expect("loopback has free ports");
        let different: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), ports.len());
        assert!(all_free(&ports));
    }

    #[test]
    fn a_port_that_someone_holds_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        assert!(!all_free(&[port]));
        drop(listener);
        assert!(all_free(&[port]));
    }

    #[test]
    fn a_clash_is_recognised_in_the_words_of_the_go_runtime() {
        assert!(is_clash(
            "listen tcp 127.0.0.1:2379: bind: address already in use"
        ));
        assert!(!is_clash("listen tcp 127.0.0.1:2379: bind: permission denied"));
    }
}
