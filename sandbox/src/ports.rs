//! Free loopback ports.
//!
//! The ports of one call differ from each other and were free when they were chosen. Another process may take one in the
//! meantime; the caller then retries with other ports (see [`is_conflict`]).

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context as _, Result};

/// `COUNT` different free ports.
pub fn free<const COUNT: usize>() -> Result<[u16; COUNT]> {
    let mut listeners = Vec::with_capacity(COUNT);
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port on loopback")?;
        *port = listener
            .local_addr()
            .context("reading the number of a free port")?
            .port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// Whether all of these ports can be bound now.
pub fn all_free(ports: &[u16]) -> bool {
    let listeners: Vec<_> = ports
        .iter()
        .map(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
        .collect();
    listeners.iter().all(Result::is_ok)
}

/// Whether a log reports that a port was in use.
pub fn is_conflict(log: &str) -> bool {
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
    fn a_port_in_use_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        assert!(!all_free(&[port]));
        drop(listener);
        assert!(all_free(&[port]));
    }

    #[test]
    fn a_conflict_is_recognized_in_the_message_of_the_go_runtime() {
        assert!(is_conflict(
            "listen tcp 127.0.0.1:2379: bind: address already in use"
        ));
        assert!(!is_conflict("listen tcp 127.0.0.1:2379: bind: permission denied"));
    }
}
