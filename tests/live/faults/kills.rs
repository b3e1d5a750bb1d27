//! A process dies at a chosen write of an `up` or a `destroy`; then a person follows the how-to, and all is well.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::processes::{Ground, Victim, family, outlives};
use super::proxy::{Fate, Proxy};
use super::{goes_on_as_if_nothing_had_happened, how_to, run};
use crate::inventory::{self, Inventory};
use crate::live::{Live, graph, pods_of, said};

/// When, as seen from the write that was chosen.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// The API server does not see it any more.
    Before,
    /// The API server has done it and answered, and the provider does not hear that: it is in the cluster and not in the state.
    After,
}

/// Where a process dies. The seed chooses the write.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    verb: &'static str,
    victim: Victim,
    moment: Moment,
    seed: u64,
}

/// A point to be chosen by its seed.
pub const fn point(verb: &'static str, victim: Victim, moment: Moment, seed: u64) -> Point {
    Point {
        verb,
        victim,
        moment,
        seed,
    }
}

/// What a person wants after an interrupted `destroy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// The stack, after all.
    There,
    /// No stack, as before.
    Gone,
}

/// The points of `dev`, by turns in a `destroy` of everything and in an `up` from nothing.
const DEV: [(Point, Wish, Point); 7] = [
    (
        point("destroy", Victim::Engine, Moment::After, 0x01),
        Wish::There,
        point("up", Victim::Engine, Moment::After, 0x02),
    ),
    (
        point("destroy", Victim::Engine, Moment::Before, 0x03),
        Wish::Gone,
        point("up", Victim::Engine, Moment::Before, 0x04),
    ),
    (
        point("destroy", Victim::Provider, Moment::After, 0x05),
        Wish::There,
        point("up", Victim::Provider, Moment::After, 0x06),
    ),
    (
        point("destroy", Victim::Host, Moment::Before, 0x07),
        Wish::Gone,
        point("up", Victim::Host, Moment::After, 0x08),
    ),
    (
        point("destroy", Victim::Engine, Moment::After, 0x09),
        Wish::Gone,
        point("up", Victim::Program, Moment::After, 0x0a),
    ),
    (
        point("destroy", Victim::ApiServer, Moment::After, 0x0b),
        Wish::There,
        point("up", Victim::ApiServer, Moment::After, 0x0c),
    ),
    (
        point("destroy", Victim::Etcd, Moment::After, 0x0d),
        Wish::Gone,
        point("up", Victim::Etcd, Moment::After, 0x0e),
    ),
];

impl Point {
    /// The write at which it happens, out of so many.
    fn write(self, writes: usize) -> usize {
        // The first output of the generator SplitMix64: near seeds give far numbers.
        let mut mixed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        1 + usize::try_from(mixed % writes as u64).unwrap()
    }
}

/// A `destroy` runs the program too, as its how-to says.
fn arguments(verb: &str) -> &'static [&'static str] {
    match verb {
        "destroy" => &["destroy", "--run-program"],
        _ => &["up"],
    }
}

/// Runs the engine until somebody dies at the point, and ends what outlives it.
pub fn interrupt(live: &Live, proxy: &Proxy, stack: &str, point: Point) {
    // Each object is written once at least.
    let chosen = point.write(graph(stack).len());
    eprintln!(
        "{} of {stack}: {:?} dies {:?} write {chosen} (seed {:#x})",
        point.verb, point.victim, point.moment, point.seed
    );
    let ground = Ground::of(live);
    let engine = Arc::new(AtomicI32::new(0));
    let members = Arc::new(Mutex::new(None));
    let rule = {
        let (engine, members) = (Arc::clone(&engine), Arc::clone(&members));
        move |call: &super::proxy::Call| {
            if call.write != Some(chosen) {
                return Fate::Pass;
            }
            let (ground, engine, members) = (ground.clone(), Arc::clone(&engine), Arc::clone(&members));
            eprintln!("  which is {} {}", call.method, call.path);
            let dies = Box::new(move || {
                let engine = engine.load(Ordering::SeqCst);
                *members.lock().unwrap() = Some(family(engine));
                ground.kill(point.victim, engine);
            });
            match point.moment {
                Moment::Before => Fate::Before(dies),
                Moment::After => Fate::After(dies),
            }
        }
    };
    proxy.obey(live, rule);
    let mut running = run::engine(live, arguments(point.verb))
        .through(proxy.kubeconfig())
        .start();
    engine.store(running.pid(), Ordering::SeqCst);
    if point.victim.is_of_the_cluster() {
        // The cluster comes back by itself, while the engine still waits for it.
        while members.lock().unwrap().is_none() && !running.has_ended() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let output = live.phoenix(&["sandbox", "up", stack, "--no-deploy"]);
        assert!(output.status.success(), "{}", said(&output));
        running.ends_or_is_interrupted();
    }
    let output = running.output();
    let members = members.lock().unwrap().take();
    let members = members.unwrap_or_else(|| panic!("there is no write {chosen}: {}", said(&output)));
    // A run that only had to wait for the cluster may succeed in the end.
    assert!(
        point.victim.is_of_the_cluster() || !output.status.success(),
        "{}",
        said(&output)
    );
    eprintln!("  which ended with {}", output.status);
    // What is ours ends with the engine. Of the provider, the how-to speaks.
    for pid in members {
        outlives(pid);
    }
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn after_any_process_dies_the_next_up_completes_the_stack() {
    let live = Live::up("dev");
    let proxy = Proxy::of(&live);
    for (in_destroy, wish, in_up) in DEV {
        interrupt(&live, &proxy, "dev", in_destroy);
        if wish == Wish::There {
            how_to::follow(&live, "dev", "up");
            goes_on_as_if_nothing_had_happened(&live, "dev", pods_of(&graph("dev")));
        }
        how_to::follow(&live, "dev", "destroy --run-program");
        assert_eq!(inventory::of_the_cluster(&live), Inventory::new());
        assert_eq!(inventory::of_the_state(&live), Inventory::new());
        assert_eq!(live.pods(), 0);

        interrupt(&live, &proxy, "dev", in_up);
        how_to::follow(&live, "dev", "up");
        goes_on_as_if_nothing_had_happened(&live, "dev", pods_of(&graph("dev")));
    }
}
