//! Which queues of a topic belong to which member of a group. Every member of a group works the answer out
//! for itself from the same two sorted lists, so this must give exactly what the Java and Go clients give;
//! it owns nothing and asks nobody.

use std::ops::Range;

/// The queues of member `client_id`, as a range of positions in the group's sorted queue list.
///
/// This is RocketMQ's averaging strategy (`AVG`): members and queues are sorted, each member takes a run of
/// neighbouring queues, and the first `queues % members` members take one more. `member_ids` must be sorted
/// and may hold an id twice (a broker lists one entry per connection); the first one counts, as in Java.
/// A member that the broker does not list owns nothing: the others have already shared its queues.
pub(crate) fn allocate_averagely(
    queues: usize,
    member_ids: &[String],
    client_id: &str,
) -> Range<usize> {
    debug_assert!(
        member_ids.is_sorted(),
        "members agree on queues only if all sort alike"
    );
    let members = member_ids.len();
    let Some(index) = member_ids.iter().position(|id| id == client_id) else {
        return 0..0;
    };
    let remainder = queues % members;
    let (start, share) = if index < remainder {
        (index * (queues / members + 1), queues / members + 1)
    } else {
        (index * (queues / members) + remainder, queues / members)
    };
    debug_assert!(
        start + share <= queues,
        "a member's run of queues ends within the list"
    );
    start..start + share
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn ids(count: usize) -> Vec<String> {
        let mut ids: Vec<String> = (0..count)
            .map(|n| format!("10.0.0.{n}@{}#7", n * 31))
            .collect();
        ids.sort();
        ids
    }

    /// `AllocateMessageQueueAveragely.allocate`, step for step with Java's int arithmetic, as the oracle.
    fn java_averagely(queues: i64, members: i64, index: i64) -> Vec<usize> {
        let remainder = queues % members;
        let average = if queues <= members {
            1
        } else if remainder > 0 && index < remainder {
            queues / members + 1
        } else {
            queues / members
        };
        let start = if remainder > 0 && index < remainder {
            index * average
        } else {
            index * average + remainder
        };
        let range = average.min(queues - start);
        (0..range.max(0))
            .map(|i| usize::try_from(start + i).unwrap())
            .collect()
    }

    #[test]
    fn equals_javas_averaging_strategy_for_every_size_up_to_64() {
        for members in 1..=64usize {
            let ids = ids(members);
            for queues in 1..=64usize {
                for (index, id) in ids.iter().enumerate() {
                    let ours: Vec<usize> = allocate_averagely(queues, &ids, id).collect();
                    assert_eq!(
                        ours,
                        java_averagely(queues as i64, members as i64, index as i64),
                        "{queues} queues, {members} members, member {index}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn equals_javas_averaging_strategy(queues in 1usize..20_000, members in 1usize..600, pick in any::<prop::sample::Index>()) {
            let ids = ids(members);
            let index = pick.index(members);
            let ours: Vec<usize> = allocate_averagely(queues, &ids, &ids[index]).collect();
            prop_assert_eq!(ours, java_averagely(queues as i64, members as i64, index as i64));
        }

        #[test]
        fn gives_every_queue_to_exactly_one_member(queues in 0usize..2_000, members in 1usize..200) {
            let ids = ids(members);
            let mut owners = vec![0; queues];
            for id in &ids {
                for queue in allocate_averagely(queues, &ids, id) {
                    owners[queue] += 1;
                }
            }
            prop_assert!(owners.iter().all(|&n| n == 1));
        }
    }

    #[test]
    fn a_member_the_broker_does_not_list_owns_nothing() {
        assert!(allocate_averagely(8, &ids(3), "10.9.9.9@1#1").is_empty());
    }

    #[test]
    fn an_id_listed_twice_takes_its_first_place_as_java_does() {
        let ids = vec!["a".to_owned(), "a".to_owned(), "b".to_owned()];
        assert_eq!(allocate_averagely(6, &ids, "a"), 0..2);
        assert_eq!(allocate_averagely(6, &ids, "b"), 4..6);
    }
}
