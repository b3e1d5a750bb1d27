//! Blocks of addresses.

use ipnet::IpNet;

/// Whether these blocks together contain every IPv4 address or every IPv6 address: `0.0.0.0/0`, or its two halves.
pub fn cover_a_family(blocks: &[IpNet]) -> bool {
    // Blocks with host bits, such as `10.0.0.0/0`, are not aggregated otherwise.
    let blocks = blocks.iter().map(IpNet::trunc).collect();
    IpNet::aggregate(&blocks)
        .iter()
        .any(|block| block.prefix_len() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_halves_of_a_family_cover_it() {
        let all = |blocks: &[&str]| {
            let blocks: Vec<IpNet> = blocks.iter().map(|block| block.parse().unwrap()).collect();
            cover_a_family(&blocks)
        };
        assert!(all(&["0.0.0.0/0"]) && all(&["10.0.0.0/0"]) && all(&["::/0", "10.0.0.0/8"]));
        assert!(all(&["128.0.0.0/1", "0.0.0.0/1"]) && all(&["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/1"]));
        assert!(!all(&["0.0.0.0/1", "192.0.0.0/2"]) && !all(&[]) && !all(&["0.0.0.0/1", "8000::/1"]));
        assert!("10.0.0.0/33".parse::<IpNet>().is_err() && "10.0.0.0".parse::<IpNet>().is_err());
    }
}
