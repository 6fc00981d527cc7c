//! The names of channels and keys, and which partition each lies in.
//!
//! Every name has a hash tag out of a fixed table of 256, so that one server and a Cluster use the same
//! names, and what belongs together lies in one slot: `ws:{fc}g:rust` is the channel of the group `rust`.
//! The tag is the low byte of the CRC-16 of the topic's own name, in two hexadecimal digits.

use bytes::Bytes;
use bytestring::ByteString;

use crate::backend::Topic;
use crate::config::Rate;
use crate::id::{ConnectionId, UserId};

/// How many partitions there are. All servers of an application agree on it: it is part of every name.
pub(super) const PARTITIONS: usize = 256;
/// How many slots a Cluster has.
const SLOTS: u16 = 16384;

/// Where a name lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Partition(pub(super) u8);

impl Partition {
    /// Where what concerns all servers lies, and the channel of everybody.
    pub(super) const COMMON: Self = Self(0);

    pub(super) fn of(name: &str) -> Self {
        Self((crc16(name.as_bytes()) & 0xff) as u8)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// Its slot in a Cluster.
    pub(super) fn slot(self) -> u16 {
        crc16(format!("{:02x}", self.0).as_bytes()) % SLOTS
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What is counted by name: connections of users, members of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    User,
    Group,
}

impl Kind {
    pub(super) fn letter(self) -> char {
        match self {
            Self::User => 'u',
            Self::Group => 'g',
        }
    }
}

/// A [`Topic`] as it is read from a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Group(ByteString),
    User(UserId),
    /// The connections of one server, by its incarnation.
    Server(u64),
    Broadcast,
}

/// The names of one application.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// `REDIS_CHANNEL_PREFIX`, and behind it the database: Redis does not keep channels apart by it.
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str, database: i64) -> Self {
        let prefix = if database == 0 { prefix.to_owned() } else { format!("{prefix}{database}:") };
        Self { prefix }
    }

    pub(super) fn partition(topic: Topic<'_>) -> Partition {
        match topic {
            Topic::Group(group) => Partition::of(group),
            Topic::User(user) => Partition::of(user.as_str()),
            Topic::Connection(id) => Self::partition_of_server(id.incarnation()),
            Topic::Broadcast => Partition::COMMON,
        }
    }

    fn partition_of_server(incarnation: u64) -> Partition {
        Partition::of(&format!("{incarnation:x}"))
    }

    /// The channel of a topic, and where it lies.
    pub(super) fn channel(&self, topic: Topic<'_>) -> (Partition, String) {
        let partition = Self::partition(topic);
        let (letter, name) = match topic {
            Topic::Group(group) => ("g:", group),
            Topic::User(user) => ("u:", user.as_str()),
            Topic::Connection(id) => {
                return (partition, self.named(partition, "s:", &format!("{:x}", id.incarnation())));
            }
            Topic::Broadcast => ("b", ""),
        };
        (partition, self.named(partition, letter, name))
    }

    /// Every message needs one: no formatting.
    fn named(&self, partition: Partition, letter: &str, name: &str) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| char::from(DIGITS[usize::from(value & 0xf)]);
        let mut text = String::with_capacity(self.prefix.len() + 4 + letter.len() + name.len());
        text.push_str(&self.prefix);
        text.extend(['{', digit(partition.0 >> 4), digit(partition.0), '}']);
        text.push_str(letter);
        text.push_str(name);
        text
    }

    /// The channel of what is for single connections of a server.
    pub(super) fn server_channel(&self, incarnation: u64) -> (Partition, String) {
        self.channel(Topic::Connection(ConnectionId::new(incarnation, 0)))
    }

    /// What a channel of ours means; nothing, if it is none of ours.
    /// `part` gives it from a place on, without a copy.
    pub(super) fn address(&self, channel: &[u8], part: impl Fn(usize) -> Bytes) -> Option<Address> {
        // Behind the prefix: an opening brace, two digits, a closing brace, and a letter with a colon.
        let kind = channel.strip_prefix(self.prefix.as_bytes())?.get(4..)?;
        if kind == b"b" {
            return Some(Address::Broadcast);
        }
        let (kind, name) = kind.split_at_checked(2)?;
        let name = ByteString::try_from(part(channel.len() - name.len())).ok()?;
        match kind {
            b"g:" => Some(Address::Group(name)),
            b"u:" => UserId::new(&*name).ok().map(Address::User),
            b"s:" => u64::from_str_radix(&name, 16).ok().map(Address::Server),
            _ => None,
        }
    }

    /// A hash: lease to how many this server has of the name.
    pub(super) fn counts(&self, kind: Kind, name: &str) -> String {
        format!("{}{{{:02x}}}n:{}:{name}", self.prefix, Partition::of(name).0, kind.letter())
    }

    /// The set of all names of a partition that somebody has.
    pub(super) fn known(&self, kind: Kind, partition: Partition) -> String {
        format!("{}{{{:02x}}}known:{}", self.prefix, partition.0, kind.letter())
    }

    /// The set of the names of a partition that one server counts: what is to be cleaned up after it.
    pub(super) fn held(&self, partition: Partition, lease: &str) -> String {
        format!("{}{{{:02x}}}held:{lease}", self.prefix, partition.0)
    }

    /// A rate's state: one key at two rates has two.
    pub(super) fn rate(&self, key: &str, rate: Rate) -> (Partition, String) {
        let partition = Partition::of(key);
        // A rate has no colon, so that no two pairs make one name.
        (partition, format!("{}{{{:02x}}}rate:{rate}:{key}", self.prefix, partition.0))
    }

    /// What must be done once.
    pub(super) fn claim(&self, key: &str) -> (Partition, String) {
        let partition = Partition::of(key);
        (partition, format!("{}{{{:02x}}}once:{key}", self.prefix, partition.0))
    }

    /// What concerns all servers.
    pub(super) fn common(&self, name: &str) -> String {
        format!("{}{{{:02x}}}{name}", self.prefix, Partition::COMMON.0)
    }
}

/// CRC-16/XMODEM, the one that Redis makes slots with.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let index = usize::from((crc >> 8) ^ u16::from(*byte));
        (crc << 8) ^ CRC16[index]
    })
}

const CRC16: [u16; 256] = {
    const POLYNOMIAL: u16 = 0x1021;
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ POLYNOMIAL };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn address_of(names: &Names, channel: &[u8]) -> Option<Address> {
        names.address(channel, |from| Bytes::copy_from_slice(&channel[from..]))
    }

    #[test]
    fn the_hash_is_that_of_redis() {
        // The check value of CRC-16/XMODEM, which the specification of Redis Cluster gives too.
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b"foo") % SLOTS, 12182);
    }

    #[test]
    fn partitions_are_spread_over_a_cluster() {
        let third = |slot: u16| usize::from(slot) * 3 / usize::from(SLOTS);
        let mut nodes = [0; 3];
        Partition::all().for_each(|partition| nodes[third(partition.slot())] += 1);
        assert!(nodes.iter().all(|count| (70..=100).contains(count)), "{nodes:?}");
    }

    #[test]
    fn a_channel_is_read_as_it_was_written() {
        let ada = UserId::new("ada").unwrap();
        for names in [Names::new("ws:", 0), Names::new("a", 12)] {
            for (topic, address) in [
                (Topic::Group("rust"), Address::Group("rust".into())),
                (Topic::Group("{x}g:\u{1f980}"), Address::Group("{x}g:\u{1f980}".into())),
                (Topic::User(&ada), Address::User(ada.clone())),
                (Topic::Connection(ConnectionId::new(0xa1, 7)), Address::Server(0xa1)),
                (Topic::Broadcast, Address::Broadcast),
            ] {
                let (_, channel) = names.channel(topic);
                assert_eq!(address_of(&names, channel.as_bytes()), Some(address), "{channel}");
            }
        }
        let (_, channel) = Names::new("ws:", 0).channel(Topic::Group("rust"));
        assert_eq!(channel, format!("ws:{{{:02x}}}g:rust", crc16(b"rust") & 0xff));
    }

    #[test]
    fn a_foreign_channel_means_nothing() {
        let names = Names::new("ws:", 0);
        for channel in ["", "ws:", "ws:{00}", "ws:{00}x", "other:{00}b", "ws:{00}s:zz", "ws:{00}u:"] {
            assert_eq!(address_of(&names, channel.as_bytes()), None, "{channel}");
        }
        assert_eq!(address_of(&names, b"ws:{00}g:\xff"), None);
    }
}
