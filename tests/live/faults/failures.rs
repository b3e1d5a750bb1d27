//! A server that is slow, refuses, fails or is not let in, and a disk that is full: what a person reads, and that the next run converges.

use std::process::Output;
use std::time::Duration;

use super::certificates::Authority;
use super::proxy::{Call, Fate, Proxy};
use super::{disk, edit, goes_on_as_if_nothing_had_happened, how_to, run};
use crate::inventory;
use crate::live::{Live, graph, pods_of, root, said};

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn what_fails_is_named_and_the_next_up_makes_the_stack_whole() {
    let live = Live::up("dev");
    let proxy = Proxy::of(&live);
    destroy(&live);
    a_server_that_fails_is_quoted(&live, &proxy);
    a_write_that_was_done_but_not_answered_is_not_done_twice(&live, &proxy);
    goes_on_as_if_nothing_had_happened(&live, "dev", pods_of(&graph("dev")));
    a_busy_server_is_asked_again(&live, &proxy);
    a_server_that_stays_busy_is_named(&live, &proxy);
    an_expired_certificate_is_named(&live);
    inventory::is_the_state_and_the_graph(&live, &graph("dev"));
    destroy(&live);
    a_full_disk_is_named(&live);
}

fn destroy(live: &Live) {
    let output = run::engine(live, &["destroy"]).output();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(inventory::of_the_cluster(live), inventory::Inventory::new());
}

/// Runs `up` with this rule in force, and expects that it fails with all of these words.
fn fails(live: &Live, proxy: &Proxy, words: &[&str], rule: impl FnMut(&Call) -> Fate + Send + 'static) {
    proxy.obey(live, rule);
    let output = run::engine(live, &["up"]).through(proxy.kubeconfig()).output();
    says(&output, words);
}

fn says(output: &Output, words: &[&str]) {
    assert!(!output.status.success(), "{}", said(output));
    for word in words {
        assert!(
            said(output).contains(word),
            "{word:?} is not in: {}",
            said(output)
        );
    }
    assert!(!said(output).contains("panicked"), "{}", said(output));
}

fn a_server_that_fails_is_quoted(live: &Live, proxy: &Proxy) {
    let words = [
        "sophia-memory/sophia-secrets",
        "etcdserver: mvcc: database space exceeded",
    ];
    fails(live, proxy, &words, |call| {
        if call.write.is_some() && call.path.ends_with("/secrets/sophia-secrets") {
            Fate::Answer(500, None)
        } else {
            Fate::Pass
        }
    });
}

fn a_write_that_was_done_but_not_answered_is_not_done_twice(live: &Live, proxy: &Proxy) {
    let words = ["sophia-memory/qdrant", "etcdserver: request timed out"];
    fails(live, proxy, &words, |call| {
        if call.write.is_some() && call.path.ends_with("/statefulsets/qdrant") {
            Fate::DoneBut(504)
        } else {
            Fate::Pass
        }
    });
    let output = run::engine(live, &["up"]).output();
    assert!(output.status.success(), "{}", said(&output));
}

/// Slow, and every other write refused once with a time to wait: no reason to fail.
fn a_busy_server_is_asked_again(live: &Live, proxy: &Proxy) {
    proxy.obey(live, |call| match call.write {
        Some(write) if write % 2 == 1 => Fate::Answer(429, Some(1)),
        Some(_) => Fate::Pass,
        None => Fate::Wait(Duration::from_millis(150)),
    });
    edit(live, "dev", "auditDays: 7", "auditDays: 9");
    let output = run::engine(live, &["up"]).through(proxy.kubeconfig()).output();
    edit(live, "dev", "auditDays: 9", "auditDays: 7");
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        proxy.writes() >= 2,
        "the rule has met a write, and the write came again"
    );
    inventory::is_the_state_and_the_graph(live, &graph("dev"));
}

fn a_server_that_stays_busy_is_named(live: &Live, proxy: &Proxy) {
    let words = ["sophia-memory/qdrant-config", "too many requests"];
    fails(live, proxy, &words, |call| {
        if call.write.is_some() {
            // The provider asks ten times.
            Fate::Answer(429, Some(1))
        } else {
            Fate::Pass
        }
    });
    let output = run::engine(live, &["up"]).output();
    assert!(output.status.success(), "{}", said(&output));
}

fn an_expired_certificate_is_named(live: &Live) {
    let before = live.versions(&graph("dev"));
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let up = |text: &str| {
        std::fs::write(&kubeconfig, text).unwrap();
        edit(live, "dev", "auditDays: 7", "auditDays: 9");
        let output = run::engine(live, &["up"]).through(&kubeconfig).output();
        edit(live, "dev", "auditDays: 9", "auditDays: 7");
        output
    };

    // The control is a certificate of the same authority that has not expired: with it, the cluster lets us in.
    let authority = Authority::new();
    authority.is_trusted_by(live);
    let words = "the server has asked for the client to provide credentials";
    says(&up(&authority.kubeconfig_of_a_client(live, true)), &[words]);
    // The API server does not tell a client why it is not let in; the page does.
    let page = std::fs::read_to_string(root().join("docs/how-to/deploy-a-stack.md")).unwrap();
    assert!(page.contains(words));
    assert_eq!(live.versions(&graph("dev")), before);
}

fn a_full_disk_is_named(live: &Live) {
    // One object at a time: Pulumi tries half a minute to write each checkpoint, of which there would be many.
    let up = run::engine(live, &["up", "--parallel", "1"]);
    let output = disk::run_on_a_small_one(live, up);
    says(&output, &["no space left on device"]);
    // With room again, the how-to is enough.
    disk::restore_the_state(live, "dev");
    how_to::follow(live, "dev", "up");
    goes_on_as_if_nothing_had_happened(live, "dev", pods_of(&graph("dev")));
}
