//! Who is in which room, and who speaks when. The same seed gives the same plan.

use fastrand::Rng;

use crate::options::Options;

/// One turn: this connection posts to the room in this place of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) connection: u32,
    pub(crate) slot: u32,
}

/// The memberships of a run, from both sides.
#[derive(Debug)]
pub(crate) struct Plan {
    rooms_of: Vec<Vec<u32>>,
    members_of: Vec<Vec<u32>>,
    turns: Vec<Turn>,
}

impl Plan {
    /// Every connection draws its rooms independently, so rooms are shared by chance, as the seed's are.
    pub(crate) fn new(options: &Options) -> Self {
        let mut rng = Rng::with_seed(options.seed);
        let mut members_of = vec![Vec::new(); options.rooms as usize];
        let mut rooms_of = Vec::with_capacity(options.connections as usize);
        let mut turns = Vec::new();
        for connection in 0..options.connections {
            let rooms = draw(&mut rng, options.rooms, options.rooms_per_connection);
            for &room in &rooms {
                members_of[room as usize].push(connection);
            }
            turns.extend((0..options.rooms_per_connection).map(|slot| Turn { connection, slot }));
            rooms_of.push(rooms);
        }
        // A shuffled round instead of a draw for each message: every member of every room gets its turn.
        rng.shuffle(&mut turns);
        Self { rooms_of, members_of, turns }
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> u32 {
        u32::try_from(self.rooms_of.len()).unwrap_or(u32::MAX)
    }

    /// The rooms that this connection joins.
    pub(crate) fn rooms_of(&self, connection: u32) -> &[u32] {
        &self.rooms_of[connection as usize]
    }

    /// The connections in a room, in ascending order; empty for a room that does not exist.
    pub(crate) fn members_of(&self, room: u32) -> &[u32] {
        self.members_of.get(room as usize).map_or(&[], Vec::as_slice)
    }

    /// How many rooms there are, those that nobody joins included.
    pub(crate) fn rooms(&self) -> u32 {
        u32::try_from(self.members_of.len()).unwrap_or(u32::MAX)
    }

    /// How many rooms have a member.
    pub(crate) fn rooms_in_use(&self) -> usize {
        self.members_of.iter().filter(|members| !members.is_empty()).count()
    }

    /// How many rooms have two members or more.
    pub(crate) fn rooms_shared(&self) -> usize {
        self.members_of.iter().filter(|members| members.len() > 1).count()
    }

    /// The most members that a room has.
    pub(crate) fn largest_room(&self) -> usize {
        self.members_of.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Whose turn it is with the n-th message; the round begins again when everybody had a turn.
    pub(crate) fn turn(&self, message: u64) -> Turn {
        let round = self.turns.len() as u64;
        self.turns[usize::try_from(message % round).unwrap_or_default()]
    }
}

/// `count` different rooms out of `rooms`.
fn draw(rng: &mut Rng, rooms: u32, count: u32) -> Vec<u32> {
    // Floyd's sampling: it needs no list of all rooms and always ends, even where a connection joins every room.
    let mut drawn = Vec::with_capacity(count as usize);
    for last in rooms - count..rooms {
        let room = rng.u32(0..=last);
        drawn.push(if drawn.contains(&room) { last } else { room });
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn options(connections: u32, rooms: u32, rooms_per_connection: u32) -> Options {
        Options { connections, rooms, rooms_per_connection, ..Options::default() }
    }

    #[test]
    fn each_joins_different_rooms_and_the_rooms_know_it() {
        let plan = Plan::new(&options(300, 1_000, 10));
        for connection in 0..300 {
            let rooms = plan.rooms_of(connection);
            assert_eq!(rooms.iter().collect::<HashSet<_>>().len(), 10);
            assert!(rooms.iter().all(|&room| plan.members_of(room).binary_search(&connection).is_ok()));
        }
        let memberships: usize = (0..plan.rooms()).map(|room| plan.members_of(room).len()).sum();
        assert_eq!(memberships, 3_000);
        assert!(plan.rooms_shared() > 500 && plan.largest_room() > 4, "rooms are shared by chance");
        assert!(plan.members_of(1_000).is_empty());
    }

    #[test]
    fn a_connection_can_join_every_room() {
        let plan = Plan::new(&options(2, 10, 10));
        assert_eq!((plan.rooms_in_use(), plan.rooms_shared()), (10, 10));
    }

    #[test]
    fn everybody_gets_a_turn_in_each_room_before_anybody_gets_a_second() {
        let plan = Plan::new(&options(20, 100, 3));
        let turns: HashSet<_> = (0..60).map(|n| plan.turn(n)).map(|turn| (turn.connection, turn.slot)).collect();
        assert_eq!(turns.len(), 60);
        assert_eq!(plan.turn(60), plan.turn(0));
    }

    #[test]
    fn the_seed_decides() {
        let rooms = |seed| Plan::new(&Options { seed, ..options(50, 1_000, 10) }).rooms_of;
        assert_eq!(rooms(1), rooms(1));
        assert_ne!(rooms(1), rooms(2));
    }
}
