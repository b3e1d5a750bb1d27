//! Renders Kubernetes objects: a JSON list on stdin becomes YAML on stdout, in the order in which a cluster accepts it.
//!
//! The benchmarks measure it as a whole process.

use std::error::Error;
use std::io::{Read as _, Write as _, stdin, stdout};

use phoenix_graph::{Graph, Object};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = Vec::new();
    stdin().lock().read_to_end(&mut text)?;
    let bodies: Vec<Value> = serde_json::from_slice(&text)?;
    let mut graph = Graph::of("stdin");
    for body in bodies {
        graph.add(Object::from_json("stdin", body)?);
    }
    stdout().lock().write_all(graph.yaml().as_bytes())?;
    // The process ends here; to free every text one by one would be a sixth of its time.
    std::mem::forget(graph);
    Ok(())
}
