//! The number of ready pods, seen at every change and not only now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt as _};
use tokio_stream::StreamExt as _;

use crate::live::Live;

/// Someone who counts until he is asked.
pub struct Count {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Vec<usize>>,
}

impl Count {
    /// Begins to count the pods with this label in the platform's namespace.
    pub fn begin(live: &Live, label: &'static str) -> Self {
        let kubeconfig = live.sandbox().kubeconfig();
        let ends = Arc::new(AtomicBool::new(false));
        let (asked, begun) = (Arc::clone(&ends), Arc::new(AtomicBool::new(false)));
        let begins = Arc::clone(&begun);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
                let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                    .await
                    .unwrap();
                let pods = Api::namespaced(Client::try_from(config).unwrap(), "sophia-memory");
                count(&pods, label, &asked, &begins).await
            })
        });
        while !begun.load(Ordering::SeqCst) {
            assert!(!thread.is_finished(), "nobody counts");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { ends, thread }
    }

    /// The numbers since the beginning, in their order.
    pub fn end(self) -> Vec<usize> {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

async fn count(pods: &Api<Pod>, label: &str, ends: &AtomicBool, begins: &AtomicBool) -> Vec<usize> {
    let list = pods.list(&ListParams::default().labels(label)).await.unwrap();
    let mut ready: std::collections::BTreeSet<String> =
        list.iter().filter(|pod| serves(pod)).map(Pod::name_any).collect();
    let mut numbers = vec![ready.len()];
    let version = list.metadata.resource_version.unwrap();
    let changes = pods
        .watch(&WatchParams::default().labels(label), &version)
        .await
        .unwrap();
    let mut changes = std::pin::pin!(changes);
    begins.store(true, Ordering::SeqCst);
    while !ends.load(Ordering::SeqCst) {
        let Ok(change) = tokio::time::timeout(Duration::from_millis(100), changes.next()).await else {
            continue;
        };
        match change.expect("the watch goes on").unwrap() {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) if serves(&pod) => {
                ready.insert(pod.name_any());
            }
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) | WatchEvent::Deleted(pod) => {
                ready.remove(&pod.name_any());
            }
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(error) => panic!("{error:?}"),
        }
        numbers.push(ready.len());
    }
    numbers
}

/// Whether a pod is ready and nobody has asked it to go.
fn serves(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .into_iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
