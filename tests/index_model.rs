//! Random operations on arena, lists, lane and name table against naive models; the body is the fuzz target's.
mod support;

#[test]
fn random_operations_agree_with_the_model() {
    support::for_each_seed(96, |dice| {
        let long = dice.chance(20);
        let count = dice.below(if long { 6_000 } else { 800 });
        peerhub::fuzzing::index_ops::run(&dice.bytes(count));
    });
}
