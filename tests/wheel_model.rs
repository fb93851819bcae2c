//! Random operations on the timer wheel against naive models; the body is the fuzz target's.
mod support;

#[test]
fn random_operations_agree_with_the_model() {
    support::for_each_seed(4_096, |dice| {
        let long = dice.chance(20);
        let count = dice.below(if long { 6_000 } else { 800 });
        peerhub::fuzzing::wheel_ops::run(&dice.bytes(count));
    });
}
