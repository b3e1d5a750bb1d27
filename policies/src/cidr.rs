//! Sets of addresses and of ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net};

/// Addresses at which clouds serve metadata, credentials of nodes or credentials of pods.
pub const METADATA: [IpAddr; 12] = [
    v4(169, 254, 169, 254),             // AWS, Google Cloud, Azure, Oracle Cloud, OpenStack
    v4(169, 254, 170, 2),               // AWS: credentials of ECS tasks
    v4(169, 254, 170, 23),              // AWS: EKS Pod Identity
    v4(169, 254, 0, 23),                // Tencent Cloud
    v4(169, 254, 42, 42),               // Scaleway
    v4(168, 63, 129, 16),               // Azure: configuration and certificates of nodes
    v4(100, 100, 100, 200),             // Alibaba Cloud
    v4(192, 0, 0, 192),                 // Oracle Cloud
    v6(0xfd00, 0x0ec2, 0, 0x0254),      // AWS
    v6(0xfd00, 0x0ec2, 0, 0x0023),      // AWS: EKS Pod Identity
    v6(0xfd20, 0x00ce, 0, 0x0254),      // Google Cloud
    v6(0xfd00, 0x00c1, 0xa9fe, 0xa9fe), // Oracle Cloud
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(first: u16, second: u16, seventh: u16, eighth: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(first, second, 0, 0, 0, 0, seventh, eighth))
}

/// The block of addresses that Kubernetes reads from a text: leading zeros are ignored, and an IPv4 block in IPv6 notation
/// (`::ffff:10.0.0.0/104`) is an IPv4 block.
pub fn parse_block(text: &str) -> Option<IpNet> {
    let block: IpNet = if text.contains(':') {
        text.parse().ok()?
    } else {
        let (address, length) = text.split_once('/')?;
        let numbers: Vec<_> = address
            .split('.')
            .map(|part| match part.trim_start_matches('0') {
                "" if !part.is_empty() => "0",
                number => number,
            })
            .collect();
        format!("{}/{length}", numbers.join(".")).parse().ok()?
    };
    if let IpNet::V6(block) = block
        && let Some(address) = block.addr().to_ipv4_mapped()
        && let Some(length) = block.prefix_len().checked_sub(96)
    {
        return Ipv4Net::new(address, length).ok().map(IpNet::V4);
    }
    Some(block)
}

/// A set of numbers: inclusive ranges in ascending order, which neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// Adds all numbers from `first` to `last`.
    pub fn add(&mut self, first: u128, last: u128) {
        self.0.push((first, last));
        self.0.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(self.0.len());
        for (first, last) in self.0.drain(..) {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        self.0 = merged;
    }

    /// Removes all numbers from `first` to `last`.
    pub fn remove(&mut self, first: u128, last: u128) {
        let parts = self.0.drain(..).flat_map(|(from, to)| {
            let before = (from < first).then(|| (from, to.min(first.saturating_sub(1))));
            let after = (to > last).then(|| (from.max(last.saturating_add(1)), to));
            [before, after]
        });
        self.0 = parts.flatten().collect();
    }

    /// Adds another set.
    pub fn union(&mut self, other: &Self) {
        for (first, last) in &other.0 {
            self.add(*first, *last);
        }
    }

    /// Whether the set contains a number.
    pub fn contains(&self, number: u128) -> bool {
        self.0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// How many numbers the set contains.
    pub fn count(&self) -> u128 {
        let sizes = self
            .0
            .iter()
            .map(|(first, last)| (last - first).saturating_add(1));
        sizes.fold(0, u128::saturating_add)
    }

    /// The first number of each range, and the first one after it: between two of them, membership does not change.
    pub fn edges(&self) -> impl Iterator<Item = u128> {
        self.0
            .iter()
            .flat_map(|(first, last)| [*first, last.saturating_add(1)])
    }

    /// Whether the set contains more than three quarters of another one.
    fn covers_most_of(&self, other: &Self) -> bool {
        let mut missing = other.clone();
        for (first, last) in &self.0 {
            missing.remove(*first, *last);
        }
        missing.count() < other.count() / 4
    }
}

/// A set of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    v4: Ranges,
    v6: Ranges,
}

/// The addresses of the internet, and those of private networks.
static INTERNET: LazyLock<Addresses> = LazyLock::new(|| {
    let mut internet = Addresses::of(["0.0.0.0/0", "2000::/3"]);
    for block in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
    ] {
        if let Some(block) = parse_block(block) {
            internet.remove(block);
        }
    }
    internet
});
static PRIVATE: LazyLock<Addresses> =
    LazyLock::new(|| Addresses::of(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]));

impl Addresses {
    /// The addresses of blocks; a text that is not a block is ignored.
    pub fn of<'a>(blocks: impl IntoIterator<Item = &'a str>) -> Self {
        let mut addresses = Self::default();
        for block in blocks.into_iter().filter_map(parse_block) {
            addresses.add(block);
        }
        addresses
    }

    /// Adds a block.
    pub fn add(&mut self, block: IpNet) {
        let (family, first, last) = self.range(block);
        family.add(first, last);
    }

    /// Removes a block.
    pub fn remove(&mut self, block: IpNet) {
        let (family, first, last) = self.range(block);
        family.remove(first, last);
    }

    fn range(&mut self, block: IpNet) -> (&mut Ranges, u128, u128) {
        match block {
            IpNet::V4(block) => (
                &mut self.v4,
                u32::from(block.network()).into(),
                u32::from(block.broadcast()).into(),
            ),
            IpNet::V6(block) => (&mut self.v6, block.network().into(), block.broadcast().into()),
        }
    }

    /// Adds another set.
    pub fn union(&mut self, other: &Self) {
        self.v4.union(&other.v4);
        self.v6.union(&other.v6);
    }

    /// Whether the set contains an address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.contains(u32::from(address).into()),
            IpAddr::V6(address) => self.v6.contains(address.into()),
        }
    }

    /// Whether the set contains more than three quarters of the internet's addresses of a family.
    pub fn cover_the_internet(&self) -> bool {
        self.v4.covers_most_of(&INTERNET.v4) || self.v6.covers_most_of(&INTERNET.v6)
    }

    /// Whether the set also contains more than three quarters of the private addresses of that family.
    pub fn cover_everything(&self) -> bool {
        let covers =
            |own: &Ranges, internet, private| own.covers_most_of(internet) && own.covers_most_of(private);
        covers(&self.v4, &INTERNET.v4, &PRIVATE.v4) || covers(&self.v6, &INTERNET.v6, &PRIVATE.v6)
    }

    /// An address from each part of the sets in which all of them either contain every address or none.
    pub fn samples<'a>(sets: impl Iterator<Item = &'a Self>) -> Vec<IpAddr> {
        let mut samples = Vec::new();
        for set in sets {
            let v4 = set.v4.edges().filter_map(|edge| u32::try_from(edge).ok());
            samples.extend(v4.map(|edge| IpAddr::V4(edge.into())));
            samples.extend(set.v6.edges().map(|edge| IpAddr::V6(edge.into())));
        }
        samples.sort_unstable();
        samples.dedup();
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|block| parse_block(block).unwrap()).collect()
    }

    #[test]
    fn the_two_halves_of_a_family_cover_it() {
        let all = |texts: &[&str]| Addresses::of(texts.iter().copied()).cover_the_internet();
        assert!(all(&["0.0.0.0/0"]) && all(&["10.0.0.0/0"]) && all(&["::/0", "10.0.0.0/8"]));
        assert!(all(&["128.0.0.0/1", "0.0.0.0/1"]) && all(&["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/1"]));
        assert!(!all(&["0.0.0.0/1", "192.0.0.0/3"]) && !all(&[]) && !all(&["0.0.0.0/1", "8000::/1"]));
        assert!(parse_block("10.0.0.0/33").is_none() && parse_block("10.0.0.0").is_none());
    }

    #[test]
    fn blocks_are_read_as_kubernetes_reads_them() {
        let same = |one: &str, other: &str| parse_block(one) == Some(other.parse().unwrap());
        assert!(same("010.000.0.0/8", "10.0.0.0/8") && same("000.0.0.0/0", "0.0.0.0/0"));
        assert!(same("::ffff:10.0.0.0/104", "10.0.0.0/8") && same("fd00::/8", "fd00::/8"));
        assert!(parse_block("1..2.3/8").is_none() && parse_block("").is_none());
    }

    #[test]
    fn almost_all_addresses_are_all_addresses() {
        let covers = |texts: &[&str], except: &[&str]| {
            let mut set = Addresses::of(texts.iter().copied());
            for block in blocks(except) {
                set.remove(block);
            }
            (set.cover_the_internet(), set.cover_everything())
        };
        assert_eq!(covers(&["0.0.0.0/0"], &[]), (true, true));
        assert_eq!(covers(&["0.0.0.0/0"], &["192.0.2.1/32"]), (true, true));
        assert_eq!(covers(&["0.0.0.0/0"], &["10.0.0.0/8"]), (true, false));
        assert!(covers(&["0.0.0.0/1", "128.0.0.0/2"], &[]).0);
        assert_eq!(covers(&["0.0.0.0/1"], &[]), (false, false));
        assert_eq!(
            covers(&["0.0.0.0/0"], &["0.0.0.0/1", "128.0.0.0/1"]),
            (false, false)
        );
        assert_eq!(covers(&["::/0"], &["8000::/1"]), (true, false));
        assert!(covers(&["2000::/3"], &[]).0);
        assert_eq!(covers(&["8000::/1"], &[]), (false, false));
    }

    #[test]
    fn ranges_are_sets() {
        let mut ranges = Ranges::default();
        ranges.add(5, 9);
        ranges.add(1, 4);
        assert_eq!(ranges, Ranges(vec![(1, 9)]));
        ranges.remove(3, 3);
        assert_eq!(ranges, Ranges(vec![(1, 2), (4, 9)]));
        assert!(ranges.contains(4) && !ranges.contains(3) && ranges.count() == 8);
        ranges.remove(0, u128::MAX);
        assert_eq!(ranges, Ranges::default());
        ranges.add(0, u128::MAX);
        assert!(ranges.count() == u128::MAX && ranges.contains(u128::MAX));
    }

    #[test]
    fn a_sample_lies_in_every_part() {
        let (one, other) = (Addresses::of(["10.0.0.0/8"]), Addresses::of(["10.1.0.0/16"]));
        let samples = Addresses::samples([&one, &other].into_iter());
        let within = |set: &Addresses| samples.iter().filter(|address| set.contains(**address)).count();
        assert_eq!((within(&one), within(&other)), (3, 1));
    }
}
