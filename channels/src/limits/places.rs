//! Connections of each address, on this server.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::Address;

/// How many connections each address has; who has none is not in it.
#[derive(Debug, Default)]
pub(crate) struct Places(DashMap<Address, usize>);

impl Places {
    /// Takes a place, and says how many the address has with it.
    pub(crate) fn take(self: &Arc<Self>, address: Address) -> (AddressPlace, usize) {
        let count = {
            let mut count = self.0.entry(address).or_insert(0);
            *count += 1;
            *count
        };
        (AddressPlace { places: Arc::clone(self), address }, count)
    }
}

/// One connection's place; dropped, it is free again.
#[derive(Debug)]
pub(crate) struct AddressPlace {
    places: Arc<Places>,
    address: Address,
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.places.0.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn who_has_left_is_forgotten() {
        let places = Arc::new(Places::default());
        let address = Address::from("192.0.2.1".parse::<IpAddr>().unwrap());
        let (first, one) = places.take(address);
        let (second, two) = places.take(address);
        assert_eq!((one, two), (1, 2));
        drop(first);
        assert_eq!(places.take(address).1, 2);
        drop(second);
        assert!(places.0.is_empty());
    }
}
