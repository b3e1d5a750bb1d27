//! Networks written as CIDR blocks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    first: u128,
    last: u128,
    v4: bool,
}

impl Block {
    /// Reads a block such as `10.0.0.0/8`; a single address is a block of one.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no network");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(width);
        if length > width {
            return Err(wrong());
        }
        let free = width - length;
        let below = if free == 128 { u128::MAX } else { (1 << free) - 1 };
        let first = number(address) & !below;
        Ok(Self {
            first,
            last: first | below,
            v4: address.is_ipv4(),
        })
    }

    /// Whether an address is in the block.
    pub fn contains(self, address: IpAddr) -> bool {
        self.v4 == address.is_ipv4() && (self.first..=self.last).contains(&number(address))
    }

    /// Whether all of another block is in this one.
    pub fn covers(self, other: Self) -> bool {
        self.v4 == other.v4 && self.first <= other.first && other.last <= self.last
    }

    /// The addresses at which a result can change: both ends of the block, and their neighbors outside.
    pub fn edges(self) -> Vec<IpAddr> {
        let most = if self.v4 { u128::from(u32::MAX) } else { u128::MAX };
        let outside = [
            self.first.checked_sub(1),
            (self.last < most).then(|| self.last.wrapping_add(1)),
        ];
        [Some(self.first), Some(self.last)]
            .into_iter()
            .chain(outside)
            .flatten()
            .map(|number| address(number, self.v4))
            .collect()
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(number: u128, v4: bool) -> IpAddr {
    if v4 {
        IpAddr::V4(Ipv4Addr::from(
            u32::try_from(number).expect("an address of version 4 has 32 bits"),
        ))
    } else {
        IpAddr::V6(Ipv6Addr::from(number))
    }
}

#[test]
fn a_block_contains_its_ends_and_nothing_beyond() {
    let block = Block::read("10.1.2.0/24").unwrap();
    let inside = |text: &str| block.contains(text.parse().unwrap());
    assert!(inside("10.1.2.0") && inside("10.1.2.255"));
    assert!(!inside("10.1.1.255") && !inside("10.1.3.0") && !inside("::ffff:10.1.2.1"));
    let edges: Vec<_> = block.edges().iter().map(ToString::to_string).collect();
    assert_eq!(edges, ["10.1.2.0", "10.1.2.255", "10.1.1.255", "10.1.3.0"]);
}

#[test]
fn everything_has_no_outside() {
    let all = Block::read("0.0.0.0/0").unwrap();
    assert_eq!(all.edges().len(), 2);
    assert_eq!(Block::read("::/0").unwrap().edges().len(), 2);
    assert!(all.covers(Block::read("10.0.0.0/8").unwrap()) && !all.covers(Block::read("::1").unwrap()));
    assert!(Block::read("10.0.0.0/33").is_err() && Block::read("here").is_err());
}
