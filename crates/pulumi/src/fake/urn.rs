//! URNs of resources.

use crate::wire::ROOT_STACK_TYPE;

/// The URN of a resource. It contains the types of the resource's ancestors except the stack's.
///
/// ```
/// use pulumi_wire::fake::urn;
///
/// let root = urn("dev", "shop", None, "pulumi:pulumi:Stack", "shop-dev");
/// let store = urn("dev", "shop", Some(&root), "shop:index:Store", "store");
/// assert_eq!(store, "urn:pulumi:dev::shop::shop:index:Store::store");
/// let disk = urn("dev", "shop", Some(&store), "disk:index:Disk", "data");
/// assert_eq!(disk, "urn:pulumi:dev::shop::shop:index:Store$disk:index:Disk::data");
/// ```
pub fn urn(stack: &str, project: &str, parent: Option<&str>, token: &str, name: &str) -> String {
    let ancestors = parent.map(types).filter(|types| *types != ROOT_STACK_TYPE);
    let types = ancestors.map_or_else(|| token.to_owned(), |ancestors| format!("{ancestors}${token}"));
    format!("urn:pulumi:{stack}::{project}::{types}::{name}")
}

/// The third part of a URN: the types from the outermost ancestor to the resource itself.
fn types(urn: &str) -> &str {
    urn.split("::").nth(2).unwrap_or_default()
}
